//! Variables of other images that have no counterpart here: one that is set is warned of once, with what to set instead.

use super::fault::Warning;
use super::lookup::Lookup;
use super::resolve::is_quoted;

/// Variables of `myoung34/docker-github-actions-runner`, `actions-runner-controller` and the runner itself that are more than
/// a name for something of ours.
const TABLE: [(&str, &str); 8] = [
    (
        "CONFIGURED_ACTIONS_RUNNER_FILES_DIR",
        "keep RUNNER_DIR on a volume and set DISABLE_AUTOMATIC_DEREGISTRATION=true",
    ),
    ("DEBUG_ONLY", "runner-init check shows the configuration and does nothing"),
    ("ENABLE_RUNNER_WORKDIR_SUFFIX", "give each runner a RUNNER_WORK_DIR of its own"),
    (
        "GITHUB_ACTIONS_RUNNER_TLS_NO_VERIFY",
        "it holds for the runner's own connections; ours carry the credential and are always verified, so let SSL_CERT_FILE hold the server's certificate or its authority's",
    ),
    ("RUNNER_WORKDIR_ROOT", "set RUNNER_WORK_DIR"),
    ("RUN_AS_ROOT", "RUNNER_USER says as whom the runner runs"),
    ("STARTUP_DELAY_IN_SECONDS", "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS waits for the Docker daemon"),
    ("START_DOCKER_SERVICE", "no Docker daemon is started, mount /var/run/docker.sock"),
];

/// What is heeded by the libraries of ours and the runner's, as it is.
const HANDED_ON: [&str; 11] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
];

/// One warning for each that is set to no use.
pub(super) fn warnings(lookup: &dyn Lookup) -> Vec<Warning> {
    let is_set = |name: &str| lookup.get(name).is_some_and(|value| !value.is_empty());
    let set = TABLE.into_iter().filter(|(name, _)| is_set(name));
    let unread =
        set.map(|(name, instead)| Warning { var: name.into(), says: format!("is not read here: {instead}") });
    let has_quotes = |name: &str| lookup.get(name).is_some_and(|value| value.to_str().is_some_and(is_quoted));
    let quoted = HANDED_ON.into_iter().filter(|name| has_quotes(name)).map(|name| Warning {
        var: name.into(),
        says: "has quotes around it, which are part of the value: write it without".into(),
    });
    unread.chain(quoted).collect()
}
