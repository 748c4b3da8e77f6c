//! One credential is used: two that contradict are a fault, and so is none where one is needed.

use super::{ignored, registration_is_given};
use crate::config::fault::Warning;
use crate::config::names;
use crate::config::registration::Credential;
use crate::config::resolve::Resolved;
use crate::config::value::Value;

/// What a GitHub App takes; the rest is found without.
const APP: [&str; 2] = [names::APP_ID, names::APP_PRIVATE_KEY];

/// The credential that is used; `None` if there is none, or where there is a fault.
pub(super) fn check(resolved: &mut Resolved, warnings: &mut Vec<Warning>) -> Option<Credential> {
    let app = app(resolved, warnings);
    exclude(resolved);
    just_in_time(resolved, warnings);
    let skip: Option<bool> = resolved.get(names::RUNNER_SKIP_REGISTRATION);
    if skip == Some(true) {
        ignored(
            resolved,
            warnings,
            names::RUNNER_TOKEN,
            "RUNNER_SKIP_REGISTRATION is true, nothing is registered",
        );
    } else if let Some(better) = better_than_token(resolved) {
        ignored(resolved, warnings, names::RUNNER_TOKEN, format!("{better} mints its own"));
    }
    if skip == Some(false) && !is_any_given(resolved) {
        resolved.refuse(
            names::GITHUB_TOKEN,
            "no credential: set GITHUB_TOKEN, or APP_ID and APP_PRIVATE_KEY, or RUNNER_TOKEN, or \
             ACTIONS_RUNNER_INPUT_JITCONFIG (each may be NAME_FILE); or RUNNER_SKIP_REGISTRATION=true if RUNNER_DIR is \
             configured already",
        );
    }
    let pat = || resolved.get(names::GITHUB_TOKEN).map(Credential::Pat);
    let jit = || resolved.get(names::JITCONFIG).map(Credential::Jit);
    let token = || {
        let token = resolved.get(names::RUNNER_TOKEN).filter(|_| skip != Some(true));
        token.map(Credential::RegistrationToken)
    };
    app.or_else(pat).or_else(jit).or_else(token)
}

fn is_app_given(resolved: &Resolved) -> bool {
    APP.iter().any(|name| resolved.is_given(name))
}

fn is_any_given(resolved: &Resolved) -> bool {
    let whole = [names::GITHUB_TOKEN, names::RUNNER_TOKEN, names::JITCONFIG];
    is_app_given(resolved) || whole.iter().any(|name| resolved.is_given(name))
}

/// The variable whose credential asks for registration tokens itself, as it was set.
fn better_than_token(resolved: &Resolved) -> Option<String> {
    let first = [names::GITHUB_TOKEN, names::APP_ID].into_iter().find(|name| resolved.is_given(name));
    first.map(|name| resolved.as_set(name).to_owned())
}

fn app(resolved: &mut Resolved, warnings: &mut Vec<Warning>) -> Option<Credential> {
    for (name, other) in [(names::APP_ID, names::APP_PRIVATE_KEY), (names::APP_PRIVATE_KEY, names::APP_ID)] {
        if resolved.is_given(name) && !resolved.is_given(other) {
            let how = if other == names::APP_PRIVATE_KEY { " (or APP_PRIVATE_KEY_FILE)" } else { "" };
            resolved.refuse(name, format!("needs {other}{how} as well"));
        }
    }
    if !is_app_given(resolved) {
        for name in [names::APP_INSTALLATION_ID, names::APP_LOGIN] {
            ignored(resolved, warnings, name, "APP_ID and APP_PRIVATE_KEY are not set");
        }
    }
    Some(Credential::App {
        id: resolved.get(names::APP_ID)?,
        key: resolved.get(names::APP_PRIVATE_KEY)?,
        installation: resolved.get(names::APP_INSTALLATION_ID),
        login: resolved.get(names::APP_LOGIN),
    })
}

/// Two that say who we are may say two things.
fn exclude(resolved: &mut Resolved) {
    let whole = [
        (names::GITHUB_TOKEN, resolved.is_given(names::GITHUB_TOKEN)),
        (names::APP_ID, is_app_given(resolved)),
        (names::JITCONFIG, resolved.is_given(names::JITCONFIG)),
    ];
    let mut given = whole.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
    if let Some(first) = given.next() {
        given.for_each(|other| contradicts(resolved, other, first));
    }
    // Neither is the first registration of the other.
    if resolved.is_given(names::JITCONFIG) && resolved.is_given(names::RUNNER_TOKEN) {
        contradicts(resolved, names::JITCONFIG, names::RUNNER_TOKEN);
    }
    if resolved.get(names::RUNNER_SKIP_REGISTRATION) == Some(true) && resolved.is_given(names::JITCONFIG) {
        contradicts(resolved, names::JITCONFIG, names::RUNNER_SKIP_REGISTRATION);
    }
}

fn contradicts(resolved: &mut Resolved, name: &'static str, other: &'static str) {
    // Of an App the key alone may have been set.
    let given = |name| if resolved.is_given(name) { name } else { names::APP_PRIVATE_KEY };
    let (name, other) = (given(name), given(other));
    let problem = format!("contradicts {}: both are set, keep one", resolved.as_set(other));
    resolved.refuse(name, problem);
}

/// A just-in-time runner takes one job, and who asks for its configuration must be able to.
fn just_in_time(resolved: &mut Resolved, warnings: &mut Vec<Warning>) {
    let stays =
        resolved.is_set(names::RUNNER_EPHEMERAL) && resolved.get(names::RUNNER_EPHEMERAL) == Some(false);
    let asks = resolved.get(names::RUNNER_JIT) == Some(true);
    if resolved.is_given(names::JITCONFIG) {
        ignored(resolved, warnings, names::RUNNER_JIT, "a just-in-time configuration is given already");
        if stays {
            let var = resolved.as_set(names::RUNNER_EPHEMERAL).to_owned();
            warnings.push(Warning { var, says: "is ignored: a just-in-time runner takes one job".into() });
        }
        if !resolved.is_faulty(names::RUNNER_EPHEMERAL) {
            resolved.derive_from(names::RUNNER_EPHEMERAL, Value::Flag(true), names::JITCONFIG);
        }
        return;
    }
    if !asks {
        return;
    }
    if let Some(why) = registration_is_given(resolved) {
        ignored(resolved, warnings, names::RUNNER_JIT, why);
        return;
    }
    if resolved.is_given(names::RUNNER_TOKEN)
        && better_than_token(resolved).is_none()
        && !is_app_given(resolved)
    {
        resolved.refuse(
            names::RUNNER_JIT,
            "needs GITHUB_TOKEN, or APP_ID and APP_PRIVATE_KEY: RUNNER_TOKEN cannot ask",
        );
    }
    if stays {
        resolved
            .refuse(names::RUNNER_EPHEMERAL, "contradicts RUNNER_JIT: a just-in-time runner takes one job");
    } else if !resolved.is_faulty(names::RUNNER_EPHEMERAL) {
        resolved.derive_from(names::RUNNER_EPHEMERAL, Value::Flag(true), names::RUNNER_JIT);
    }
}
