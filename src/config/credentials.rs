//! Secrets: one file each, in one directory, never in `tolov.toml`. They are read when they are used and anew when they
//! change, so that a token can be replaced without a restart. `till_NAME` is a till's token, `qrm_PROFILE` a QRM key,
//! `qrm_callback` the secret of the callback's path.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use crate::limits;

/// What is wrong with a secret. The secret itself is in no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No directory was configured and systemd passed none.
    #[error("no secrets are configured: write credentials_dir, or LoadCredential= in the unit")]
    NoDirectory,
    /// The file or directory is not there or not ours to read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file or directory.
        path: String,
        /// The system's word.
        why: String,
    },
    /// Somebody else may read it.
    #[error("{path} can be read by others; run: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: String,
    },
    /// Too long to be what it should be.
    #[error("{path} has more than {} bytes: is it the right file?", limits::TLS_FILE_MAX_BYTES)]
    TooLong {
        /// The file.
        path: String,
    },
    /// Empty, too long, or not one word of printable characters.
    #[error("{path} holds no secret: one word of printable characters, up to {} bytes", limits::CREDENTIAL_MAX_BYTES)]
    NoSecret {
        /// The file.
        path: String,
    },
    /// A part of an address that can be guessed, or that an address would write otherwise.
    #[error("{path} is no secret for an address: at least {} letters and digits", limits::CALLBACK_SECRET_MIN_CHARS)]
    Guessable {
        /// The file.
        path: String,
    },
    /// More files than a directory of secrets has.
    #[error("{path} has more than {} files: is it the right directory?", limits::CREDENTIALS_MAX)]
    TooMany {
        /// The directory.
        path: String,
    },
}

/// The secret of the callback's path.
const CALLBACK: &str = "qrm_callback";

/// A till that has a token.
#[derive(Clone, Debug)]
pub struct Till {
    /// NAME of the file `till_NAME`.
    pub name: String,
    /// Its token.
    pub token: SecretString,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// The till of that name.
    Till(String),
    /// No till has it: it never was one's, or was withdrawn.
    Nobody,
    /// The tokens cannot be read at this moment, so nobody can say. A folder that is away has withdrawn nothing.
    Unknown,
}

/// The directory of secrets. A clone is the same directory.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    dir: Option<PathBuf>,
    systemd: bool,
    read: Mutex<BTreeMap<String, Known>>,
}

/// A file as it was when it was read.
struct Known {
    stamp: Stamp,
    secret: Result<SecretString, CredentialError>,
}

/// What changes when a file is written or replaced: modification time, inode, size, mode.
pub(super) type Stamp = (i64, i64, u64, u64, u32);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl Credentials {
    /// No secrets at all.
    pub fn none() -> Self {
        Self::new(None, false)
    }

    /// A directory that a person keeps; each file is readable by its owner alone.
    pub fn in_dir(dir: PathBuf) -> Self {
        Self::new(Some(dir), false)
    }

    /// `$CREDENTIALS_DIRECTORY`. systemd opens these files to the unit's user by an access list, which shows as a group
    /// permission; others are still refused.
    pub fn from_systemd(dir: PathBuf) -> Self {
        Self::new(Some(dir), true)
    }

    fn new(dir: Option<PathBuf>, systemd: bool) -> Self {
        Self(Arc::new(Inner { dir, systemd, read: Mutex::default() }))
    }

    /// The secret in the file `name`, as it is now.
    pub fn get(&self, name: &str) -> Result<SecretString, CredentialError> {
        let dir = self.0.dir.as_deref().ok_or(CredentialError::NoDirectory)?;
        let path = dir.join(name);
        let about = path.metadata().map_err(|error| unreadable(&path, &error))?;
        let stamp = stamp(&about);
        let mut read = self.lock();
        if let Some(known) = read.get(name)
            && known.stamp == stamp
        {
            return known.secret.clone();
        }
        let secret = self.read(&path, &about);
        if let Err(error) = &secret {
            tracing::warn!(%error, "a secret was refused");
        }
        read.insert(name.to_owned(), Known { stamp, secret: secret.clone() });
        secret
    }

    /// Every till with a token that can be used, in the order of their names.
    pub fn tills(&self) -> Vec<Till> {
        let names = self.names().unwrap_or_default();
        let tills = names.iter().filter_map(|file| Some((file.strip_prefix("till_")?, file)));
        tills.filter_map(|(name, file)| Some(Till { name: name.to_owned(), token: self.get(file).ok()? })).collect()
    }

    /// Whose token this is. Every token is compared to its end, so that time tells nothing.
    pub fn bearer_of(&self, token: &str) -> Bearer {
        // The files that were read before come first, each as it is now; for whom they do not know, the folder is read.
        let known: Vec<String> = self.lock().keys().cloned().collect();
        if let till @ Bearer::Till(_) = self.sought_among(&known, token) {
            return till;
        }
        match self.sought(token) {
            // A folder that is exchanged while it is read lists files that are not there any more: the next look sees it whole.
            Bearer::Unknown => self.sought(token),
            found => found,
        }
    }

    fn sought(&self, token: &str) -> Bearer {
        match self.names() {
            Ok(names) => self.sought_among(&names, token),
            Err(CredentialError::NoDirectory) => Bearer::Nobody,
            Err(_) => Bearer::Unknown,
        }
    }

    fn sought_among(&self, names: &[String], token: &str) -> Bearer {
        let mut bearer = Bearer::Nobody;
        for (name, file) in names.iter().filter_map(|file| Some((file.strip_prefix("till_")?, file))) {
            match self.get(file) {
                Ok(secret) if same(secret.expose_secret().as_bytes(), token.as_bytes()) => {
                    bearer = Bearer::Till(name.to_owned());
                }
                // It may be the very token that was sent.
                Err(CredentialError::Unreadable { .. }) if bearer == Bearer::Nobody => bearer = Bearer::Unknown,
                _ => {}
            }
        }
        bearer
    }

    /// The secret of the callback's path, `qrm_callback`: letters and digits, long enough not to be guessed.
    pub fn callback(&self) -> Result<SecretString, CredentialError> {
        let secret = self.get(CALLBACK)?;
        let word = secret.expose_secret();
        if word.len() < limits::CALLBACK_SECRET_MIN_CHARS || !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let path = self.0.dir.as_ref().map_or_else(String::new, |dir| dir.join(CALLBACK).display().to_string());
            return Err(CredentialError::Guessable { path });
        }
        Ok(secret)
    }

    /// Whether this is the secret of the callback's path as it is now. Compared to its end, so that time tells nothing.
    pub fn is_callback(&self, word: &str) -> bool {
        self.callback().is_ok_and(|secret| same(secret.expose_secret().as_bytes(), word.as_bytes()))
    }

    /// Everything that is wrong with the directory and its files, for the start and for `tolov check`.
    pub fn check(&self) -> Vec<CredentialError> {
        match self.names() {
            Ok(names) => names.iter().filter_map(|name| self.get(name).err()).collect(),
            Err(CredentialError::NoDirectory) => Vec::new(),
            Err(error) => vec![error],
        }
    }

    /// The names of the secrets; a file that is none of ours is left alone. Secrets that are gone are forgotten.
    fn names(&self) -> Result<Vec<String>, CredentialError> {
        let dir = self.0.dir.as_deref().ok_or(CredentialError::NoDirectory)?;
        let entries = dir.read_dir().map_err(|error| unreadable(dir, &error))?;
        let mut names = Vec::new();
        for (count, entry) in entries.flatten().enumerate() {
            if count >= limits::CREDENTIALS_MAX {
                return Err(CredentialError::TooMany { path: dir.display().to_string() });
            }
            if let Ok(name) = entry.file_name().into_string()
                && (name.starts_with("till_") || name.starts_with("qrm_"))
            {
                names.push(name);
            }
        }
        names.sort();
        self.lock().retain(|name, _| names.contains(name));
        Ok(names)
    }

    /// What changes when the file `name` is written or replaced; `None` while it is not there.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        self.0.dir.as_ref()?.join(name).metadata().ok().as_ref().map(stamp)
    }

    /// A file that is no secret, as it is now.
    pub(super) fn pem(&self, name: &str) -> Result<Vec<u8>, CredentialError> {
        let path = self.0.dir.as_deref().ok_or(CredentialError::NoDirectory)?.join(name);
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let mut bytes = Vec::new();
        let most = limits::TLS_FILE_MAX_BYTES;
        file.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&path, &error))?;
        if bytes.len() as u64 > most {
            return Err(CredentialError::TooLong { path: path.display().to_string() });
        }
        Ok(bytes)
    }

    /// A file of several lines that nobody else may read, as it is now.
    pub(super) fn secret_pem(&self, name: &str) -> Result<Vec<u8>, CredentialError> {
        let path = self.0.dir.as_deref().ok_or(CredentialError::NoDirectory)?.join(name);
        let about = path.metadata().map_err(|error| unreadable(&path, &error))?;
        self.closed_to_others(&path, &about)?;
        self.pem(name)
    }

    fn closed_to_others(&self, path: &Path, about: &Metadata) -> Result<(), CredentialError> {
        let others = if self.0.systemd { 0o037 } else { 0o077 };
        if about.permissions().mode() & others != 0 {
            return Err(CredentialError::TooOpen { path: path.display().to_string() });
        }
        Ok(())
    }

    fn read(&self, path: &Path, about: &Metadata) -> Result<SecretString, CredentialError> {
        let shown = path.display().to_string();
        self.closed_to_others(path, about)?;
        // A pipe of that name would be waited for.
        if !about.is_file() {
            return Err(CredentialError::NoSecret { path: shown });
        }
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let mut text = String::new();
        let read = file.take(limits::CREDENTIAL_MAX_BYTES + 1).read_to_string(&mut text);
        let word = text.trim_end_matches(['\r', '\n']);
        let fits = text.len() as u64 <= limits::CREDENTIAL_MAX_BYTES;
        let one_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        if read.is_err() || !fits || !one_word {
            return Err(CredentialError::NoSecret { path: shown });
        }
        Ok(SecretString::from(word))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(about: &Metadata) -> Stamp {
    (about.mtime(), about.mtime_nsec(), about.ino(), about.size(), about.mode())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CredentialError {
    CredentialError::Unreadable { path: path.display().to_string(), why: error.to_string() }
}

fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_one_word_and_its_last_line_break_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "till_front", "s3cret\n", 0o600);
        let credentials = Credentials::in_dir(dir.path().into());
        let front = Bearer::Till("front".to_owned());
        assert_eq!(credentials.get("till_front").unwrap().expose_secret(), "s3cret");
        assert_eq!(credentials.bearer_of("s3cret"), front);
        assert_eq!(credentials.bearer_of("s3cre"), Bearer::Nobody);
        assert_eq!(credentials.bearer_of(""), Bearer::Nobody);
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_with_the_command_to_run() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let path = write(dir.path(), "till_front", "s3cret", mode);
            let said = Credentials::in_dir(dir.path().into()).get("till_front").unwrap_err().to_string();
            assert_eq!(said, format!("{0} can be read by others; run: chmod 600 {0}", path.display()), "{mode:o}");
        }
    }

    #[test]
    fn systemds_access_list_shows_as_a_group_and_is_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::from_systemd(dir.path().into());
        write(dir.path(), "till_front", "s3cret", 0o440);
        assert!(credentials.get("till_front").is_ok());
        write(dir.path(), "till_front", "s3cret", 0o444);
        assert!(credentials.get("till_front").is_err());
    }

    #[test]
    fn a_secret_that_changes_is_read_anew_and_one_that_goes_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_dir(dir.path().into());
        let path = write(dir.path(), "till_front", "first", 0o600);
        let front = || Bearer::Till("front".to_owned());
        assert_eq!(credentials.bearer_of("first"), front());
        write(dir.path(), "next", "second", 0o600);
        std::fs::rename(dir.path().join("next"), &path).unwrap();
        assert_eq!(credentials.bearer_of("first"), Bearer::Nobody);
        assert_eq!(credentials.bearer_of("second"), front());
        // Found without a look at the folder while it is there, and under its new name when it is not.
        std::fs::rename(&path, dir.path().join("till_back")).unwrap();
        assert_eq!(credentials.bearer_of("second"), Bearer::Till("back".to_owned()));
        write(dir.path(), "till_side", "third", 0o600);
        assert_eq!(credentials.bearer_of("third"), Bearer::Till("side".to_owned()));
        std::fs::remove_file(dir.path().join("till_back")).unwrap();
        assert_eq!(credentials.bearer_of("second"), Bearer::Nobody);
    }

    #[test]
    fn a_folder_that_cannot_be_read_withdraws_no_token_and_knows_none() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, away) = (dir.path().join("credentials"), dir.path().join("away"));
        std::fs::create_dir(&folder).unwrap();
        write(&folder, "till_front", "first", 0o600);
        let credentials = Credentials::in_dir(folder.clone());
        let front = Bearer::Till("front".to_owned());
        assert_eq!(credentials.bearer_of("first"), front);
        std::fs::rename(&folder, &away).unwrap();
        assert_eq!(credentials.bearer_of("first"), Bearer::Unknown);
        assert_eq!(credentials.bearer_of("another"), Bearer::Unknown);
        std::fs::rename(&away, &folder).unwrap();
        assert_eq!(credentials.bearer_of("first"), front);
        assert_eq!(credentials.bearer_of("another"), Bearer::Nobody);
        // A name that leads nowhere stands in the folder, and its token cannot be read.
        std::os::unix::fs::symlink(dir.path().join("nowhere"), folder.join("till_back")).unwrap();
        assert_eq!(credentials.bearer_of("first"), front);
        assert_eq!(credentials.bearer_of("another"), Bearer::Unknown);
        assert_eq!(Credentials::none().bearer_of("first"), Bearer::Nobody);
    }

    #[test]
    fn empty_long_and_many_worded_files_hold_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_dir(dir.path().into());
        for text in ["", "\n", "two words", &"x".repeat(5_000)] {
            write(dir.path(), "qrm_main", text, 0o600);
            assert!(matches!(credentials.get("qrm_main"), Err(CredentialError::NoSecret { .. })), "{text:.10}");
        }
        assert_eq!(credentials.check().len(), 1);
    }

    #[test]
    fn the_callbacks_secret_is_long_plain_and_compared_whole() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_dir(dir.path().into());
        assert!(matches!(credentials.callback(), Err(CredentialError::Unreadable { .. })));
        for word in ["0123456789abcde", "0123456789abcde/", "0123456789%41cde"] {
            write(dir.path(), "qrm_callback", word, 0o600);
            assert!(matches!(credentials.callback(), Err(CredentialError::Guessable { .. })), "{word}");
            assert!(!credentials.is_callback(word));
        }
        write(dir.path(), "qrm_callback", "0123456789abcdef\n", 0o600);
        assert!(credentials.is_callback("0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0"] {
            assert!(!credentials.is_callback(other), "{other}");
        }
    }

    #[test]
    fn nothing_that_is_printed_for_debugging_holds_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "till_front", "s3cret", 0o600);
        let credentials = Credentials::in_dir(dir.path().into());
        let printed = format!("{credentials:?} {:?}", credentials.tills());
        assert!(printed.contains("front") && !printed.contains("s3cret"), "{printed}");
    }
}
