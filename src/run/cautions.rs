//! What is legal and probably not meant: each is a warning that names a variable, and none stops the start.

use crate::config::{self, Config, Lookup, is_secret, vars};
use crate::sys::{parent_env, runner_user, startup_checks};
use std::ffi::OsString;
use std::path::Path;

/// A secret of ours that jobs can read, though not from us: docker's `--init` is given the whole environment too.
pub(crate) fn exposed(config: &Config, lookup: &impl Lookup) -> Option<config::Warning> {
    let is_ours = |name: &[u8], value: &[u8]| {
        let own = || lookup.get(&String::from_utf8_lossy(name));
        !value.is_empty() && is_secret(name) && own().is_some_and(|own| own.as_encoded_bytes() == value)
    };
    let (pid, var) = parent_env::leaked_secret(config.runner.user.is_some(), is_ours)?;
    let says = format!(
        "stands in the environment of process {pid} too, where every job can read it: start without --init (init: true in \
         compose), with runner-init as PID 1"
    );
    Some(config::Warning { var, says })
}

/// A secret in the environment of every process of this container, our health checks among them, and our program can be
/// read: whoever is of our user may look into such a process until it has hidden itself.
pub(crate) fn readable(config: &Config, lookup: &impl Lookup) -> Option<config::Warning> {
    if config.runner.user.is_some() || runner_user::is_root() {
        return None;
    }
    let is_given = |name: &OsString| {
        let name = name.to_str().filter(|name| is_secret(name.as_bytes()));
        name.is_some_and(|name| lookup.get(name).is_some_and(|value| !value.is_empty()))
    };
    let var = lookup.names().into_iter().find(is_given)?.into_string().ok()?;
    let program = startup_checks::readable()?;
    let says = format!(
        "is in the environment of each health check too, and a job that can read {0} can look into it: chmod 0711 {0}, owner root",
        program.display()
    );
    Some(config::Warning { var, says })
}

/// A secret's file that jobs can read, as any file that we read is where we are of one user.
pub(crate) fn open_file(config: &Config, lookup: &impl Lookup) -> Option<config::Warning> {
    let spec = config.runner.user.as_ref().map(ToString::to_string);
    // Who cannot be told is refused soon.
    let jobs = runner_user::resolve(spec.as_deref(), &[]).ok()?;
    let is_open = |name: &OsString| {
        let secret = name.to_str().and_then(|name| name.strip_suffix("_FILE"));
        let is_one = secret.is_some_and(|secret| is_secret(secret.as_bytes()));
        let path = name.to_str().filter(|_| is_one).and_then(|name| lookup.get(name));
        path.is_some_and(|path| !path.is_empty() && startup_checks::opens(Path::new(&path), jobs.as_ref()))
    };
    let var = lookup.names().into_iter().find(is_open)?.into_string().ok()?;
    let says = "names a file that jobs can read: start as root with RUNNER_USER, and make the file root's, of mode 0400";
    Some(config::Warning { var, says: says.to_owned() })
}

/// What a start as this user would refuse; a check may be made elsewhere, so here it is a warning.
pub(crate) fn refuses_root(config: &Config) -> Option<config::Warning> {
    let runs_as_us = config.runner.user.is_none() && !config.runner.allow_root;
    (runs_as_us && runner_user::is_root()).then(|| config::Warning {
        var: vars::RUNNER_ALLOW_RUNASROOT.name.to_owned(),
        says: "a start as root, as this check is made, is refused: set RUNNER_USER, or allow it".to_owned(),
    })
}

/// A token that can be tried out: nothing but its length stands against whoever reaches the port.
pub(crate) fn weak_token(config: &Config) -> Option<config::Warning> {
    const SHORTEST: usize = 16;
    let is_short = config.metrics.auth_token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST);
    is_short.then(|| config::Warning {
        var: vars::METRICS_AUTH_TOKEN.name.to_owned(),
        says: "can be guessed: take 16 random characters or more".to_owned(),
    })
}
