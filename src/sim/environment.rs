//! The environment is a value here: read once, changed in memory, handed to children whole; never `setenv`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Variables of a simulated process. Names and values that are not UTF-8 are kept lossily.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(pub(crate) BTreeMap<String, String>);

impl Environment {
    /// The variables this process was started with.
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulated runner hands its whole environment on, as the real one"
    )]
    pub(crate) fn of_process() -> Environment {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Environment(std::env::vars_os().map(|(key, value)| (lossy(key), lossy(value))).collect())
    }

    /// Applies `<root>/.env`: `KEY=VALUE` per line overrides, `KEY=` unsets, nothing is quoted, trimmed or a comment
    /// (`Program.LoadAndSetEnv`).
    pub(crate) fn load_file(&mut self, path: &Path) {
        let text = std::fs::read(path).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            match line.split_once('=') {
                None | Some(("", _)) => {}
                Some((key, "")) => _ = self.0.remove(key),
                Some((key, value)) => _ = self.0.insert(key.to_owned(), value.to_owned()),
            }
        }
    }

    /// Takes out every `ACTIONS_RUNNER_INPUT_*`, in any case; keyed by the lower-case rest of the name.
    pub(crate) fn take_inputs(&mut self) -> BTreeMap<String, String> {
        const PREFIX: &str = "ACTIONS_RUNNER_INPUT_";
        let is_input =
            |key: &str| key.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
        let names: Vec<String> = self.0.keys().filter(|key| is_input(key)).cloned().collect();
        let mut inputs = BTreeMap::new();
        for name in names {
            if let Some(value) = self.0.remove(&name) {
                inputs.insert(name[PREFIX.len()..].to_lowercase(), value);
            }
        }
        inputs
    }

    /// The value of a variable; empty counts as unset.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The runner's idea of true: `1`, `true`, `$true` in any case (`StringUtil.ConvertToBoolean`).
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| ["1", "true", "$true"].iter().any(|t| v.eq_ignore_ascii_case(t)))
    }

    /// A command with exactly this environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the simulated runner starts a process"
    )]
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.0);
        command
    }

    /// Where `PATH` has this program.
    pub(crate) fn which(&self, program: &str) -> Option<std::path::PathBuf> {
        let path = self.get("PATH")?;
        path.split(':').map(|dir| Path::new(dir).join(program)).find(|file| file.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Environment {
        Environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn dotenv_overrides_unsets_and_keeps_the_rest_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        std::fs::write(&file, "A=2\nB=\n# C=3\nexport D=4\nE=\"q\" \nnoequals\n=x\nF=a=b\r\n").unwrap();
        let mut env = of(&[("A", "1"), ("B", "1")]);
        env.load_file(&file);
        let expected = [("# C", "3"), ("A", "2"), ("E", "\"q\" "), ("F", "a=b"), ("export D", "4")];
        assert_eq!(env.0, of(&expected).0);
    }

    #[test]
    fn inputs_are_taken_out_whatever_their_case() {
        let mut env =
            of(&[("actions_runner_input_Token", "t"), ("ACTIONS_RUNNER_INPUT_URL", "u"), ("PATH", "p")]);
        let inputs = env.take_inputs();
        assert_eq!(inputs, of(&[("token", "t"), ("url", "u")]).0);
        assert_eq!(env.0, of(&[("PATH", "p")]).0);
    }
}
