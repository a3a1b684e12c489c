//! A pty that looks like a serial line with a stable name: a symlink that always points at the present pty.
//!
//! A serial line forgets what is said while nobody has it open, and an exclusive opener that was killed leaves no trace.
//! A pty does neither. So when its last opener has gone, the pty is replaced by a fresh one under the same name.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::unix::AsyncFd;

/// How often a line that nobody has open is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// An opener that is away this long is gone: closing and opening again at once is no reason for a fresh pty.
const AWAY: Duration = Duration::from_millis(150);

/// The device's end of the cable.
pub(in crate::sim) struct Pty {
    link: PathBuf,
    master: AsyncFd<OwnedFd>,
}

impl Pty {
    pub(in crate::sim) fn plug_in(link: &Path) -> io::Result<Self> {
        let master = fresh(link)?;
        Ok(Self { link: link.to_owned(), master })
    }

    /// Bytes from the box. Waits while nobody has the line open.
    pub(in crate::sim) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut away = Duration::ZERO;
        let mut opened = true;
        loop {
            if opened {
                let mut ready = self.master.readable().await?;
                let was_hung_up = ready.ready().is_read_closed();
                match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut *buffer)?)) {
                    Ok(Ok(count)) if count > 0 => return Ok(count),
                    Ok(_) => opened = false,
                    Err(_would_block) if was_hung_up => self.register_again()?,
                    Err(_would_block) => {}
                }
                continue;
            }
            tokio::time::sleep(LOOK).await;
            away += LOOK;
            match rustix::io::read(self.master.get_ref(), &mut *buffer) {
                Ok(count) if count > 0 => return Ok(count),
                Err(rustix::io::Errno::AGAIN) => {
                    self.register_again()?;
                    opened = true;
                }
                _ if away >= AWAY => {
                    self.master = fresh(&self.link)?;
                    opened = true;
                }
                _ => {}
            }
        }
    }

    /// The box is back on the same pty. The runtime never forgets that a descriptor was hung up: it needs one that it
    /// has not seen.
    fn register_again(&mut self) -> io::Result<()> {
        self.master = register(self.master.get_ref().try_clone()?)?;
        Ok(())
    }

    /// Say something. Nobody there: nothing is said.
    pub(in crate::sim) async fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Ok(mut ready) = self.master.writable().await else { return };
            match ready.try_io(|fd| Ok(rustix::io::write(fd, bytes)?)) {
                Ok(Ok(count)) if count > 0 => bytes = &bytes[count..],
                Ok(_) => return,
                Err(_would_block) => tokio::task::yield_now().await,
            }
        }
    }

    /// Bits per second that the opener has set.
    pub(in crate::sim) fn baud(&self) -> Option<u32> {
        tcgetattr(self.master.get_ref()).ok().map(|t| t.output_speed())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The name vanishes with the cable. Nothing can be done when it cannot be removed, and nothing depends on it.
        let _ = std::fs::remove_file(&self.link);
    }
}

fn fresh(link: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    // On Linux the master's attributes are the line's: raw, so that nothing is echoed before the box has set its own.
    let mut attributes = tcgetattr(&master)?;
    attributes.make_raw();
    tcsetattr(&master, OptionalActions::Now, &attributes)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let new = link.with_extension("new");
    let _ = std::fs::remove_file(&new);
    std::os::unix::fs::symlink(name.to_str().map_err(io::Error::other)?, &new)?;
    std::fs::rename(&new, link)?;
    register(master)
}

fn register(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // Its successor is `unsafe`, because a type may give its descriptor away; an `OwnedFd` does not.
    #[expect(deprecated, reason = "sound for an OwnedFd, and this crate keeps unsafe out of here")]
    AsyncFd::new(master)
}
