//! Builds the registrar from the configuration: who we are, where we register, and what the listener is given instead of a
//! registration.

use super::fault::StartError;
use super::files::RunnerFiles;
use crate::config::{Config, Credential, vars};
use crate::domain::configure::Registration;
use crate::domain::target::Target;
use crate::github::{self, App, AppKey, Client, Code, Endpoint, Observe, Proxies, RetryPolicy, Roots};
use crate::registration::{
    Access, ConfigScript, Ground, JobListCache, KnownRunner, LocalRegistration, Memory, Registrar,
};
use crate::sys::child::Launch;
use crate::sys::runner_user;
use crate::sys::stdio::OutputWriter;
use crate::telemetry::emit::ApiMeter;
use chrono::Utc;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) type Environment = Vec<(OsString, OsString)>;

struct CallMeter(ApiMeter);

impl Observe for CallMeter {
    fn call(&self, endpoint: Endpoint, code: Code, rate_limit_remaining: Option<u64>) {
        self.0.call(endpoint.as_str(), code.as_str(), rate_limit_remaining);
    }
}

/// The registrar, if there is anything to register.
pub(super) fn registrar(
    config: &Config,
    launch: &Launch,
    files: &RunnerFiles,
    outlets: &[OutputWriter; 2],
    meter: ApiMeter,
) -> Result<Option<Registrar>, StartError> {
    let environment = &launch.env;
    let (false, Some(credential), Some(target)) =
        (config.registration.skip, &config.credential, &config.target)
    else {
        return Ok(None);
    };
    let Some(access) = access(config, credential, target, environment, Arc::new(CallMeter(meter)))? else {
        return Ok(None);
    };
    Ok(Some(Registrar {
        script: ConfigScript { launch: script(launch), outlets: outlets.clone() },
        wish: wish(config, target),
        just_in_time: config.registration.jit,
        access,
        identity: identity(config, target, launch, files),
        ground: ground(config, launch, files),
        seen: JobListCache::default(),
    }))
}

/// What a given just-in-time configuration adds to the listener's environment; argument lists are for everybody to read.
pub(super) fn given_jit(config: &Config) -> Option<(OsString, OsString)> {
    match &config.credential {
        Some(Credential::Jit(jit)) => {
            Some((vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name.into(), jit.expose().into()))
        }
        Some(Credential::Pat(_) | Credential::App { .. } | Credential::RegistrationToken(_)) | None => None,
    }
}

/// How GitHub is spoken to with this credential; `None` where there is nothing to say.
pub(super) fn access(
    config: &Config,
    credential: &Credential,
    target: &Target,
    environment: &Environment,
    observe: Arc<dyn Observe>,
) -> Result<Option<Access>, StartError> {
    let credential = match credential {
        Credential::Jit(_) => return Ok(None),
        Credential::RegistrationToken(token) => return Ok(Some(Access::Token(token.clone()))),
        Credential::Pat(token) => github::ApiCredential::Pat(token.clone()),
        Credential::App { id, key, installation, login } => github::ApiCredential::App(App {
            id: id.clone(),
            key: AppKey::new(key).map_err(StartError::AppKey)?,
            installation: *installation,
            login: login.clone(),
        }),
    };
    let setup = github::ClientConfig {
        base: config.api_url.clone(),
        target: target.clone(),
        credential,
        roots: Roots::Native,
        proxies: proxies(environment)?,
        policy: RetryPolicy::default(),
        observe,
        #[expect(clippy::disallowed_methods, reason = "tokens expire by the wall clock")]
        clock: Arc::new(Utc::now),
    };
    Client::new(setup).map(|client| Some(Access::Api(Box::new(client)))).map_err(StartError::Api)
}

/// The proxies that the environment names.
pub(super) fn proxies(environment: &Environment) -> Result<Proxies, StartError> {
    let get = |name: &str| {
        let found = environment.iter().rev().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.to_str().map(str::to_owned))
    };
    Proxies::from_lookup(get).map_err(StartError::Proxy)
}

fn wish(config: &Config, target: &Target) -> Registration {
    let registration = &config.registration;
    Registration {
        url: target.runner_url(&config.host),
        name: config.runner.name.clone(),
        labels: registration.labels.join(","),
        group: registration.group.clone().unwrap_or_default(),
        work_dir: text(&config.runner.work_dir),
        ephemeral: config.runner.ephemeral,
        replace: registration.replace,
        no_default_labels: registration.no_default_labels,
        disable_update: registration.disable_update,
    }
}

/// Beside the job log: where we are another user than the jobs, they cannot write there.
fn beside_the_job_log(config: &Config, ending: &str) -> PathBuf {
    let mut file = config.job_log.path.clone().into_os_string();
    file.push(ending);
    file.into()
}

fn ground(config: &Config, launch: &Launch, files: &RunnerFiles) -> Ground {
    let user = launch.user.as_ref().map(|user| user.uid);
    let file = beside_the_job_log(config, ".programs");
    Ground::new(file, files.dir.clone(), user.unwrap_or_else(runner_user::our_uid), user.is_some())
}

fn identity(config: &Config, target: &Target, launch: &Launch, files: &RunnerFiles) -> KnownRunner {
    let file = beside_the_job_log(config, ".registration");
    let memory = Memory { file, jobs_can_write: launch.user.is_none() };
    let local = LocalRegistration { dir: files.dir.clone(), disk: files.disk.clone() };
    KnownRunner::open(memory, local, config.host.clone(), target.clone(), config.runner.name.clone())
}

fn text(path: &Path) -> String {
    path.to_str().expect("configuration is UTF-8").to_owned()
}

fn script(launch: &Launch) -> Launch {
    Launch { program: launch.dir.join("config.sh"), args: Vec::new(), ..launch.clone() }
}
