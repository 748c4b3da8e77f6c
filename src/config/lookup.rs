//! The source of environment variables. The outside reaches the configuration through [`Lookup`] alone: [`Environment`]
//! is the only door to the process's own variables, a [`MapLookup`] stands in for it in tests and in the demo.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroize as _;

/// A secret's file may not be larger, in bytes.
pub(super) const SECRET_FILE_LIMIT: u64 = 64 * 1024;

/// Where variables, the files they name, the hostname and chance come from.
pub trait Lookup {
    /// The variable's value, or `None` if it is not set.
    fn get(&self, name: &str) -> Option<OsString>;

    /// Every variable with its value, in no particular order.
    fn vars(&self) -> Vec<(OsString, OsString)>;

    /// The name of every variable.
    fn names(&self) -> Vec<OsString> {
        let vars = self.vars().into_iter();
        // The values are copies, secrets among them.
        vars.map(|(name, value)| (name, value.into_encoded_bytes().zeroize()).0).collect()
    }

    /// What the file holds; of one larger than 64 KiB at least that much and a byte more.
    ///
    /// # Errors
    /// If it cannot be opened or read.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// This machine's name, if it has one.
    fn hostname(&self) -> Option<String>;

    /// A number that nobody has to be unable to guess, another one each time.
    fn random(&self) -> u64;
}

/// The process's own environment.
#[derive(Clone, Copy, Debug)]
pub struct Environment;

impl Lookup for Environment {
    #[expect(clippy::disallowed_methods, reason = "the one door to the process's own variables")]
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    #[expect(clippy::disallowed_methods, reason = "the one door to the process's own variables")]
    fn vars(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(SECRET_FILE_LIMIT + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn hostname(&self) -> Option<String> {
        nix::unistd::gethostname().ok()?.into_string().ok()
    }

    fn random(&self) -> u64 {
        // The standard library takes the keys of its hash maps from the system; a clock would be the same in a fleet that
        // starts at once.
        RandomState::new().build_hasher().finish()
    }
}

/// An environment made up of values.
#[derive(Clone, Debug, Default)]
pub struct MapLookup {
    vars: BTreeMap<OsString, OsString>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    hostname: Option<String>,
    random: u64,
}

impl MapLookup {
    /// These variables, no files, no hostname.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(vars: impl IntoIterator<Item = (N, V)>) -> MapLookup {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        MapLookup { vars, ..MapLookup::default() }
    }

    /// Sets one variable more, or anew.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> MapLookup {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Adds a file; every other path is "not found".
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> MapLookup {
        self.files.insert(path.into(), bytes.into());
        self
    }

    /// Names the machine.
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<String>) -> MapLookup {
        self.hostname = Some(hostname.into());
        self
    }

    /// Decides what is left to chance, 0 until then.
    #[must_use]
    pub fn with_random(mut self, random: u64) -> MapLookup {
        self.random = random;
        self
    }
}

impl Lookup for MapLookup {
    fn get(&self, name: &str) -> Option<OsString> {
        self.vars.get(std::ffi::OsStr::new(name)).cloned()
    }

    fn vars(&self) -> Vec<(OsString, OsString)> {
        self.vars.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn hostname(&self) -> Option<String> {
        self.hostname.clone()
    }

    fn random(&self) -> u64 {
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_s_own_environment_is_readable() {
        let path = Environment.get("PATH").expect("cargo sets PATH");
        assert!(Environment.vars().contains(&("PATH".into(), path)));
        assert!(Environment.names().contains(&"PATH".into()));
        assert_eq!(Environment.get("RUNNER_INIT_NO_SUCH_VARIABLE"), None);
        assert!(Environment.hostname().is_some_and(|name| !name.is_empty()));
        assert_ne!(Environment.random(), Environment.random());
    }

    #[test]
    fn a_file_without_end_is_read_to_the_limit_only() {
        let bytes = Environment.read_file(Path::new("/dev/zero")).unwrap();
        assert_eq!(bytes.len() as u64, SECRET_FILE_LIMIT + 1);
        assert!(Environment.read_file(Path::new("/no/such/file")).is_err());
    }
}
