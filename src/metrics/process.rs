//! What the kernel says of this process. A system that does not say it leaves the metric out.

/// Memory in RAM, bytes: all of it, and what belongs to no file.
pub(super) struct Memory {
    pub(super) resident: Option<i64>,
    pub(super) anonymous: Option<i64>,
}

pub(super) fn memory() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Memory { resident: bytes(&status, "VmRSS:"), anonymous: bytes(&status, "RssAnon:") }
}

/// A line of proc_pid_status(5): `VmRSS:      5804 kB`.
fn bytes(status: &str, name: &str) -> Option<i64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: i64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_words() {
        let status = "Name:\ttolov\nVmRSS:\t    5804 kB\nRssAnon:\t     920 kB\nThreads:\t3\n";
        assert_eq!((bytes(status, "VmRSS:"), bytes(status, "RssAnon:")), (Some(5_943_296), Some(942_080)));
        assert_eq!((bytes(status, "VmSwap:"), bytes("VmRSS: many", "VmRSS:")), (None, None));
        let own = memory();
        assert!(own.resident > own.anonymous && own.anonymous > Some(0));
    }
}
