//! A layer over SQLite's way to the system: its "virtual file system", of which only the log's file is ours.

use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;
use std::{ptr, slice};

use rusqlite::ffi;

use super::Gathered;

const NAME: &CStr = c"joining-log-writes";

/// The layer. SQLite hands its first member to [`open`].
#[repr(C)]
struct Layer {
    vfs: ffi::sqlite3_vfs,
    system: *mut ffi::sqlite3_vfs,
}

/// The log's file, as SQLite has it: its methods first, and behind this the system's own file, in the memory that SQLite gave for both.
#[repr(C)]
struct LogFile {
    file: ffi::sqlite3_file,
    gathered: Gathered,
}

/// The name of the layer, for `Connection::open_with_flags_and_vfs`; `None` where SQLite has no room for it, or no file system of its own.
#[must_use]
pub fn joining_log_writes() -> Option<&'static CStr> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    REGISTERED.get_or_init(register).then_some(NAME)
}

#[expect(unsafe_code, reason = "SQLite's interface is C")]
fn register() -> bool {
    // SAFETY: the default file system lives as long as the process, and is only copied from. Its functions look at their first argument in
    // xOpen alone, which is replaced, so that the copies may be called with the layer.
    let layer = unsafe {
        let system = ffi::sqlite3_vfs_find(ptr::null());
        let Some(own) = system.as_ref() else { return false };
        let Ok(size) = c_int::try_from(size_of::<LogFile>()) else { return false };
        let mut vfs = ptr::read(own);
        vfs.szOsFile += size;
        vfs.pNext = ptr::null_mut();
        vfs.zName = NAME.as_ptr();
        vfs.xOpen = Some(open);
        Box::leak(Box::new(Layer { vfs, system }))
    };
    // SAFETY: the layer is never freed, and SQLite guards its list of them.
    unsafe { ffi::sqlite3_vfs_register(&raw mut layer.vfs, 0) == ffi::SQLITE_OK }
}

/// The system's file behind ours.
#[expect(unsafe_code, reason = "SQLite's interface is C")]
// SAFETY: for what `open` makes alone.
unsafe fn system_file(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `open` has memory of `szOsFile` bytes: for a `LogFile`, whose size keeps the alignment, and for the system's file behind it.
    unsafe { file.cast::<LogFile>().add(1).cast() }
}

/// What the system does with its own files.
#[expect(unsafe_code, reason = "SQLite's interface is C")]
// SAFETY: for what `open` made alone.
unsafe fn methods(file: *mut ffi::sqlite3_file) -> &'static ffi::sqlite3_io_methods {
    // SAFETY: an open file's methods are there and live as long as the process.
    unsafe { &*(*system_file(file)).pMethods }
}

#[expect(unsafe_code, reason = "SQLite's interface is C")]
// SAFETY: for SQLite alone, which keeps to the contract of xOpen.
unsafe extern "C" fn open(
    layer: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    opened_as: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes the layer that it was given, and memory of the size that the layer asks for.
    unsafe {
        let system = (*layer.cast::<Layer>()).system;
        let Some(open) = (*system).xOpen else { return ffi::SQLITE_CANTOPEN };
        if flags & ffi::SQLITE_OPEN_WAL == 0 {
            return open(system, name, file, flags, opened_as);
        }
        // SQLite closes whatever has methods, even after a failure; ours has none until it is whole.
        (*file).pMethods = ptr::null();
        let under = system_file(file);
        (*under).pMethods = ptr::null();
        let outcome = open(system, name, under, flags, opened_as);
        if outcome == ffi::SQLITE_OK {
            let file_of_log = ffi::sqlite3_file { pMethods: &raw const METHODS };
            file.cast::<LogFile>().write(LogFile { file: file_of_log, gathered: Gathered::nothing() });
        } else if let Some(methods) = (*under).pMethods.as_ref()
            && let Some(close) = methods.xClose
        {
            close(under);
        }
        outcome
    }
}

/// Only what a log is asked for. Nobody shares memory over it or maps it.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Pass on what was gathered. After an error it is forgotten: who hears of it gives the whole transaction up.
#[expect(unsafe_code, reason = "SQLite's interface is C")]
// SAFETY: for the methods below alone, with the file that SQLite gave them.
unsafe fn pass_on(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `file` is what `open` made, SQLite uses it from one thread at a time, and the bytes live until they are written.
    let (gathered, outcome) = unsafe {
        let gathered = &mut (*file.cast::<LogFile>()).gathered;
        if gathered.bytes.is_empty() {
            return ffi::SQLITE_OK;
        }
        let (Ok(length), Some(write)) = (c_int::try_from(gathered.bytes.len()), methods(file).xWrite) else {
            return ffi::SQLITE_IOERR_WRITE;
        };
        let outcome = write(system_file(file), gathered.bytes.as_ptr().cast(), length, gathered.at);
        (gathered, outcome)
    };
    gathered.bytes.clear();
    outcome
}

#[expect(unsafe_code, reason = "SQLite's interface is C")]
// SAFETY: for SQLite alone, which keeps to the contract of its file methods.
unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: SQLite passes as many bytes as it says, and an open file.
    unsafe {
        let piece = slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(length).unwrap_or(0));
        let gathered = &raw mut (*file.cast::<LogFile>()).gathered;
        if (*gathered).takes(at, piece) {
            return ffi::SQLITE_OK;
        }
        let outcome = pass_on(file);
        if outcome != ffi::SQLITE_OK || (*gathered).takes(at, piece) {
            return outcome;
        }
        // Longer than all that may be gathered.
        methods(file).xWrite.map_or(ffi::SQLITE_IOERR_WRITE, |write| write(system_file(file), bytes, length, at))
    }
}

#[expect(unsafe_code, reason = "SQLite's interface is C")]
// SAFETY: for SQLite alone, which keeps to the contract of its file methods.
unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and uses it no more. What is gathered belongs to no commit, because a commit ends with `sync`.
    unsafe {
        pass_on(file);
        let outcome = methods(file).xClose.map_or(ffi::SQLITE_OK, |close| close(system_file(file)));
        file.cast::<LogFile>().drop_in_place();
        (*file).pMethods = ptr::null();
        outcome
    }
}

/// Pass on what was gathered, and then have the system do the same as ever.
macro_rules! after_what_was_gathered {
    ($name:ident, $method:ident, $failed:ident $(, $argument:ident: $type:ty)*) => {
        #[expect(unsafe_code, reason = "SQLite's interface is C")]
        // SAFETY: for SQLite alone, which keeps to the contract of its file methods.
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: SQLite passes an open file and what the method asks for, and both go on as they came.
            unsafe {
                match pass_on(file) {
                    ffi::SQLITE_OK => methods(file).$method.map_or(ffi::$failed, |ask| ask(system_file(file) $(, $argument)*)),
                    failed => failed,
                }
            }
        }
    };
}

after_what_was_gathered!(read, xRead, SQLITE_IOERR_READ, bytes: *mut c_void, length: c_int, at: i64);
after_what_was_gathered!(truncate, xTruncate, SQLITE_IOERR_TRUNCATE, length: i64);
after_what_was_gathered!(sync, xSync, SQLITE_IOERR_FSYNC, flags: c_int);
after_what_was_gathered!(file_size, xFileSize, SQLITE_IOERR_FSTAT, length: *mut i64);

/// Have the system do the same as ever; none of it looks at what the file says.
macro_rules! as_ever {
    ($name:ident, $method:ident, $without:expr $(, $argument:ident: $type:ty)*) => {
        #[expect(unsafe_code, reason = "SQLite's interface is C")]
        // SAFETY: for SQLite alone, which keeps to the contract of its file methods.
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: SQLite passes an open file and what the method asks for, and both go on as they came.
            unsafe { methods(file).$method.map_or($without, |ask| ask(system_file(file) $(, $argument)*)) }
        }
    };
}

as_ever!(lock, xLock, ffi::SQLITE_IOERR_LOCK, kind: c_int);
as_ever!(unlock, xUnlock, ffi::SQLITE_IOERR_UNLOCK, kind: c_int);
as_ever!(check_reserved_lock, xCheckReservedLock, ffi::SQLITE_IOERR_LOCK, held: *mut c_int);
as_ever!(file_control, xFileControl, ffi::SQLITE_NOTFOUND, control: c_int, about: *mut c_void);
as_ever!(sector_size, xSectorSize, 0);
as_ever!(device_characteristics, xDeviceCharacteristics, 0);
