//! Parsers of texts with a shape of their own: each is read into its plain form or is not one at all.

use super::registration::RunAs;
use super::secret::Secret;
use super::value::BUCKET_LIMIT;
use crate::domain::cache::{CacheType, OWN_LIMIT};
use crate::domain::target::{self, Target};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// GitHub's own limits for the labels of one runner.
const LABEL_LIMIT: usize = 256;
const LABELS_LIMIT: usize = 100;
const PEM_WIDTH: usize = 64;

pub(super) fn flag(word: &str) -> Option<bool> {
    const TRUE: [&str; 4] = ["1", "true", "yes", "on"];
    const FALSE: [&str; 4] = ["0", "false", "no", "off"];
    let is = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is(&TRUE) { Some(true) } else { is(&FALSE).then_some(false) }
}

/// Printable, not blank, at most `max` characters. The runner's parser takes what begins with `-` for an option.
pub(super) fn line(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let fits = (1..=max).contains(&text.chars().count());
    let plain = !text.starts_with('-') && !text.chars().any(char::is_control);
    (fits && plain).then(|| text.to_owned())
}

pub(super) fn path(text: &str) -> Option<PathBuf> {
    (Path::new(text).is_absolute() && !text.chars().any(char::is_control)).then(|| PathBuf::from(text))
}

pub(super) fn duration(word: &str) -> Option<Duration> {
    match word.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(word).ok(),
    }
}

pub(super) fn buckets(word: &str) -> Option<Vec<f64>> {
    let parts = word.split([',', ' ']).filter(|part| !part.is_empty());
    let bounds: Vec<f64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let positive = bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0);
    let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let fits = (1..=BUCKET_LIMIT).contains(&bounds.len());
    (positive && ascending && fits).then_some(bounds)
}

/// Comma-separated labels without blanks around them, empty ones and repetitions; GitHub heeds no case.
pub(super) fn labels(text: &str) -> Option<Vec<String>> {
    let mut labels: Vec<String> = Vec::new();
    for label in text.split(',').filter(|label| !label.trim().is_empty()) {
        let label = line(label, LABEL_LIMIT)?;
        if !labels.iter().any(|known| known.to_lowercase() == label.to_lowercase()) {
            labels.push(label);
        }
    }
    (1..=LABELS_LIMIT).contains(&labels.len()).then_some(labels)
}

/// Comma-separated names of cache types without repetitions; of names that are not built in at most [`OWN_LIMIT`].
pub(super) fn cache_types(text: &str) -> Option<Vec<String>> {
    let (mut types, mut own) = (Vec::<String>::new(), 0);
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let kind = CacheType::named(name)?;
        if !types.iter().any(|known| known == name) {
            own += usize::from(matches!(kind, CacheType::Own(_)));
            types.push(name.to_owned());
        }
    }
    (own <= OWN_LIMIT).then_some(types)
}

/// `OWNER/REPOSITORY` or `REPOSITORY`.
pub(super) fn repository(word: &str) -> Option<String> {
    match word.split_once('/') {
        Some(_) => Target::repository(word).ok().map(|_| word.to_owned()),
        None => target::name(word).ok(),
    }
}

/// A number, or a client id such as `Iv1.8a61f9b3a7aba766`: nothing a token could be taken for.
pub(super) fn app_id(text: &str) -> Option<String> {
    let is_number = text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    let client = text.strip_prefix("Iv");
    let is_client = client
        .is_some_and(|rest| rest.len() <= 40 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'));
    (!text.is_empty() && (is_number || is_client)).then(|| text.to_owned())
}

/// `NAME`, `UID` or `UID:GID`.
pub(super) fn run_as(text: &str) -> Option<RunAs> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    (account(user) && group.is_none_or(account)).then(|| RunAs(text.to_owned()))
}

/// A name as `useradd` makes it, or a number; the last number is "no change" to the system calls.
fn account(text: &str) -> bool {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.bytes().all(|b| b.is_ascii_digit()) && text.parse().is_ok_and(|id: u32| id != u32::MAX);
    }
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain && (1..=32).contains(&text.len()) && !text.starts_with('-')
}

/// The PEM of a private key, its lines broken anew: line ends may be real, written as `\n`, or lost to blanks, and all
/// of it may be base64.
pub(super) fn private_key(text: &str) -> Option<Secret> {
    if text.contains("-----BEGIN") {
        return pem(text);
    }
    let packed = packed(text);
    let bytes = Zeroizing::new(STANDARD.decode(packed.as_bytes()).ok()?);
    pem(std::str::from_utf8(&bytes).ok()?)
}

fn pem(text: &str) -> Option<Secret> {
    let text = Zeroizing::new(text.replace("\\r", ""));
    let text = Zeroizing::new(text.replace("\\n", "\n"));
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    if kind != "RSA PRIVATE KEY" && kind != "PRIVATE KEY" {
        return None;
    }
    let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let body = packed(body);
    let decodes = STANDARD.decode(body.as_bytes()).map(Zeroizing::new).is_ok_and(|bytes| !bytes.is_empty());
    if !decodes {
        return None;
    }
    let mut whole = String::with_capacity(body.len() * 2 + 80);
    whole.extend(["-----BEGIN ", kind, "-----\n"]);
    for at in (0..body.len()).step_by(PEM_WIDTH) {
        whole.extend([&body[at..body.len().min(at + PEM_WIDTH)], "\n"]);
    }
    whole.extend(["-----END ", kind, "-----\n"]);
    Some(Secret::new(whole))
}

/// Without blanks; one allocation, so that no outgrown copy is left behind.
fn packed(text: &str) -> Zeroizing<String> {
    let mut packed = Zeroizing::new(String::with_capacity(text.len()));
    packed.extend(text.split_ascii_whitespace());
    packed
}

/// The files a just-in-time configuration holds, the one without secrets alone.
#[derive(Deserialize)]
struct Files<'a> {
    #[serde(rename = ".runner", borrow)]
    runner: Option<Cow<'a, str>>,
}

/// The part of `.runner` that is told here.
#[derive(Deserialize)]
struct Settings {
    #[serde(rename = "agentName", alias = "AgentName")]
    name: Option<String>,
}

/// Whether it is base64 of a JSON object, as `Runner.Listener` takes it.
pub(super) fn jit(text: &str) -> Option<Secret> {
    let text = text.trim();
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let is_object = serde_json::from_slice::<Files<'_>>(&bytes).is_ok();
    is_object.then(|| Secret::new(text.to_owned()))
}

/// The runner's name in a just-in-time configuration, if it is told and could be one.
pub(super) fn jit_name(config: &Secret, max: usize) -> Option<String> {
    let bytes = Zeroizing::new(STANDARD.decode(config.expose()).ok()?);
    let files: Files<'_> = serde_json::from_slice(&bytes).ok()?;
    let runner = STANDARD.decode(files.runner?.as_bytes()).ok()?;
    let runner = runner.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&runner);
    line(&serde_json::from_slice::<Settings>(runner).ok()?.name?, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_trimmed_and_told_once() {
        let read = |text: &str| labels(text);
        assert_eq!(read(" a , b,,A,b c,"), Some(vec!["a".into(), "b".into(), "b c".into()]));
        for text in ["", ",", " , ", "a\nb", "-a", &"x".repeat(257)] {
            assert_eq!(read(text), None, "{text:?}");
        }
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(read(&many(100)).map(|labels| labels.len()), Some(100));
        assert_eq!(read(&many(101)), None);
    }

    #[test]
    fn cache_types_are_names_and_few() {
        assert_eq!(
            cache_types(" bazel, npm,bazel ,my-x_9,"),
            Some(["bazel", "npm", "my-x_9"].map(String::from).into())
        );
        for bad in ["Bazel", "9", "a b", "a,-b", &"x".repeat(33), "a,b,c,d,e,f,g,h,i"] {
            assert_eq!(cache_types(bad), None, "{bad}");
        }
        assert_eq!(cache_types("a,b,c,d,e,f,g,h,npm,uv").map(|types| types.len()), Some(10));
    }

    #[test]
    fn app_ids_are_numbers_or_client_ids() {
        for good in ["1", "12345", "Iv1.8a61f9b3a7aba766", "Iv23liAbCdEf"] {
            assert_eq!(app_id(good), Some(good.to_owned()));
        }
        for bad in ["", "-1", "1 2", "ghp_1234", "github_pat_1", "Iv_1", "123456789012345678901"] {
            assert_eq!(app_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn users_are_names_or_numbers() {
        for good in ["runner", "1001", "1001:0", "runner:docker", "runner:121", "1001:docker"] {
            assert_eq!(run_as(good), Some(RunAs(good.into())));
        }
        for bad in ["", "-x", "1:", ":1", "a:", "1:2:3", "1x", "+1", "4294967295", "a b", &"a".repeat(33)] {
            assert_eq!(run_as(bad), None, "{bad:?}");
        }
        for text in ["runner", "1001", "1001:0"] {
            assert_eq!(run_as(text).map(|user| user.to_string()), Some(text.to_owned()));
        }
    }

    #[test]
    fn a_key_comes_out_the_same_however_it_was_written() {
        let body = STANDARD.encode([7_u8; 72]);
        let (first, rest) = body.split_at(64);
        for kind in ["RSA PRIVATE KEY", "PRIVATE KEY"] {
            let plain = format!("-----BEGIN {kind}-----\n{first}\n{rest}\n-----END {kind}-----\n");
            let forms = [
                plain.clone(),
                plain.trim_end().to_owned(),
                plain.replace('\n', "\r\n"),
                plain.replace('\n', "\\n"),
                plain.replace('\n', "\\r\\n"),
                plain.replace('\n', " "),
                format!("\"{}\"", plain.replace('\n', "\\n")),
                format!("-----BEGIN {kind}-----{body}-----END {kind}-----"),
                STANDARD.encode(&plain),
                format!("{}\n", STANDARD.encode(plain.replace('\n', "\r\n"))),
            ];
            for form in forms {
                assert_eq!(private_key(&form).expect(&form).expose(), plain, "{form}");
            }
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let body = STANDARD.encode([7_u8; 100]);
        let with = |kind: &str, body: &str| format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
        for text in [
            String::new(),
            "ghp_token".into(),
            body.clone(),
            with("PRIVATE KEY", ""),
            with("PRIVATE KEY", "not*base64"),
            with("PUBLIC KEY", &body),
            with("OPENSSH PRIVATE KEY", &body),
            with("ENCRYPTED PRIVATE KEY", &body),
            with("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\n\n{body}")),
            format!("-----BEGIN PRIVATE KEY-----\n{body}\n"),
            STANDARD.encode(with("PUBLIC KEY", &body)),
        ] {
            assert_eq!(private_key(&text), None, "{text}");
        }
    }

    #[test]
    fn a_just_in_time_configuration_tells_its_runner_s_name() {
        let runner = STANDARD.encode("\u{feff}{\"agentId\":\"7\",\"agentName\":\"arc-1\",\"poolId\":1}");
        let encode = |json: &str| STANDARD.encode(json);
        let named = jit(&format!(
            " {}\n",
            encode(&format!("{{\".credentials\":\"eA==\",\".runner\":\"{runner}\"}}"))
        ));
        assert_eq!(jit_name(&named.unwrap(), 64), Some("arc-1".into()));
        for nameless in ["{}", r#"{".runner":"!"}"#, r#"{".runner":"e30="}"#, r#"{".runner":null}"#] {
            assert_eq!(jit_name(&jit(&encode(nameless)).unwrap(), 64), None, "{nameless}");
        }
        for wrong in ["", "{}", "czNjcjN0", &encode("1"), &encode(r#"{".runner":1}"#)] {
            assert_eq!(jit(wrong), None, "{wrong}");
        }
    }
}
