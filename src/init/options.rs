//! What may be asked of init on the command line, in the words of tini and dumb-init.

use nix::libc::c_int;
use nix::sys::signal::Signal;
use std::time::Duration;

/// The highest signal number of Linux on every architecture we are built for.
const LAST_SIGNAL: c_int = 64;

/// How init treats its child.
#[derive(Clone, Debug)]
pub(crate) struct InitOptions {
    /// Signals go to the child's process group instead of the child alone.
    pub group: bool,
    /// What reaches the child instead of what was heard.
    pub rewrites: Vec<Rewrite>,
    /// Exit codes that count as 0.
    pub successes: Vec<u8>,
    /// Each orphan reaped is said.
    pub warn: bool,
    /// What we get when our parent ends; passed on like any other.
    pub parent_death: Option<c_int>,
    /// How long processes that outlive the child may take to end after SIGTERM, before they get SIGKILL.
    pub sweep_grace: Duration,
}

impl Default for InitOptions {
    /// To the child alone, everything as it comes; 2 s, which the stop budget counts on.
    fn default() -> InitOptions {
        InitOptions {
            group: false,
            rewrites: Vec::new(),
            successes: Vec::new(),
            warn: false,
            parent_death: None,
            sweep_grace: Duration::from_secs(2),
        }
    }
}

/// One signal turned into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    heard: c_int,
    /// 0: none.
    sent: c_int,
}

impl InitOptions {
    /// What the child gets for `heard`; `None` if nothing. The last one given counts.
    pub(super) fn rewritten(&self, heard: c_int) -> Option<c_int> {
        let rule = self.rewrites.iter().rev().find(|rule| rule.heard == heard);
        Some(rule.map_or(heard, |rule| rule.sent)).filter(|signal| *signal != 0)
    }

    /// The exit code to leave with when the child's is `code`.
    pub(super) fn exit_code(&self, code: i32) -> i32 {
        if self.successes.iter().any(|success| i32::from(*success) == code) { 0 } else { code }
    }
}

/// A signal by its number or its name, with or without `SIG`.
///
/// # Errors
/// What was expected.
pub(crate) fn signal(text: &str) -> Result<c_int, String> {
    let number = text.parse::<c_int>().ok().filter(|number| (1..=LAST_SIGNAL).contains(number));
    let name = text.to_ascii_uppercase();
    let named = || format!("SIG{}", name.strip_prefix("SIG").unwrap_or(&name)).parse::<Signal>().ok();
    number.or_else(|| named().map(|signal| signal as c_int)).ok_or_else(|| {
        format!("no signal; expected a name such as TERM, or a number from 1 to {LAST_SIGNAL}")
    })
}

/// `TERM:QUIT`, `15:3`; `TERM:0` drops it.
///
/// # Errors
/// What was expected.
pub(crate) fn rewrite(text: &str) -> Result<Rewrite, String> {
    let (heard, sent) = text.split_once(':').ok_or("expected two signals, such as TERM:QUIT or 15:3")?;
    let sent = if sent == "0" { 0 } else { signal(sent)? };
    Ok(Rewrite { heard: signal(heard)?, sent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [("15", 15), ("TERM", 15), ("SIGTERM", 15), ("term", 15), ("64", 64), ("1", 1)]
        {
            assert_eq!(signal(text), Ok(number), "{text}");
        }
        for text in ["0", "65", "-1", "", "SIG", "TERMS", "SIGSIGTERM"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_rewrite_counts_and_none_is_followed_by_another() {
        let rules = |texts: &[&str]| InitOptions {
            rewrites: texts.iter().map(|text| rewrite(text).expect("well formed")).collect(),
            ..InitOptions::default()
        };
        assert_eq!(rules(&[]).rewritten(15), Some(15));
        assert_eq!(rules(&["15:3"]).rewritten(15), Some(3));
        assert_eq!(rules(&["TERM:0"]).rewritten(15), None);
        assert_eq!(rules(&["TERM:INT", "INT:QUIT"]).rewritten(15), Some(2));
        assert_eq!(rules(&["TERM:INT", "TERM:QUIT"]).rewritten(15), Some(3));
        for text in ["15", "15:", ":15", "15:99", "0:15", "a:b", "1:2:3"] {
            assert!(rewrite(text).is_err(), "{text}");
        }
    }

    #[test]
    fn codes_asked_for_count_as_success() {
        let options = InitOptions { successes: vec![3, 143], ..InitOptions::default() };
        assert_eq!([0, 3, 4, 143].map(|code| options.exit_code(code)), [0, 0, 4, 0]);
    }
}
