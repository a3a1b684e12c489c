//! A Unix socket's file: made for those who may use it and nobody else, never over something that is alive or is no socket, and gone when it is not
//! listened to any more.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another program listens there.
    #[error("{} is in use by another program; is another tolov running?", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket has this name.
    #[error("{} is there and is no socket; move it away or choose another path", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system's word.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// The file of a socket that was made here; removed with this value.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and number: what somebody else put into its place is left alone.
    made: (u64, u64),
}

/// Listen at `path`, in place of a socket that was left behind by a program that was killed. `mode` says who may connect.
///
/// # Errors
/// Somebody listens there, something else has that name, or the folder takes no socket.
pub(super) async fn listen(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(SocketError::NoSocket { path: path.to_owned() }),
        Ok(_) if is_alive(path).await => return Err(SocketError::InUse { path: path.to_owned() }),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        Ok(_) | Err(_) => {}
    }
    let (listener, about) = make(path, mode).map_err(failed)?;
    Ok((listener, SocketFile { path: path.to_owned(), made: (about.dev(), about.ino()) }))
}

/// Only a refused connection proves that nobody listens: a queue that is full, for example, is somebody's.
async fn is_alive(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
    }
}

/// Made aside and moved into place, so that nobody ever sees it with another mode, or sees none.
fn make(path: &Path, mode: u32) -> io::Result<(UnixListener, Metadata)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("~");
    let made = path.with_file_name(name);
    match fs::remove_file(&made) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(mode))?;
    let about = fs::symlink_metadata(&made)?;
    fs::rename(&made, path)?;
    Ok((listener, about))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let own = fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == self.made);
        if own {
            // Losing a file's name costs the next start nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("till.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a killed program leaves its socket behind");
        let (listener, file) = listen(&path, 0o600).await.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let said = listen(&path, 0o600).await.unwrap_err().to_string();
        assert_eq!(said, format!("{} is in use by another program; is another tolov running?", path.display()));
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        fs::write(&path, "payments").unwrap();
        assert!(matches!(listen(&path, 0o600).await, Err(SocketError::NoSocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"payments");
    }

    #[tokio::test]
    async fn the_file_of_another_socket_in_its_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("till.sock");
        let first = listen(&path, 0o600).await.unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen(&path, 0o600).await.unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
