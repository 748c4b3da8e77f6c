//! One credential is used: two that contradict are a fault, and so is none where one is needed.

use super::{ignored, settled};
use crate::config::fault::Warning;
use crate::config::names;
use crate::config::reading::Reading;
use crate::config::registration::Credential;
use crate::config::value::Value;

/// What a GitHub App takes; the rest is found without.
const APP: [&str; 2] = [names::APP_ID, names::APP_PRIVATE_KEY];

/// The credential that is used; `None` if there is none, or where there is a fault.
pub(super) fn check(reading: &mut Reading, warnings: &mut Vec<Warning>) -> Option<Credential> {
    let app = app(reading, warnings);
    exclude(reading);
    just_in_time(reading, warnings);
    let skip: Option<bool> = reading.get(names::RUNNER_SKIP_REGISTRATION);
    if skip == Some(true) {
        ignored(
            reading,
            warnings,
            names::RUNNER_TOKEN,
            "RUNNER_SKIP_REGISTRATION is true, nothing is registered",
        );
    } else if let Some(better) = better_than_token(reading) {
        ignored(reading, warnings, names::RUNNER_TOKEN, format!("{better} mints its own"));
    }
    if skip == Some(false) && !is_any_given(reading) {
        reading.refuse(
            names::GITHUB_TOKEN,
            "no credential: set GITHUB_TOKEN, or APP_ID and APP_PRIVATE_KEY, or RUNNER_TOKEN, or \
             ACTIONS_RUNNER_INPUT_JITCONFIG (each may be NAME_FILE); or RUNNER_SKIP_REGISTRATION=true if RUNNER_DIR is \
             configured already",
        );
    }
    let pat = || reading.get(names::GITHUB_TOKEN).map(Credential::Pat);
    let jit = || reading.get(names::JITCONFIG).map(Credential::Jit);
    let token = || {
        let token = reading.get(names::RUNNER_TOKEN).filter(|_| skip != Some(true));
        token.map(Credential::RegistrationToken)
    };
    app.or_else(pat).or_else(jit).or_else(token)
}

fn is_app_given(reading: &Reading) -> bool {
    APP.iter().any(|name| reading.is_given(name))
}

fn is_any_given(reading: &Reading) -> bool {
    let whole = [names::GITHUB_TOKEN, names::RUNNER_TOKEN, names::JITCONFIG];
    is_app_given(reading) || whole.iter().any(|name| reading.is_given(name))
}

/// The variable whose credential asks for registration tokens itself, as it was set.
fn better_than_token(reading: &Reading) -> Option<String> {
    let first = [names::GITHUB_TOKEN, names::APP_ID].into_iter().find(|name| reading.is_given(name));
    first.map(|name| reading.spelt(name).to_owned())
}

fn app(reading: &mut Reading, warnings: &mut Vec<Warning>) -> Option<Credential> {
    for (name, other) in [(names::APP_ID, names::APP_PRIVATE_KEY), (names::APP_PRIVATE_KEY, names::APP_ID)] {
        if reading.is_given(name) && !reading.is_given(other) {
            let how = if other == names::APP_PRIVATE_KEY { " (or APP_PRIVATE_KEY_FILE)" } else { "" };
            reading.refuse(name, format!("needs {other}{how} as well"));
        }
    }
    if !is_app_given(reading) {
        for name in [names::APP_INSTALLATION_ID, names::APP_LOGIN] {
            ignored(reading, warnings, name, "APP_ID and APP_PRIVATE_KEY are not set");
        }
    }
    Some(Credential::App {
        id: reading.get(names::APP_ID)?,
        key: reading.get(names::APP_PRIVATE_KEY)?,
        installation: reading.get(names::APP_INSTALLATION_ID),
        login: reading.get(names::APP_LOGIN),
    })
}

/// Two that say who we are may say two things.
fn exclude(reading: &mut Reading) {
    let whole = [
        (names::GITHUB_TOKEN, reading.is_given(names::GITHUB_TOKEN)),
        (names::APP_ID, is_app_given(reading)),
        (names::JITCONFIG, reading.is_given(names::JITCONFIG)),
    ];
    let mut given = whole.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
    if let Some(first) = given.next() {
        given.for_each(|other| contradicts(reading, other, first));
    }
    // Neither is the first registration of the other.
    if reading.is_given(names::JITCONFIG) && reading.is_given(names::RUNNER_TOKEN) {
        contradicts(reading, names::JITCONFIG, names::RUNNER_TOKEN);
    }
    if reading.get(names::RUNNER_SKIP_REGISTRATION) == Some(true) && reading.is_given(names::JITCONFIG) {
        contradicts(reading, names::JITCONFIG, names::RUNNER_SKIP_REGISTRATION);
    }
}

fn contradicts(reading: &mut Reading, name: &'static str, other: &'static str) {
    // Of an App the key alone may have been set.
    let given = |name| if reading.is_given(name) { name } else { names::APP_PRIVATE_KEY };
    let (name, other) = (given(name), given(other));
    let problem = format!("contradicts {}: both are set, keep one", reading.spelt(other));
    reading.refuse(name, problem);
}

/// A just-in-time runner takes one job, and who asks for its configuration must be able to.
fn just_in_time(reading: &mut Reading, warnings: &mut Vec<Warning>) {
    let stays =
        reading.is_set(names::RUNNER_EPHEMERAL) && reading.get(names::RUNNER_EPHEMERAL) == Some(false);
    let asks = reading.get(names::RUNNER_JIT) == Some(true);
    if reading.is_given(names::JITCONFIG) {
        ignored(reading, warnings, names::RUNNER_JIT, "a just-in-time configuration is given already");
        if stays {
            let var = reading.spelt(names::RUNNER_EPHEMERAL).to_owned();
            warnings.push(Warning { var, says: "is ignored: a just-in-time runner takes one job".into() });
        }
        if !reading.is_faulty(names::RUNNER_EPHEMERAL) {
            reading.derive_from(names::RUNNER_EPHEMERAL, Value::Flag(true), names::JITCONFIG);
        }
        return;
    }
    if !asks {
        return;
    }
    if let Some(why) = settled(reading) {
        ignored(reading, warnings, names::RUNNER_JIT, why);
        return;
    }
    if reading.is_given(names::RUNNER_TOKEN) && better_than_token(reading).is_none() && !is_app_given(reading)
    {
        reading.refuse(
            names::RUNNER_JIT,
            "needs GITHUB_TOKEN, or APP_ID and APP_PRIVATE_KEY: RUNNER_TOKEN cannot ask",
        );
    }
    if stays {
        reading
            .refuse(names::RUNNER_EPHEMERAL, "contradicts RUNNER_JIT: a just-in-time runner takes one job");
    } else if !reading.is_faulty(names::RUNNER_EPHEMERAL) {
        reading.derive_from(names::RUNNER_EPHEMERAL, Value::Flag(true), names::RUNNER_JIT);
    }
}
