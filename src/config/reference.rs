//! The table as a document: what it says of a variable is what the program does with it.

use super::var::{Fallback, Group, Reach, Variable};
use super::vars::describe;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Configuration

Rendered from the table of variables in the code; do not edit. `runner-init check` prints the effective configuration
without its secrets, or every fault, and exits 0 or 64.

- Environment variables are the only configuration. All are read before anything is started, and **all faults are told at
  once**, by name, never with the value.
- An own name wins over its aliases, which are what other runner images call the same thing. Two names that are set and
  disagree are a fault; `check` says which name a value came from.
- Booleans are `1 true yes on` or `0 false no off`, in any case; anything else is a fault. `EPHEMERAL=0` is false.
- Durations are plain seconds, or `90s`, `5m`, `1h30m`.
- An empty variable is not set, whatever its kind.
- A value in quotes is a fault: `docker run --env-file` keeps them, compose takes them off. The line is `GITHUB_TOKEN=ghp_…`.
- Every variable of the first table may be given as `NAME_FILE` (better: what is in the environment, `docker inspect` shows), the absolute path of a file of at most 64 KiB that holds the
  value; so may its aliases, and `METRICS_AUTH_TOKEN`. One line end at its end does not count. Both at once are a fault.
- A name that is nearly one of these is warned about, and so is a value that has no effect beside another.
- Exactly one credential and one target are needed: `GITHUB_TOKEN` and `GITHUB_REPOSITORY` will do. Neither is with
  `RUNNER_SKIP_REGISTRATION=true`, and no target with `ACTIONS_RUNNER_INPUT_JITCONFIG`.

In the tables *read by* says who heeds a variable, and *jobs* whether a job can see it in its environment.
";

const OTHERS: &str = "\
## The runner's own variables

These are not in the tables above; they reach the runner untouched, unless it says otherwise.

| variable | read by | jobs | what it does |
|---|---|---|---|
| `http_proxy`, `https_proxy`, `no_proxy`, in both cases | both | yes | proxies of the runner's and of our own requests to GitHub |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | both | yes | certificates to trust, for the runner's and for our own requests |
| `GITHUB_ACTIONS_RUNNER_TLS_NO_VERIFY` | runner | yes | the runner verifies no certificate. Our own calls do all the same, and a warning says so: they carry the credential, which outlives this runner; a self-signed certificate in `SSL_CERT_FILE` is trusted by both |
| `NODE_EXTRA_CA_CERTS` | runner | yes | certificates to trust, for actions written in JavaScript |
| `ACTIONS_RUNNER_HOOK_JOB_STARTED`, `ACTIONS_RUNNER_HOOK_JOB_COMPLETED` | runner | yes | scripts to run around each job |
| `ACTIONS_RUNNER_INPUT_*` | runner | no | arguments of `config.sh`; what we pass ourselves wins; `_TOKEN`, `_PAT` and `_JITCONFIG` are in the first table |
| `ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT` | runner | yes | always set by us, to 0 or with `RUNNER_PRINT_LOG` to 1 |
| `RUNNER_LOGSIZE`, `WORKER_LOGSIZE` | runner | yes | MB after which a log in `_diag` is followed by the next; set to 8 unless it is there |
| `RUNNER_LOGRETENTION`, `WORKER_LOGRETENTION` | runner | yes | days for which a log in `_diag` is kept; set to 7 unless it is there (the runner's own default is 30) |
| `LANG`, `LC_ALL`, `LC_MESSAGES` | runner | yes | a charset other than UTF-8 is taken away, `LANG` is then `C.UTF-8` |
| `DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION` | nobody | no | taken away: it would put colours where the runner's errors are recognised |
| everything else | runner | yes | inherited as it is |
";

/// `docs/CONFIGURATION.md`, whole.
pub fn markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    let mut group: Option<Group> = None;
    for variable in describe() {
        if group != Some(variable.group) {
            group = Some(variable.group);
            add(&mut out, format_args!("\n## {}\n", variable.group.title()));
            add(&mut out, format_args!("| variable | default | also read | read by | jobs | what it does |"));
            add(&mut out, format_args!("|---|---|---|---|---|---|"));
        }
        row(&mut out, variable);
    }
    out.push('\n');
    out.push_str(OTHERS);
    out
}

fn row(out: &mut String, variable: &Variable) {
    let default = match variable.fallback {
        // Even in code a bar ends the cell.
        Fallback::Value(text) => format!("`{}`", text.replace('|', "\\|")),
        Fallback::Rule(words) => words.to_owned(),
        Fallback::Unset => "–".to_owned(),
    };
    let (reader, jobs) = match variable.reach {
        Reach::Ours => ("us", "no"),
        Reach::Inherited => ("us", "yes"),
        Reach::Runner => ("both", "yes"),
        Reach::Listener => ("both", "no"),
    };
    add(
        out,
        format_args!(
            "| `{}` | {default} | {} | {reader} | {jobs} | {} |",
            variable.name,
            others(variable),
            variable.explained()
        ),
    );
}

/// Every other name it may have, and whose that is.
fn others(variable: &Variable) -> String {
    let file = variable.secret.then(|| format!("`{}_FILE`", variable.name));
    let aliases = variable.aliases.iter().map(|alias| format!("`{}` ({})", alias.name, alias.project));
    file.into_iter().chain(aliases).collect::<Vec<_>>().join(", ")
}

fn add(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes every write");
}
