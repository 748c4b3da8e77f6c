//! Parsers: a text is read into its plain form, or a fault says what was expected and never repeats the text.

mod secrets;

pub(super) use secrets::{jit, jit_name, private_key};

use super::flavour::{FLAVOUR_LIMIT, Flavour};
use super::registration::RunAs;
use super::secret::Secret;
use crate::domain::cache::{CacheType, OWN_LIMIT};
use crate::domain::dora::{LONGEST_PATTERN, Matcher, StreamRule};
use crate::domain::target::{self, Host, Target};
use std::collections::HashSet;
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// GitHub refuses longer runner names (actions/runner pull request 1710).
pub(super) const NAME_LIMIT: usize = 64;
/// 13 random characters: as many as write any `u64` in base 36.
pub(super) const SUFFIX_LENGTH: usize = 13;
/// Leaves room for `-` and the suffix.
pub(super) const PREFIX_LIMIT: usize = NAME_LIMIT - 1 - SUFFIX_LENGTH;
/// GitHub's own limits for the labels of one runner.
const LABEL_LIMIT: usize = 256;
const LABELS_LIMIT: usize = 100;
const BUCKET_LIMIT: usize = 30;

/// A value, or what a fault says after the variable's name.
pub(super) type Parsed<T> = Result<T, String>;

fn or<T>(value: Option<T>, expected: impl Display) -> Parsed<T> {
    value.ok_or_else(|| expected.to_string())
}

/// `1 true yes on` or `0 false no off`, in any case.
pub(super) fn flag(text: &str) -> Parsed<bool> {
    let value = match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    };
    or(value, "expected 1, true, yes or on, or 0, false, no or off")
}

/// One of these words, in any case.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)], text: &str) -> Parsed<T> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    or(found.map(|(_, value)| *value), format_args!("expected one of {}", words.join(", ")))
}

/// Printable, not blank, at most `max` characters. The runner's parser takes what begins with `-` for an option.
pub(super) fn line(text: &str, max: usize) -> Parsed<String> {
    let text = text.trim();
    let fits = (1..=max).contains(&text.chars().count());
    let plain = !text.starts_with('-') && !text.chars().any(char::is_control);
    or(
        (fits && plain).then(|| text.to_owned()),
        format_args!("expected 1 to {max} characters, none of them a control character, the first no -"),
    )
}

/// An absolute path.
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    let is_plain = Path::new(text).is_absolute() && !text.chars().any(char::is_control);
    or(is_plain.then(|| PathBuf::from(text)), "expected an absolute path without control characters")
}

/// A TCP port; 0 is any free one.
pub(super) fn port(text: &str) -> Parsed<u16> {
    or(text.trim().parse().ok(), "expected a port from 1 to 65535, or 0 for any free one")
}

pub(super) fn address(text: &str) -> Parsed<IpAddr> {
    or(text.trim().parse().ok(), "expected an IPv4 or IPv6 address, not a host name")
}

/// Plain seconds, or `90s`, `5m`, `1h30m`.
fn any_duration(text: &str) -> Option<Duration> {
    let word = text.trim();
    word.parse().map(Duration::from_secs).ok().or_else(|| humantime::parse_duration(word).ok())
}

fn within(text: &str, seconds: RangeInclusive<u64>, zero: &str) -> Parsed<Duration> {
    let (min, max) = (Duration::from_secs(*seconds.start()), Duration::from_secs(*seconds.end()));
    let is_one = |found: &Duration| (min..=max).contains(found) || (found.is_zero() && !zero.is_empty());
    let (min, max) = (show_duration(min), show_duration(max));
    or(
        any_duration(text).filter(is_one),
        format_args!("expected {zero}a duration from {min} to {max}, such as 90, 90s, 5m or 1h30m"),
    )
}

/// A duration within these bounds.
pub(super) fn duration(text: &str, seconds: RangeInclusive<u64>) -> Parsed<Duration> {
    within(text, seconds, "")
}

/// 0 for never, else as [`duration`].
pub(super) fn interval(text: &str, seconds: RangeInclusive<u64>) -> Parsed<Duration> {
    within(text, seconds, "0 for never, or ")
}

/// A duration as its variable would be written: `1h30m`.
pub(super) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

pub(super) fn count(text: &str, min: usize) -> Parsed<usize> {
    let number = text.trim().parse().ok().filter(|number| *number >= min);
    or(number, format_args!("expected a whole number of at least {min}"))
}

/// `None` is unlimited.
pub(super) fn limit(text: &str) -> Parsed<Option<u32>> {
    let word = text.trim();
    let limit = if word.eq_ignore_ascii_case("unlimited") { Some(None) } else { word.parse().ok().map(Some) };
    or(limit, "expected a whole number or unlimited")
}

/// Ascending upper bounds in seconds.
pub(super) fn buckets(text: &str) -> Parsed<Vec<f64>> {
    let parts = text.trim().split([',', ' ']).filter(|part| !part.is_empty());
    let bounds: Option<Vec<f64>> = parts.map(|part| part.parse().ok()).collect();
    let fits = |bounds: &Vec<f64>| {
        let positive = bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0);
        let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        positive && ascending && (1..=BUCKET_LIMIT).contains(&bounds.len())
    };
    or(
        bounds.filter(fits),
        format_args!(
            "expected 1 to {BUCKET_LIMIT} positive numbers of seconds, ascending, separated by commas or spaces"
        ),
    )
}

/// A regular expression.
pub(super) fn pattern(text: &str) -> Parsed<Matcher> {
    or(
        Matcher::new(text.trim()),
        format_args!(
            "expected a regular expression of 1 to {LONGEST_PATTERN} characters, without look-around and back-references"
        ),
    )
}

/// `job`, or a regular expression with a group.
pub(super) fn stream(text: &str) -> Parsed<StreamRule> {
    or(
        StreamRule::new(text.trim()),
        format_args!(
            "expected job, or a regular expression of 1 to {LONGEST_PATTERN} characters with a group in brackets, such as \\((.+)\\)$"
        ),
    )
}

/// Each once, in the first of its spellings.
fn unique(mut words: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    words.retain(|word| seen.insert(word.to_lowercase()));
    words
}

/// Comma-separated labels without blanks around them, empty ones and repetitions; GitHub heeds no case.
pub(super) fn labels(text: &str) -> Parsed<Vec<String>> {
    let all = text.split(',').filter(|label| !label.trim().is_empty());
    let labels = all.map(|label| line(label, LABEL_LIMIT).ok()).collect::<Option<_>>().map(unique);
    or(
        labels.filter(|labels| (1..=LABELS_LIMIT).contains(&labels.len())),
        "expected labels separated by commas, none of them beginning with -",
    )
}

/// Comma-separated names of cache types without repetitions; of names that are not built in at most [`OWN_LIMIT`].
pub(super) fn cache_types(text: &str) -> Parsed<Vec<String>> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    let is_each_one = names.iter().all(|name| CacheType::named(name).is_some());
    let names = unique(names);
    let is_own = |name: &&String| matches!(CacheType::named(name), Some(CacheType::Own(_)));
    let is_few = names.iter().filter(is_own).count() <= OWN_LIMIT;
    or(
        (is_each_one && is_few).then_some(names),
        format_args!(
            "expected at most {OWN_LIMIT} names separated by commas, of a-z, 0-9, _ and -, each at most 32 long and beginning with a letter"
        ),
    )
}

/// The image's flavour.
pub(super) fn flavour(text: &str) -> Parsed<Flavour> {
    or(
        Flavour::of(text.trim()),
        format_args!(
            "expected a word of up to {FLAVOUR_LIMIT} letters, digits, '.', '_' and '-', the first a letter or digit"
        ),
    )
}

/// A host, with or without scheme, port and path.
pub(super) fn host(text: &str) -> Parsed<Host> {
    let host = Host::parse(text.trim()).ok();
    or(host, "expected a host such as github.com, acme.ghe.com or https://ghes.example.com:8443")
}

/// `OWNER/REPOSITORY` or `REPOSITORY`.
pub(super) fn repository(text: &str) -> Parsed<String> {
    let word = text.trim();
    let repository = match word.split_once('/') {
        Some(_) => Target::repository(word).ok().map(|_| word.to_owned()),
        None => target::name(word).ok(),
    };
    or(repository, "expected OWNER/REPOSITORY (a URL belongs in RUNNER_URL)")
}

/// An account's name, or an enterprise's.
pub(super) fn account(text: &str) -> Parsed<String> {
    or(target::name(text.trim()).ok(), "expected a name of letters, digits, '.', '_' and '-'")
}

/// A URL to which paths are added. `OWNER/REPOSITORY` is none: a host without a dot needs its scheme, or a port.
pub(super) fn base_url(text: &str) -> Parsed<String> {
    let word = text.trim();
    let (first, rest) = word.split_once('/').unwrap_or((word, ""));
    let is_host = first.contains(['.', ':']) || first.eq_ignore_ascii_case("localhost");
    let is_url = is_host || rest.trim_matches('/').is_empty();
    or(
        target::base_url(word).ok().filter(|_| is_url),
        "expected a URL such as https://ghes.example.com:8443/path, without user, ? and # (OWNER/REPOSITORY belongs in GITHUB_REPOSITORY)",
    )
}

/// `/` and plain names with `/` between them; no `/` at the end.
pub(super) fn url_path(text: &str) -> Parsed<String> {
    let plain = |path: &str| {
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(target::name);
        Some(format!("/{}", segments.collect::<Result<Vec<_>, _>>().ok()?.join("/")))
    };
    or(text.trim().strip_prefix('/').and_then(plain), "expected a path such as /api/v3, or / for none")
}

/// A number, or a client id such as `Iv1.8a61f9b3a7aba766`: nothing a token could be taken for.
pub(super) fn app_id(text: &str) -> Parsed<String> {
    let text = text.trim();
    let is_number = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let is_client = text
        .strip_prefix("Iv")
        .is_some_and(|rest| rest.len() <= 40 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'));
    or((is_number || is_client).then(|| text.to_owned()), "expected the App's number or its client id")
}

/// A number GitHub has given to something.
pub(super) fn id(text: &str) -> Parsed<u64> {
    let word = text.trim();
    let is_number = word.bytes().all(|b| b.is_ascii_digit());
    or(word.parse().ok().filter(|_| is_number), "expected a number")
}

/// `NAME`, `UID` or `UID:GID`.
pub(super) fn run_as(text: &str) -> Parsed<RunAs> {
    let text = text.trim();
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let is_one = is_account(user) && group.is_none_or(is_account);
    or(is_one.then(|| RunAs(text.to_owned())), "expected USER or USER:GROUP, each a name or a number")
}

/// A name as `useradd` makes it, or a number; the last number is "no change" to the system calls.
fn is_account(text: &str) -> bool {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.bytes().all(|b| b.is_ascii_digit()) && text.parse().is_ok_and(|id: u32| id != u32::MAX);
    }
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain && (1..=32).contains(&text.len()) && !text.starts_with('-')
}

/// A secret that travels in an HTTP header.
pub(super) fn token(text: &str) -> Parsed<Secret> {
    let is_one = text.bytes().all(|b| b.is_ascii_graphic());
    or(is_one.then(|| Secret::new(text.into())), "expected printable ASCII without spaces")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_trimmed_and_told_once() {
        let read = |text: &str| labels(text).ok();
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
            Ok(["bazel", "npm", "my-x_9"].map(String::from).into())
        );
        for bad in ["Bazel", "9", "a b", "a,-b", &"x".repeat(33), "a,b,c,d,e,f,g,h,i"] {
            assert!(cache_types(bad).is_err(), "{bad}");
        }
        assert_eq!(cache_types("a,b,c,d,e,f,g,h,npm,uv").map(|types| types.len()), Ok(10));
    }

    #[test]
    fn app_ids_are_numbers_or_client_ids() {
        for good in ["1", "12345", "Iv1.8a61f9b3a7aba766", "Iv23liAbCdEf"] {
            assert_eq!(app_id(good), Ok(good.to_owned()));
        }
        for bad in ["", "-1", "1 2", "ghp_1234", "github_pat_1", "Iv_1", "123456789012345678901"] {
            assert!(app_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_are_names_or_numbers() {
        for good in ["runner", "1001", "1001:0", "runner:docker", "runner:121", "1001:docker"] {
            assert_eq!(run_as(good), Ok(RunAs(good.into())));
        }
        for bad in ["", "-x", "1:", ":1", "a:", "1:2:3", "1x", "+1", "4294967295", "a b", &"a".repeat(33)] {
            assert!(run_as(bad).is_err(), "{bad:?}");
        }
        for text in ["runner", "1001", "1001:0"] {
            assert_eq!(run_as(text).map(|user| user.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_repository_is_no_url() {
        for good in
            ["https://acme/web", "github.com/acme/web", "ghes:8443/acme", "localhost/a", "ghes", "ghes/"]
        {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in ["acme/web", "acme/web/", "acme//web"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
