//! Exec mode on the command line: where the command begins, and how it is to be treated.

use crate::init;
use clap::Args;
use std::ffi::OsString;

/// How CMD is treated; the letters are tini's and dumb-init's.
#[derive(Args)]
pub(super) struct InitArgs {
    /// With CMD: signals go to its process group
    #[arg(short = 'g')]
    group: bool,
    /// With CMD: pass signal A on as B, or not at all if B is 0, e.g. TERM:QUIT; may be repeated
    #[arg(short = 'r', value_name = "A:B", value_parser = init::rewrite)]
    rewrites: Vec<init::Rewrite>,
    /// With CMD: end with 0 instead of this code; may be repeated
    #[arg(short = 'e', value_name = "CODE")]
    successes: Vec<u8>,
    /// With CMD: say each orphan that is reaped
    #[arg(short = 'w')]
    warn: bool,
    /// With CMD: get this signal, and pass it on, when the process that started us ends
    #[arg(short = 'p', value_name = "SIGNAL", value_parser = init::signal)]
    parent_death: Option<i32>,
    /// What tini needs to be told to reap without being PID 1; we always do
    #[arg(short = 's', hide = true)]
    subreaper: bool,
}

/// The options of init that take a value.
const VALUED: [&str; 3] = ["-r", "-e", "-p"];

impl From<InitArgs> for init::InitOptions {
    fn from(args: InitArgs) -> init::InitOptions {
        let InitArgs { group, rewrites, successes, warn, parent_death, subreaper: _ } = args;
        init::InitOptions { group, rewrites, successes, warn, parent_death, ..init::InitOptions::default() }
    }
}

/// `docker run IMAGE bash -c …`: a first word that is neither an option nor a command of ours begins CMD.
pub(super) fn separated(argv: &[OsString]) -> Vec<OsString> {
    let mut argv = argv.to_vec();
    let mut words = argv.iter().enumerate().skip(1);
    let first = loop {
        let Some((at, word)) = words.next() else { return argv };
        let is_option = word.as_encoded_bytes().starts_with(b"-");
        if !is_option {
            break at;
        }
        if word == "--" {
            return argv;
        }
        if VALUED.iter().any(|option| word == option) {
            words.next();
        }
    };
    let word = &argv[first];
    if !super::command().get_subcommands().any(|command| word == command.get_name()) {
        argv.insert(first, "--".into());
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn a_word_that_is_not_ours_begins_the_command() {
        let table = [
            ("runner-init", "runner-init"),
            ("runner-init run", "runner-init run"),
            ("runner-init health --ready", "runner-init health --ready"),
            ("runner-init --version", "runner-init --version"),
            ("runner-init -g", "runner-init -g"),
            ("runner-init bash -c health", "runner-init -- bash -c health"),
            ("runner-init -g bash -g", "runner-init -g -- bash -g"),
            ("runner-init -- run", "runner-init -- run"),
            ("runner-init -e 3 -w bash -e", "runner-init -e 3 -w -- bash -e"),
            ("runner-init -r15:3 -p KILL sh", "runner-init -r15:3 -p KILL -- sh"),
            ("runner-init -e 3 -- sh", "runner-init -e 3 -- sh"),
            ("runner-init -s -g sh", "runner-init -s -g -- sh"),
        ];
        for (typed, meant) in table {
            let words: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
            let got = separated(&words);
            assert_eq!(got.join(" ".as_ref()), OsString::from(meant), "{typed}");
            assert!(Cli::try_parse_from(&got).is_ok() || typed.ends_with("--version"), "{typed}");
        }
    }
}
