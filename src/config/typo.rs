//! Detection of misspelt variables. A variable that is nearly one of ours is a slip worth a warning: by name only, and
//! never about a name that has a meaning of its own.

use super::fault::{Warning, printable};
use super::lookup::Lookup;
use super::vars::describe;
use strsim::damerau_levenshtein;

/// What a variable of ours begins with. Others are none of our business, however near.
const PREFIXES: [&str; 8] = ["RUNNER_", "METRICS_", "GITHUB_", "JOBS_", "JOB_", "DORA_", "LOG_", "OTEL_"];

/// Names the runner, its wrappers or GitHub give a meaning (actions/runner: `HostContext.cs`, `GitHubContext.cs`,
/// `JobExtension.cs`, `VssUtil.cs`, `run.sh`).
const NATIVE: &str = "\
    RUNNER_ARCH RUNNER_DEBUG RUNNER_ENVIRONMENT RUNNER_LOGRETENTION RUNNER_LOGSIZE \
    RUNNER_MANUALLY_TRAP_SIG RUNNER_OS RUNNER_PERFLOG RUNNER_TEMP RUNNER_TOOLSDIRECTORY RUNNER_TOOL_CACHE \
    RUNNER_TRACKING_ID RUNNER_WORKSPACE \
    GITHUB_ACTION GITHUB_ACTIONS GITHUB_ACTION_PATH GITHUB_ACTION_REF GITHUB_ACTION_REPOSITORY GITHUB_ACTOR \
    GITHUB_ACTOR_ID GITHUB_BASE_REF GITHUB_ENV GITHUB_EVENT_NAME GITHUB_EVENT_PATH \
    GITHUB_GRAPHQL_URL GITHUB_HEAD_REF GITHUB_JOB GITHUB_OUTPUT GITHUB_PATH GITHUB_REF GITHUB_REF_NAME \
    GITHUB_REF_PROTECTED GITHUB_REF_TYPE GITHUB_REPOSITORY_ID GITHUB_REPOSITORY_OWNER \
    GITHUB_REPOSITORY_OWNER_ID GITHUB_RETENTION_DAYS GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER \
    GITHUB_SERVER_URL GITHUB_SHA GITHUB_STATE GITHUB_STEP_SUMMARY GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW \
    GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA GITHUB_WORKSPACE";

/// One warning for each variable that is probably a slip, sorted by name.
pub(super) fn warnings(lookup: &dyn Lookup) -> Vec<Warning> {
    let known = known_names();
    let mut names: Vec<String> =
        lookup.names().into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    names.iter().filter_map(|name| warning(name, &known)).collect()
}

fn warning(name: &str, known: &[String]) -> Option<Warning> {
    let nearest = nearest(name, known)?;
    Some(Warning { var: printable(name), says: format!("is not known; did you mean {nearest}?") })
}

/// The known name a slip away from this one; `None` if there is none, or if the name has a meaning already.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let has_meaning = NATIVE.split(' ').any(|native| native == name) || known.iter().any(|own| own == name);
    if has_meaning {
        return None;
    }
    // Two slips in a short word make any other word.
    let slips = if rest.chars().count() > 4 { 2 } else { 1 };
    let distances = known.iter().map(|own| (damerau_levenshtein(name, own), own));
    let (distance, own) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= slips).then_some(own)
}

fn known_names() -> Vec<String> {
    let mut known = Vec::new();
    for variable in describe() {
        known.extend(variable.names().map(str::to_owned));
        if variable.secret {
            known.extend(variable.names().map(|name| format!("{name}_FILE")));
        }
    }
    known
}
