//! What `config.sh` is asked, and what its answers mean.
//!
//! Options and texts are those of `actions/runner` (`CommandSettings.cs`, `ConfigurationManager.cs`); the token never stands among
//! the arguments, it travels in the environment.

use super::registration::RegistrationFault;

/// The environment's name for `--token`.
pub const TOKEN: &str = "ACTIONS_RUNNER_INPUT_TOKEN";

/// How the runner is to be registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of config.sh")]
pub struct Registration {
    /// `https://github.com/owner/repo`
    pub url: String,
    /// Unique among the runners of its target.
    pub name: String,
    /// Custom labels, comma separated; empty for none.
    pub labels: String,
    /// Runner group; empty for the default one.
    pub group: String,
    /// Work directory.
    pub work_dir: String,
    /// One job, then gone.
    pub ephemeral: bool,
    /// Takes the place of a runner of the same name.
    pub replace: bool,
    /// No `self-hosted`, no operating system, no architecture among the labels.
    pub no_default_labels: bool,
    /// The image is the update.
    pub disable_update: bool,
}

impl Registration {
    /// The custom labels, one by one.
    pub fn custom_labels(&self) -> Vec<String> {
        self.labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect()
    }

    /// The arguments of `config.sh`.
    pub fn arguments(&self) -> Vec<String> {
        let mut args = vec!["--unattended".to_owned()];
        let values = [
            ("--url", &self.url),
            ("--name", &self.name),
            ("--work", &self.work_dir),
            ("--labels", &self.labels),
            ("--runnergroup", &self.group),
        ];
        for (flag, value) in values.into_iter().filter(|(_, value)| !value.is_empty()) {
            args.extend([flag.to_owned(), value.clone()]);
        }
        let flags = [
            ("--replace", self.replace),
            ("--ephemeral", self.ephemeral),
            ("--no-default-labels", self.no_default_labels),
            ("--disableupdate", self.disable_update),
        ];
        args.extend(flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.to_owned()));
        args
    }
}

/// Why `config.sh` failed, from what it printed; `lines` are those of both streams, newest last.
pub fn fault<'a>(code: i32, mut lines: impl Iterator<Item = &'a str>) -> RegistrationFault {
    lines.find_map(known).unwrap_or_else(|| RegistrationFault {
        retry: true,
        says: format!("config.sh ended with code {code}; what it printed is above"),
    })
}

/// The sentences whose cause is known, most telling first.
fn known(line: &str) -> Option<RegistrationFault> {
    const TABLE: [(&str, bool, &str); 11] = [
        (
            "Http response code: NotFound from",
            false,
            "GitHub does not accept the registration token for this target: it is expired (one hour) or for another target",
        ),
        (
            "Http response code: Unauthorized from",
            false,
            "GitHub does not accept the registration token: it is invalid or expired",
        ),
        (
            "Http response code: Forbidden from",
            false,
            "GitHub forbids registering: the target may not have self-hosted runners",
        ),
        (
            "A runner exists with the same name",
            false,
            "a runner of that name exists: set RUNNER_REPLACE_EXISTING=true or another RUNNER_NAME",
        ),
        (
            "Could not find any self-hosted runner group named",
            false,
            "RUNNER_GROUP: there is no such runner group",
        ),
        (
            "Cannot configure the runner because it is already configured",
            false,
            "RUNNER_DIR holds a registration already: remove its .runner and .credentials",
        ),
        (
            "Disabling default labels via --no-default-labels without",
            false,
            "NO_DEFAULT_LABELS needs RUNNER_LABELS",
        ),
        (
            "Invalid configuration provided for",
            false,
            "config.sh does not accept one of the values; its own line says which",
        ),
        (
            "Must not run with sudo",
            false,
            "config.sh does not run as root: set RUNNER_USER, or RUNNER_ALLOW_RUNASROOT=1",
        ),
        ("Libicu's dependencies is missing", false, "the image lacks libicu, which the runner needs"),
        (
            "Dependencies is missing for Dotnet Core",
            false,
            "the image lacks libraries that the runner needs: run bin/installdependencies.sh in it",
        ),
    ];
    let (_, retry, says) = TABLE.into_iter().find(|(text, ..)| line.contains(text))?;
    Some(RegistrationFault { retry, says: says.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_hold_what_is_set_and_no_more() {
        let bare = Registration {
            url: "https://github.com/o/r".into(),
            name: "n".into(),
            ..Registration::default()
        };
        assert_eq!(bare.arguments(), ["--unattended", "--url", "https://github.com/o/r", "--name", "n"]);
        let full = Registration {
            labels: "a,b".into(),
            group: "g".into(),
            work_dir: "/w".into(),
            ephemeral: true,
            replace: true,
            no_default_labels: true,
            disable_update: true,
            ..bare
        };
        let want = "--unattended --url https://github.com/o/r --name n --work /w --labels a,b --runnergroup g --replace --ephemeral \
                    --no-default-labels --disableupdate";
        assert_eq!(full.arguments().join(" "), want);
    }

    #[test]
    fn known_sentences_name_the_cause_and_unknown_ones_are_tried_again() {
        let expired = "Http response code: NotFound from 'POST https://api.github.com/actions/runner-registration' (Request Id: 1)";
        let found = fault(1, ["noise", expired].into_iter());
        assert!(!found.retry && found.says.contains("expired"), "{found:?}");
        let network = fault(1, ["Connection refused (api.github.com:443)"].into_iter());
        assert!(network.retry && network.says.contains("code 1"), "{network:?}");
    }
}
