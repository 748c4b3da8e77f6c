//! What a start would find, looked at without starting anything: `check --files`.

use super::fault::StartError;
use super::registrar_setup::{self, Environment};
use super::runner::{self, LISTENER};
use super::startup::Tcp;
use crate::config::{Config, vars};
use crate::exit_code::ExitCode;
use crate::github::{Code, Endpoint, Observe};
use crate::http::server::socket_path;
use crate::registration::Access;
use crate::sys::door::Dir;
use crate::sys::engine::EngineAddress;
use crate::sys::journal_writer::chain;
use crate::sys::runner_user::{self, RunnerUser};
use crate::sys::{container_jobs, ownership, run_dir, runner_file, startup_checks};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

/// How long the look-up of a name may take.
const LOOK_UP: Duration = Duration::from_secs(5);
/// How long GitHub may take to answer, repetitions included.
const ANSWER: Duration = Duration::from_secs(20);
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];
const RESOLVER: &str =
    "see the container's /etc/resolv.conf and --dns, and GITHUB_API_URL in the configuration";

/// One thing that was looked at.
pub(crate) struct Finding {
    /// The variable that names it, or what it is.
    pub what: &'static str,
    /// What was seen, or what is wrong and how to mend it.
    pub seen: Result<String, String>,
    /// The exit code a start would end with for this.
    pub code: ExitCode,
}

impl Finding {
    fn good(what: &'static str, seen: impl Into<String>) -> Finding {
        Finding { what, seen: Ok(seen.into()), code: ExitCode::Done }
    }

    fn bad(what: &'static str, code: ExitCode, wrong: impl Into<String>) -> Finding {
        Finding { what, seen: Err(wrong.into()), code }
    }

    fn of(what: &'static str, outcome: Result<String, StartError>) -> Finding {
        match outcome {
            Ok(seen) => Finding::good(what, seen),
            Err(error) => Finding::bad(what, error.code(), chain(&error)),
        }
    }
}

struct Unheard;

impl Observe for Unheard {
    fn call(&self, _endpoint: Endpoint, _code: Code, _left: Option<u64>) {}
}

/// Looks at everything, in the order of a start; nothing is changed, but a registration token is asked for.
pub(crate) async fn look(config: &Config, environment: &Environment) -> Vec<Finding> {
    let mut findings = program(config);
    let user = match runner::user(config, environment) {
        Ok(None) if runner_user::is_root() && !config.runner.allow_root => {
            findings.push(Finding::of(vars::RUNNER_ALLOW_RUNASROOT.name, Err(StartError::Root)));
            None
        }
        Ok(user) => {
            findings.push(Finding::good(vars::RUNNER_USER.name, shown(user.as_ref())));
            user
        }
        Err(error) => {
            findings.push(Finding::of(vars::RUNNER_USER.name, Err(error)));
            None
        }
    };
    let runner = Dir::open(&config.runner.dir).ok().map(|runner| runner.with_linked_diag(None));
    let work = runner.as_ref().and_then(runner_file::work_folder);
    let work = work.unwrap_or_else(|| config.runner.work_dir.clone());
    let left =
        runner.filter(|_| config.runner.ephemeral).and_then(|runner| startup_checks::used(&runner, &work));
    if let Some(trace) = left {
        findings.push(Finding::of(vars::RUNNER_EPHEMERAL.name, Err(StartError::Used { trace })));
    }
    findings.extend(directories(config, user.as_ref(), &work));
    findings.push(sockets(config));
    findings.push(Finding::of(vars::METRICS_PORT.name, port(config).await));
    findings.extend(docker(environment, user.as_ref()));
    findings.extend(container_jobs(environment, &work));
    findings.extend(github(config, environment).await);
    findings
}

fn shown(user: Option<&RunnerUser>) -> String {
    match user {
        Some(user) => {
            format!("{}: uid {}, gid {}, groups {:?}", user.name, user.ids.uid, user.ids.gid, user.ids.groups)
        }
        None => "as whom we run".to_owned(),
    }
}

/// The runner's program and what it is configured for.
fn program(config: &Config) -> Vec<Finding> {
    let dir = &config.runner.dir;
    if !dir.join(LISTENER).exists() {
        let error = StartError::NoRunner { dir: dir.clone(), missing: LISTENER };
        return vec![Finding::of(vars::RUNNER_DIR.name, Err(error))];
    }
    let program = Finding::good(vars::RUNNER_DIR.name, format!("{LISTENER} is in {}", dir.display()));
    let is_configured = Dir::open(dir).is_ok_and(|runner| runner_file::is_configured(&runner));
    let registration = match (is_configured, config.registration.skip) {
        (true, _) => Finding::good("registration", "there is one in RUNNER_DIR"),
        (false, false) => Finding::good("registration", "none yet, one will be made"),
        (false, true) => Finding::of("registration", Err(StartError::NotConfigured { dir: dir.clone() })),
    };
    vec![program, registration]
}

fn directories(config: &Config, user: Option<&RunnerUser>, work: &Path) -> Vec<Finding> {
    let dir = &config.runner.dir;
    let can_write = |variable: &'static str, path: &Path, user: Option<&RunnerUser>| {
        let seen = || {
            format!(
                "{} can be written by the {}",
                path.display(),
                if user.is_some() { "runner" } else { "supervisor" }
            )
        };
        Finding::of(variable, runner::check(variable, path, user).map(|()| seen()))
    };
    let mut findings = Vec::new();
    if !config.registration.skip && dir.exists() {
        findings.push(can_write(vars::RUNNER_DIR.name, dir, user));
    }
    findings.push(can_write(vars::RUNNER_WORK_DIR.name, work, user));
    // The state is the supervisor's.
    findings.push(can_write(vars::RUNNER_STATE_DIR.name, &config.job_log.state_dir, None));
    findings.push(can_write(vars::JOBS_LOG.name, &config.job_log.path, None));
    findings
}

fn sockets(config: &Config) -> Finding {
    let candidates = run_dir::candidates(config.run_dir.as_deref());
    let wrong = |dir: &Path| match ownership::check(dir, None) {
        Ok(Ok(())) => None,
        Ok(Err(unwritable)) => Some(unwritable.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let Some(dir) = candidates.iter().find(|dir| wrong(dir).is_none()) else {
        let reasons: Vec<String> = candidates.iter().filter_map(|dir| wrong(dir)).collect();
        return Finding::bad(vars::RUNNER_RUN_DIR.name, ExitCode::Os, reasons.join("; "));
    };
    Finding::good(vars::RUNNER_RUN_DIR.name, format!("the sockets go to {}", dir.display()))
}

async fn port(config: &Config) -> Result<String, StartError> {
    match Tcp::bind(config) {
        Ok(bound) => {
            Ok(bound.address().map_or_else(|| "off".to_owned(), |address| format!("{address} is free")))
        }
        Err(StartError::Bind { source, .. })
            if source.kind() == ErrorKind::AddrInUse && is_running(config).await =>
        {
            Ok("is the running supervisor's".to_owned())
        }
        Err(error) => Err(error),
    }
}

async fn is_running(config: &Config) -> bool {
    for dir in run_dir::candidates(config.run_dir.as_deref()) {
        if UnixStream::connect(socket_path(&dir)).await.is_ok() {
            return true;
        }
    }
    false
}

fn docker(environment: &Environment, user: Option<&RunnerUser>) -> Vec<Finding> {
    let look = |(index, socket): (usize, PathBuf)| {
        let shown = socket.display();
        if let Some(why) = user.and_then(|user| runner::withheld(&socket, index > 0, user)) {
            return Finding::bad("docker socket", ExitCode::Done, format!("{shown}: {why}"));
        }
        let seen = match runner_user::docker_group(&socket) {
            Some(group) => format!("{shown}, group {group}"),
            None => format!("{shown} is not there: no containers in jobs"),
        };
        Finding::good("docker socket", seen)
    };
    EngineAddress::sockets(environment).into_iter().enumerate().map(look).collect()
}

/// Where a socket is there.
fn container_jobs(environment: &Environment, work: &Path) -> Vec<Finding> {
    const WHAT: &str = "container jobs";
    let Some(obstacles) = container_jobs::obstacles(&EngineAddress::sockets(environment), work) else {
        return Vec::new();
    };
    if obstacles.is_empty() {
        return vec![Finding::good(
            WHAT,
            format!("nothing is seen against them; they work in {}", work.display()),
        )];
    }
    let bad = |found: container_jobs::Obstacle| {
        Finding::bad(WHAT, ExitCode::Done, format!("{}: {}", found.why, found.says))
    };
    obstacles.into_iter().map(bad).collect()
}

/// The name of the API's host, and its answer to the credential.
async fn github(config: &Config, environment: &Environment) -> Vec<Finding> {
    const NAME: &str = "name look-up";
    const ANSWERED: &str = "GitHub";
    let (false, Some(credential), Some(target)) =
        (config.registration.skip, &config.credential, &config.target)
    else {
        return vec![Finding::good(ANSWERED, "is not asked: nothing is to be registered")];
    };
    let access = match registrar_setup::access(config, credential, target, environment, Arc::new(Unheard)) {
        Ok(access) => access,
        Err(error) => return vec![Finding::of(ANSWERED, Err(error))],
    };
    let mut findings = Vec::new();
    let has_proxy = environment.iter().any(|(name, value)| {
        !value.is_empty()
            && name.to_str().is_some_and(|name| PROXIES.contains(&name.to_ascii_lowercase().as_str()))
    });
    if has_proxy {
        findings.push(Finding::good(NAME, "is left to the proxy"));
    } else if let Some(host) = host_and_port(&config.api_url) {
        findings.push(looked_up(NAME, &host).await);
    }
    findings.push(match access {
        Some(Access::Api(client)) => match client.registration_token(Instant::now() + ANSWER).await {
            Ok(_) => Finding::good(
                ANSWERED,
                format!("{} takes the credential, which may register runners", config.api_url),
            ),
            Err(error) => Finding::bad(ANSWERED, ExitCode::Unavailable, chain(&error)),
        },
        Some(Access::Token(_)) | None => {
            Finding::good(ANSWERED, "is not asked: this credential can only register")
        }
    });
    findings
}

async fn looked_up(what: &'static str, host: &str) -> Finding {
    match timeout(LOOK_UP, tokio::net::lookup_host(host)).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
            Finding::good(what, format!("{host} is {}", addresses.join(", ")))
        }
        Ok(Err(error)) => Finding::bad(what, ExitCode::Unavailable, format!("{host}: {error}: {RESOLVER}")),
        Err(_) => {
            Finding::bad(what, ExitCode::Unavailable, format!("{host}: no answer within 5 s: {RESOLVER}"))
        }
    }
}

/// `HOST:PORT` of a URL, as a look-up takes it.
fn host_and_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let port = if scheme == "http" { 80 } else { 443 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { authority.to_owned() } else { format!("{authority}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_to_look_up() {
        let rows = [
            ("https://api.github.com", "api.github.com:443"),
            ("http://ghes/api/v3", "ghes:80"),
            ("https://ghes:8443/api/v3", "ghes:8443"),
            ("https://[::1]:8443", "[::1]:8443"),
            ("https://[::1]", "[::1]:443"),
        ];
        for (url, host) in rows {
            assert_eq!(host_and_port(url).as_deref(), Some(host), "{url}");
        }
    }
}
