//! The command line as the runner reads it: a value that starts with `-` is no value, and the first duplicate wins.

use super::environment::Environment;
use std::collections::BTreeMap;

const GENERIC: [&str; 4] = ["help", "version", "commit", "check"];
const CONFIGURE: [&str; 16] = [
    "url",
    "token",
    "pat",
    "name",
    "runnergroup",
    "labels",
    "work",
    "replace",
    "unattended",
    "ephemeral",
    "disableupdate",
    "no-default-labels",
    "monitorsocketaddress",
    "auth",
    "username",
    "runasservice",
];
const REMOVE: [&str; 3] = ["token", "pat", "local"];
const RUN: [&str; 3] = ["once", "jitconfig", "startuptype"];

/// The command, its options, and the `ACTIONS_RUNNER_INPUT_*` variables behind them.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// `run`, `configure`, `remove`, or whatever was given; empty if nothing was.
    pub(crate) command: String,
    given: Vec<(String, String)>,
    inputs: BTreeMap<String, String>,
}

impl Options {
    /// Reads the arguments, and takes the inputs out of the environment.
    pub(crate) fn read(args: &[String], env: &mut Environment) -> Options {
        let mut options = Options { inputs: env.take_inputs(), ..Options::default() };
        let mut args = args.iter().peekable();
        while let Some(arg) = args.next() {
            if let Some(name) = arg.strip_prefix("--") {
                let value = args.next_if(|next| !next.starts_with('-')).cloned().unwrap_or_default();
                options.given.push((name.to_lowercase(), value));
            } else if options.command.is_empty() {
                options.command.clone_from(arg);
            }
        }
        options
    }

    /// An option's value: from the command line, else from the environment; empty counts as absent.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let given = self.given.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        given.or_else(|| self.inputs.get(name)).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a flag is given, or its variable is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let input = self.inputs.get(name).is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"));
        input || self.given.iter().any(|(key, _)| key == name)
    }

    /// The options the command does not know.
    pub(crate) fn unknown(&self) -> Vec<&str> {
        let known: &[&str] = match self.command.as_str() {
            "configure" => &CONFIGURE,
            "remove" => &REMOVE,
            "run" => &RUN,
            _ => &[],
        };
        let names = self.given.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !known.contains(name) && !GENERIC.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Options {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let mut env = Environment::default();
        env.0.insert("ACTIONS_RUNNER_INPUT_NAME".into(), "from-env".into());
        env.0.insert("ACTIONS_RUNNER_INPUT_REPLACE".into(), "true".into());
        Options::read(&args, &mut env)
    }

    #[test]
    fn the_first_duplicate_wins_and_a_dash_is_no_value() {
        let options = read(&["configure", "--token", "--url", "u", "--url", "v", "--bogus"]);
        assert_eq!(options.command, "configure");
        assert_eq!((options.value("token"), options.value("url")), (None, Some("u")));
        assert_eq!(options.unknown(), ["bogus"]);
    }

    #[test]
    fn the_command_line_beats_the_environment() {
        assert_eq!(read(&["configure"]).value("name"), Some("from-env"));
        assert_eq!(read(&["configure", "--name", "mine"]).value("name"), Some("mine"));
        assert!(read(&["configure"]).flag("replace"));
        assert!(!read(&["configure"]).flag("ephemeral"));
    }
}
