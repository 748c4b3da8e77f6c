//! Reports of unexpected files. What stands where a file should be is told once for each job: a job can put it there
//! again and again.

use std::collections::BTreeSet;

/// What was found in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Oddity {
    /// A link, in its place or on the way to it.
    #[error("a link, which is not followed")]
    Link,
    /// A pipe, a socket, a device, a directory.
    #[error("not a regular file")]
    Kind,
    /// On the way to it stands something else than a directory.
    #[error("not in a directory")]
    Way,
    /// It is longer than any that is right.
    #[error("more than {0} bytes")]
    Long(u64),
    /// It has another owner than us, or a second name.
    #[error("not ours alone")]
    Foreign,
}

/// A file that was not opened, or not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddFile {
    /// Where, below the directory it belongs to.
    pub path: String,
    /// What is there.
    pub oddity: Oddity,
}

/// Which have been told since the last job began.
#[derive(Clone, Debug, Default)]
pub struct Told(BTreeSet<(String, Oddity)>);

impl Told {
    /// Whether it is to be told. In a directory whose names are a job's to choose the first is enough.
    pub fn is_new(&mut self, odd: &OddFile) -> bool {
        let place = odd.path.rsplit_once('/').map_or(odd.path.as_str(), |(dir, _)| dir);
        self.0.insert((place.to_owned(), odd.oddity))
    }

    /// A job has begun, which may put there what it likes.
    pub fn job_began(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_for_each_job_whatever_names_a_job_makes_up() {
        let mut told = Told::default();
        let mut tell = |path: &str, oddity| told.is_new(&OddFile { path: path.to_owned(), oddity });
        assert!(tell(".runner", Oddity::Kind) && tell(".runner", Oddity::Link) && tell(".env", Oddity::Kind));
        assert!(!tell(".runner", Oddity::Kind));
        assert!(tell("_diag/pages/1.log", Oddity::Kind) && tell("_diag/Worker_1.log", Oddity::Kind));
        assert!(!tell("_diag/pages/2.log", Oddity::Kind));
        told.job_began();
        assert!(told.is_new(&OddFile { path: ".runner".into(), oddity: Oddity::Kind }));
    }
}
