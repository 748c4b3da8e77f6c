//! A child's environment: it inherits ours minus every secret and every variable that only configures us.
//!
//! | taken away | why |
//! |---|---|
//! | every secret of the table, its aliases, each with `_FILE`, in any case | a job could read it in its own environment; the runner reads `ACTIONS_RUNNER_INPUT_*` in any case |
//! | every variable that only configures us, and its aliases | a program under test that listens on `METRICS_PORT` or obeys `LOG_LEVEL` would be configured by us; `GITHUB_REPOSITORY` and its like say where we register, the Worker sets its own for each job |
//! | `DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION` | the listener would write colour codes for its stderr lines into its stdout |
//! | `LC_ALL`, `LC_MESSAGES` that name a charset other than UTF-8 | they win over `LANG`, and the listener would replace what the charset lacks by `?` |
//!
//! | set | why |
//! |---|---|
//! | `ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT` to 0, or to 1 with `RUNNER_PRINT_LOG` | with it every line of the listener appears twice, and text of jobs among them; the official image sets it |
//! | `RUNNER_LOGSIZE`, `WORKER_LOGSIZE` to 8, `RUNNER_LOGRETENTION`, `WORKER_LOGRETENTION` to 7, unless they are there | megabytes and days (`HostTraceListener.cs`): `_diag` of a long life must not fill the disk |
//! | `LANG` to `C.UTF-8`, unless it names UTF-8 already | as above |
//! | `RUNNER_ALLOW_RUNASROOT` to 1, or to nothing at all | the runner's scripts take any text in it for a yes, `false` too |
//!
//! `ACTIONS_RUNNER_INPUT_JITCONFIG` is taken away too: the listener alone is given it, by whoever starts it.
//!
//! Everything else passes untouched, the runner's own variables first of all. `FORCE_COLOR` stays although the
//! listener heeds it too: the steps of a job may want it, and colour codes are stripped before a line is understood.

use super::lookup::Lookup;
use super::resolve::alone;
use super::var::{Reach, Variable};
use super::vars::{RUNNER_ALLOW_RUNASROOT, RUNNER_PRINT_LOG, describe};
use std::ffi::{OsStr, OsString};
use zeroize::Zeroize as _;

const PRINT_LOG: &str = "ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT";
/// What keeps the runner's own logs small, where nobody has said otherwise.
const LOGS: [(&str, &str); 4] = [
    ("RUNNER_LOGSIZE", "8"),
    ("WORKER_LOGSIZE", "8"),
    ("RUNNER_LOGRETENTION", "7"),
    ("WORKER_LOGRETENTION", "7"),
];
const COLOUR: &str = "DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION";

/// The whole environment of a child: what it inherits and what is set for it.
pub fn child_environment(lookup: &dyn Lookup) -> Vec<(OsString, OsString)> {
    let (mut vars, withheld): (Vec<_>, Vec<_>) =
        lookup.vars().into_iter().partition(|(name, value)| is_inherited(name, value));
    for (_, value) in withheld {
        value.into_encoded_bytes().zeroize();
    }
    for (name, value) in LOGS.into_iter().chain([("LANG", "C.UTF-8")]) {
        if !vars.iter().any(|(set, _)| set == name) {
            vars.push((name.into(), value.into()));
        }
    }
    // A faulty flag has stopped the supervisor long before a child is made.
    let is_on = |flag| alone(flag, lookup).0 == Some(true);
    vars.push((PRINT_LOG.into(), if is_on(&RUNNER_PRINT_LOG) { "1" } else { "0" }.into()));
    if is_on(&RUNNER_ALLOW_RUNASROOT) {
        vars.push((RUNNER_ALLOW_RUNASROOT.name.into(), "1".into()));
    }
    vars
}

fn is_inherited(name: &OsStr, value: &OsStr) -> bool {
    // None of ours is other than ASCII.
    let Some(name) = name.to_str() else { return true };
    match name {
        PRINT_LOG | COLOUR => false,
        _ if name == RUNNER_ALLOW_RUNASROOT.name => false,
        "LANG" => charset(value).is_some_and(is_utf8),
        "LC_ALL" | "LC_MESSAGES" => charset(value).is_none_or(is_utf8),
        _ => !describe().iter().any(|variable| withholds(variable, name)),
    }
}

fn withholds(variable: &Variable, name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_suffix("_file").unwrap_or(&lower);
    variable.names().any(|known| {
        let is_secret = variable.secret && known.eq_ignore_ascii_case(plain);
        is_secret || (variable.reach == Reach::Ours && known == name)
    })
}

/// Whether a variable of this name holds a secret, under any of its names and in any case; not the path of its file.
pub fn is_secret(name: &[u8]) -> bool {
    let secrets = describe().iter().filter(|variable| variable.secret);
    secrets.flat_map(Variable::names).any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// The charset part of a locale, `xx_YY.CHARSET@modifier`, as .NET reads it. `None` means UTF-8 to it.
fn charset(locale: &OsStr) -> Option<&str> {
    let Some(locale) = locale.to_str() else { return Some("") };
    let (_, rest) = locale.split_once('.')?;
    Some(rest.split_once('@').map_or(rest, |(charset, _)| charset))
}

fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use super::super::lookup::MapLookup;
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    /// The child's value of `name` when we have these variables.
    fn inherited(vars: &[(&str, &str)], name: &str) -> Option<OsString> {
        let child = child_environment(&MapLookup::new(vars.iter().copied()));
        let mut values = child.into_iter().filter(|(set, _)| set == name).map(|(_, value)| value);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is set twice");
        value
    }

    fn is_withheld(name: &str) -> bool {
        inherited(&[(name, "x")], name).is_none()
    }

    #[test]
    fn every_secret_is_withheld_under_every_name_and_case() {
        let names = "GITHUB_TOKEN RUNNER_TOKEN ACCESS_TOKEN GITHUB_ACCESS_TOKEN GITHUB_PAT APP_PRIVATE_KEY \
            GITHUB_APP_PRIVATE_KEY APP_ID APP_LOGIN GITHUB_APP_ID GITHUB_APP_INSTALLATION_ID APP_INSTALLATION_ID \
            ACTIONS_RUNNER_INPUT_TOKEN ACTIONS_RUNNER_INPUT_PAT ACTIONS_RUNNER_INPUT_JITCONFIG METRICS_AUTH_TOKEN \
            OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_METRICS_HEADERS";
        for name in names.split_whitespace() {
            for form in [name.to_owned(), format!("{name}_FILE"), name.to_lowercase(), format!("{name}_File")]
            {
                assert!(is_withheld(&form), "{form}");
            }
        }
    }

    #[test]
    fn what_only_configures_us_is_withheld() {
        let names = "METRICS_PORT RUNNER_STOP_GRACE EPHEMERAL RUNNER_GRACEFUL_STOP_TIMEOUT LOG_LEVEL GITHUB_REPOSITORY GITHUB_HOST \
             GITHUB_URL GITHUB_OWNER GITHUB_API_URL ORG_NAME RUNNER_ORG REPO_URL RUNNER_LABELS LABELS RUNNER_GROUP \
             DISABLE_AUTO_UPDATE RUNNER_USER RUNNER_JIT OTEL_EXPORTER_OTLP_ENDPOINT OTEL_SERVICE_NAME \
             OTEL_RESOURCE_ATTRIBUTES OTEL_EXPORTER_OTLP_PROTOCOL";
        for name in names.split_whitespace() {
            assert!(is_withheld(name), "{name}");
        }
    }

    #[test]
    fn what_the_runner_or_a_job_reads_passes_untouched() {
        let names = "ACTIONS_RUNNER_INPUT_URL ACTIONS_RUNNER_INPUT_NAME ACTIONS_RUNNER_HOOK_JOB_STARTED \
            ACTIONS_RUNNER_HOOK_JOB_COMPLETED RUNNER_MANUALLY_TRAP_SIG \
            RUNNER_WAIT_FOR_DOCKER_IN_SECONDS RUNNER_UPDATE_CA_CERTS \
            ACTIONS_RUNNER_DISABLE_STDOUT_MULTILINE_LOG_PREFIXING ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE \
            ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED GITHUB_ACTIONS_SERVICE_EXIT_AFTER_N_FAILURES \
            GITHUB_ACTIONS_RUNNER_FORCE_GHES RUNNER_LOGSIZE RUNNER_LOGRETENTION WORKER_LOGSIZE WORKER_LOGRETENTION \
            AGENT_TOOLSDIRECTORY http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY \
            NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR FORCE_COLOR PATH HOME LC_CTYPE TZ \
            RUNNER_NAME RUNNER_TYPE RUNNER_WORK_DIR RUNNER_WORKDIR APP_ENV MY_FILE";
        for name in names.split_whitespace() {
            assert_eq!(inherited(&[(name, "x")], name), Some("x".into()), "{name}");
        }
    }

    #[test]
    fn names_and_values_that_are_not_utf_8_pass() {
        let odd = || OsString::from_vec(vec![b'A', 0xff]);
        let child = child_environment(&MapLookup::new([(odd(), odd()), ("PATH".into(), odd())]));
        assert!(child.contains(&(odd(), odd())) && child.contains(&("PATH".into(), odd())));
    }

    #[test]
    fn the_runner_s_trace_stays_off_unless_asked_for() {
        for (asked, value) in [(None, "0"), (Some("0"), "0"), (Some("maybe"), "0"), (Some("on"), "1")] {
            let mut vars = vec![(PRINT_LOG, "true")];
            vars.extend(asked.map(|asked| (RUNNER_PRINT_LOG.name, asked)));
            assert_eq!(inherited(&vars, PRINT_LOG), Some(value.into()), "{asked:?}");
        }
        assert!(is_withheld(COLOUR));
    }

    #[test]
    fn no_is_not_handed_on_as_a_word_that_means_yes() {
        for said in ["false", "0", "no", "off", "", "maybe"] {
            assert!(
                inherited(&[(RUNNER_ALLOW_RUNASROOT.name, said)], RUNNER_ALLOW_RUNASROOT.name).is_none(),
                "{said:?}"
            );
        }
        for said in ["true", "1", "Yes", "on"] {
            let handed_on = inherited(&[(RUNNER_ALLOW_RUNASROOT.name, said)], RUNNER_ALLOW_RUNASROOT.name);
            assert_eq!(handed_on, Some("1".into()), "{said:?}");
        }
    }

    #[test]
    fn the_runner_s_logs_are_bounded_unless_somebody_says_otherwise() {
        for (name, value) in LOGS {
            assert_eq!(inherited(&[], name), Some(value.into()), "{name}");
            for said in ["0", "90", ""] {
                assert_eq!(inherited(&[(name, said)], name), Some(said.into()), "{name}={said}");
            }
        }
    }

    #[test]
    fn the_listener_always_prints_utf_8() {
        assert_eq!(inherited(&[], "LANG"), Some("C.UTF-8".into()));
        for (locale, lang, all) in [
            ("C", "C.UTF-8", Some("C")),
            ("en_US", "C.UTF-8", Some("en_US")),
            ("en_US.ISO-8859-1", "C.UTF-8", None),
            ("de_DE.ISO-8859-15@euro", "C.UTF-8", None),
            ("en_US.US-ASCII", "C.UTF-8", None),
            ("de_DE.UTF-8", "de_DE.UTF-8", Some("de_DE.UTF-8")),
            ("de_DE.utf8@euro", "de_DE.utf8@euro", Some("de_DE.utf8@euro")),
            ("", "C.UTF-8", Some("")),
        ] {
            assert_eq!(inherited(&[("LANG", locale)], "LANG"), Some(lang.into()), "LANG={locale}");
            for name in ["LC_ALL", "LC_MESSAGES"] {
                assert_eq!(inherited(&[(name, locale)], name), all.map(OsString::from), "{name}={locale}");
            }
        }
    }
}
