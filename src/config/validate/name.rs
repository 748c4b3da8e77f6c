//! A runner has a name of its own: what was asked for, else what a just-in-time configuration says, else a prefix and
//! something that differs from container to container.

use crate::config::lookup::Lookup;
use crate::config::parsers::{self, NAME_LIMIT, SUFFIX_LENGTH};
use crate::config::registration::Credential;
use crate::config::resolve::Resolved;
use crate::config::var::Variable;
use crate::config::vars;

/// What machines are called that have not been given a name.
const CONSTANT: [&str; 4] = ["localhost", "localhost.localdomain", "localhost4", "localhost6"];

/// Makes a name up where none was set.
pub(super) fn derive(resolved: &mut Resolved, lookup: &dyn Lookup, credential: Option<&Credential>) {
    let prefix = prefix(resolved);
    let hostname = plain(&lookup.hostname().unwrap_or_default());
    let is_constant = hostname.is_empty() || CONSTANT.iter().any(|name| hostname.eq_ignore_ascii_case(name));
    if !resolved.is_given(&vars::RANDOM_RUNNER_SUFFIX) {
        resolved.derive(&vars::RANDOM_RUNNER_SUFFIX, is_constant);
    }
    let known = jit_name(credential);
    let parts = Parts { hostname, is_constant, random: random(lookup.random()) };
    if resolved.is_given(&vars::RUNNER_NAME) {
        settle(resolved, known.as_deref());
        expand(resolved, &parts);
        return;
    }
    if let Some(name) = known {
        resolved.derive_from(&vars::RUNNER_NAME, name, &vars::ACTIONS_RUNNER_INPUT_JITCONFIG);
        return;
    }
    let is_random = resolved.get(&vars::RANDOM_RUNNER_SUFFIX).unwrap_or(is_constant);
    let is_random = is_random || parts.hostname.is_empty();
    let suffix = if is_random { &parts.random } else { &parts.hostname };
    let room = NAME_LIMIT - 1 - prefix.chars().count();
    let kept = end(suffix, room);
    if kept.len() < suffix.len() {
        warn_of_cut(resolved, &vars::RUNNER_NAME_PREFIX);
    }
    let name = format!("{prefix}-{kept}");
    if is_random {
        resolved.derive_from(&vars::RUNNER_NAME, name, &vars::RANDOM_RUNNER_SUFFIX);
    } else {
        resolved.derive(&vars::RUNNER_NAME, name);
    }
}

/// What a name can be made of.
struct Parts {
    hostname: String,
    /// Every machine may be called so.
    is_constant: bool,
    random: String,
}

/// The end of a hostname is what differs from replica to replica: a pod's random part, a set's number.
fn end(hostname: &str, room: usize) -> &str {
    let from = hostname.len().saturating_sub(room);
    // Plain hostnames are ASCII.
    hostname[from..].trim_start_matches(['-', '.', '_'])
}

fn warn_of_cut(resolved: &mut Resolved, var: &Variable) {
    let says = format!(
        "makes the name longer than {NAME_LIMIT} characters: the beginning of the hostname is left out, its end is kept"
    );
    resolved.warn(var, says);
}

/// Fills in what a name that was set leaves open.
fn expand(resolved: &mut Resolved, parts: &Parts) {
    const HOSTNAME: &str = "{hostname}";
    const RANDOM: &str = "{random}";
    let Some(template) = resolved.get(&vars::RUNNER_NAME) else { return };
    let rest = template.replace(HOSTNAME, "").replace(RANDOM, "");
    let is_open = |text: &str| text.split_once('{').is_some_and(|(_, rest)| rest.contains('}'));
    if is_open(&rest) {
        resolved
            .refuse(&vars::RUNNER_NAME, format!("expected nothing but {HOSTNAME} and {RANDOM} in braces"));
        return;
    }
    if rest.len() == template.len() {
        return;
    }
    let hostname = if parts.is_constant { &parts.random } else { &parts.hostname };
    let named = template.replace(RANDOM, &parts.random);
    let count = named.matches(HOSTNAME).count();
    let fixed = named.replace(HOSTNAME, "").chars().count();
    let room = NAME_LIMIT.saturating_sub(fixed).checked_div(count).unwrap_or(NAME_LIMIT);
    if fixed > NAME_LIMIT || room == 0 {
        resolved.refuse(&vars::RUNNER_NAME, format!("makes a name longer than {NAME_LIMIT} characters"));
        return;
    }
    let kept = end(hostname, room);
    if count > 0 && kept.len() < hostname.len() {
        warn_of_cut(resolved, &vars::RUNNER_NAME);
    }
    resolved.derive(&vars::RUNNER_NAME, named.replace(HOSTNAME, kept));
}

/// The name that was set wins over all that would make one up.
fn settle(resolved: &mut Resolved, known: Option<&str>) {
    resolved.ignore(&vars::RUNNER_NAME_PREFIX, "RUNNER_NAME is set");
    if resolved.is_on(&vars::RANDOM_RUNNER_SUFFIX) {
        resolved.ignore(&vars::RANDOM_RUNNER_SUFFIX, "RUNNER_NAME is set");
    }
    let name = resolved.get(&vars::RUNNER_NAME);
    if known.is_some_and(|known| name.is_some_and(|name| name != known)) {
        let says =
            "names the metrics only: GitHub knows the runner by the name in its just-in-time configuration";
        resolved.warn(&vars::RUNNER_NAME, says);
    }
}

fn jit_name(credential: Option<&Credential>) -> Option<String> {
    match credential? {
        Credential::Jit(config) => parsers::jit_name(config, NAME_LIMIT),
        Credential::Pat(_) | Credential::App { .. } | Credential::RegistrationToken(_) => None,
    }
}

fn prefix(resolved: &mut Resolved) -> String {
    let prefix = resolved.get(&vars::RUNNER_NAME_PREFIX);
    prefix.unwrap_or_else(|| {
        let flavour = resolved.get(&vars::RUNNER_TYPE);
        let has_browser = flavour.is_some_and(|flavour| flavour.has_browser());
        let prefix = if has_browser { "chrome-runner" } else { "docker-runner" };
        if !resolved.is_given(&vars::RUNNER_NAME_PREFIX) {
            resolved.derive(&vars::RUNNER_NAME_PREFIX, prefix.into());
        }
        prefix.into()
    })
}

/// Nothing but what every name may hold.
fn plain(hostname: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    hostname.chars().map(keep).collect()
}

/// The number in base 36, as long as the longest.
fn random(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; SUFFIX_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 36) as usize];
        number /= 36;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_differ_in_what_is_kept() {
        let pod = "payments-frontend-actions-runner-linux-x64-7d9f8b6c5d";
        assert_eq!(
            end(&format!("{pod}-x2x9z"), 50),
            "nts-frontend-actions-runner-linux-x64-7d9f8b6c5d-x2x9z".get(4..).unwrap()
        );
        assert_eq!(end("abc", 3), "abc");
        assert_eq!(end("a-bc", 3), "bc", "no name has a separator twice");
        assert_eq!(end("abc", 0), "");
    }

    #[test]
    fn a_random_suffix_has_one_length() {
        assert_eq!(random(0), "0000000000000");
        assert_eq!(random(35), "000000000000z");
        assert_eq!(random(u64::MAX), "3w5e11264sgsf");
    }
}
