//! One credential is used: two that contradict are a fault, and so is none where one is needed.

use super::registration_is_given;
use crate::config::registration::Credential;
use crate::config::resolve::Resolved;
use crate::config::var::Variable;
use crate::config::vars;

/// The credential that is used; `None` if there is none, or where there is a fault.
pub(super) fn check(resolved: &mut Resolved) -> Option<Credential> {
    let app = app(resolved);
    exclude(resolved);
    just_in_time(resolved);
    let skip = resolved.get(&vars::RUNNER_SKIP_REGISTRATION);
    if skip == Some(true) {
        resolved.ignore(&vars::RUNNER_TOKEN, "RUNNER_SKIP_REGISTRATION is true, nothing is registered");
    } else if let Some(better) = better_than_token(resolved) {
        resolved.ignore(&vars::RUNNER_TOKEN, format!("{better} mints its own"));
    }
    if skip == Some(false) && !is_any_given(resolved) {
        resolved.refuse(
            &vars::GITHUB_TOKEN,
            "no credential: set GITHUB_TOKEN, or APP_ID and APP_PRIVATE_KEY, or RUNNER_TOKEN, or \
             ACTIONS_RUNNER_INPUT_JITCONFIG (each may be NAME_FILE); or RUNNER_SKIP_REGISTRATION=true if RUNNER_DIR is \
             configured already",
        );
    }
    let pat = || resolved.get(&vars::GITHUB_TOKEN).map(Credential::Pat);
    let jit = || resolved.get(&vars::ACTIONS_RUNNER_INPUT_JITCONFIG).map(Credential::Jit);
    let token = || {
        let token = resolved.get(&vars::RUNNER_TOKEN).filter(|_| skip != Some(true));
        token.map(Credential::RegistrationToken)
    };
    app.or_else(pat).or_else(jit).or_else(token)
}

fn is_app_given(resolved: &Resolved) -> bool {
    // The rest of an App is found without being told.
    resolved.is_given(&vars::APP_ID) || resolved.is_given(&vars::APP_PRIVATE_KEY)
}

fn is_any_given(resolved: &Resolved) -> bool {
    let whole = [&vars::GITHUB_TOKEN, &vars::RUNNER_TOKEN, &vars::ACTIONS_RUNNER_INPUT_JITCONFIG];
    is_app_given(resolved) || whole.iter().any(|name| resolved.is_given(name))
}

/// The variable whose credential asks for registration tokens itself, as it was set.
fn better_than_token(resolved: &Resolved) -> Option<String> {
    let better: [&Variable; 2] = [&vars::GITHUB_TOKEN, &vars::APP_ID];
    let first = better.into_iter().find(|var| resolved.is_given(var));
    first.map(|var| resolved.as_set(var).to_owned())
}

fn app(resolved: &mut Resolved) -> Option<Credential> {
    match (resolved.is_given(&vars::APP_ID), resolved.is_given(&vars::APP_PRIVATE_KEY)) {
        (true, false) => {
            resolved.refuse(&vars::APP_ID, "needs APP_PRIVATE_KEY (or APP_PRIVATE_KEY_FILE) as well");
        }
        (false, true) => resolved.refuse(&vars::APP_PRIVATE_KEY, "needs APP_ID as well"),
        (true, true) | (false, false) => {}
    }
    if !is_app_given(resolved) {
        let details: [&Variable; 2] = [&vars::APP_INSTALLATION_ID, &vars::APP_LOGIN];
        for var in details {
            resolved.ignore(var, "APP_ID and APP_PRIVATE_KEY are not set");
        }
    }
    Some(Credential::App {
        id: resolved.get(&vars::APP_ID)?,
        key: resolved.get(&vars::APP_PRIVATE_KEY)?,
        installation: resolved.get(&vars::APP_INSTALLATION_ID),
        login: resolved.get(&vars::APP_LOGIN),
    })
}

/// Two that say who we are may say two things.
fn exclude(resolved: &mut Resolved) {
    let whole: [(&Variable, bool); 3] = [
        (&vars::GITHUB_TOKEN, resolved.is_given(&vars::GITHUB_TOKEN)),
        (&vars::APP_ID, is_app_given(resolved)),
        (&vars::ACTIONS_RUNNER_INPUT_JITCONFIG, resolved.is_given(&vars::ACTIONS_RUNNER_INPUT_JITCONFIG)),
    ];
    let mut given = whole.into_iter().filter(|(_, given)| *given).map(|(var, _)| var);
    if let Some(first) = given.next() {
        given.for_each(|other| contradicts(resolved, other, first));
    }
    // Neither is the first registration of the other.
    if resolved.is_given(&vars::ACTIONS_RUNNER_INPUT_JITCONFIG) && resolved.is_given(&vars::RUNNER_TOKEN) {
        contradicts(resolved, &vars::ACTIONS_RUNNER_INPUT_JITCONFIG, &vars::RUNNER_TOKEN);
    }
    if resolved.is_on(&vars::RUNNER_SKIP_REGISTRATION)
        && resolved.is_given(&vars::ACTIONS_RUNNER_INPUT_JITCONFIG)
    {
        contradicts(resolved, &vars::ACTIONS_RUNNER_INPUT_JITCONFIG, &vars::RUNNER_SKIP_REGISTRATION);
    }
}

fn contradicts(resolved: &mut Resolved, var: &Variable, other: &Variable) {
    // Of an App the key alone may have been set.
    let key: &Variable = &vars::APP_PRIVATE_KEY;
    let (var, other) = [var, other].map(|var| if resolved.is_given(var) { var } else { key }).into();
    let problem = format!("contradicts {}: both are set, keep one", resolved.as_set(other));
    resolved.refuse(var, problem);
}

/// A just-in-time runner takes one job, and who asks for its configuration must be able to.
fn just_in_time(resolved: &mut Resolved) {
    let stays =
        resolved.is_set(&vars::RUNNER_EPHEMERAL) && resolved.get(&vars::RUNNER_EPHEMERAL) == Some(false);
    let asks = resolved.is_on(&vars::RUNNER_JIT);
    if resolved.is_given(&vars::ACTIONS_RUNNER_INPUT_JITCONFIG) {
        resolved.ignore(&vars::RUNNER_JIT, "a just-in-time configuration is given already");
        if stays {
            resolved.warn(&vars::RUNNER_EPHEMERAL, "is ignored: a just-in-time runner takes one job");
        }
        if !resolved.is_faulty(&vars::RUNNER_EPHEMERAL) {
            resolved.derive_from(&vars::RUNNER_EPHEMERAL, true, &vars::ACTIONS_RUNNER_INPUT_JITCONFIG);
        }
        return;
    }
    if !asks {
        return;
    }
    if let Some(why) = registration_is_given(resolved) {
        resolved.ignore(&vars::RUNNER_JIT, why);
        return;
    }
    if resolved.is_given(&vars::RUNNER_TOKEN)
        && better_than_token(resolved).is_none()
        && !is_app_given(resolved)
    {
        resolved.refuse(
            &vars::RUNNER_JIT,
            "needs GITHUB_TOKEN, or APP_ID and APP_PRIVATE_KEY: RUNNER_TOKEN cannot ask",
        );
    }
    if stays {
        resolved
            .refuse(&vars::RUNNER_EPHEMERAL, "contradicts RUNNER_JIT: a just-in-time runner takes one job");
    } else if !resolved.is_faulty(&vars::RUNNER_EPHEMERAL) {
        resolved.derive_from(&vars::RUNNER_EPHEMERAL, true, &vars::RUNNER_JIT);
    }
}
