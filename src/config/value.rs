//! A text is a value or it is not: [`Kind`] says which values a variable takes, and never repeats the text it refuses.

use super::flavour::{FLAVOUR_LIMIT, Flavour};
use super::parsers;
use super::registration::RunAs;
use super::secret::Secret;
use super::url;
use crate::domain::cache::OWN_LIMIT;
use crate::domain::dora::{LONGEST_PATTERN, Matcher, StreamRule};
use crate::domain::target::{self, Host};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// GitHub refuses longer runner names (actions/runner pull request 1710).
pub(super) const NAME_LIMIT: usize = 64;
/// 13 random characters: as many as write any `u64` in base 36.
pub(super) const SUFFIX_LENGTH: usize = 13;
/// Leaves room for `-` and the suffix.
pub(super) const PREFIX_LIMIT: usize = NAME_LIMIT - 1 - SUFFIX_LENGTH;
pub(super) const BUCKET_LIMIT: usize = 30;

/// Which values a variable takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `1 true yes on` or `0 false no off`, in any case.
    Flag,
    /// One printable line of 1 to `max` characters that does not begin with `-`.
    Line {
        /// Longest accepted, in characters.
        max: usize,
    },
    /// Labels, separated by commas.
    Labels,
    /// A host, with or without scheme, port and path.
    Host,
    /// `OWNER/REPOSITORY`, or the repository alone.
    Repository,
    /// An account's name, or an enterprise's.
    Account,
    /// A URL to which paths are added.
    Base,
    /// A path of plain names; `/` is none.
    UrlPath,
    /// A user's name or number, and perhaps `:` and a group's.
    User,
    /// An absolute path.
    Path,
    /// A TCP port; 0 is any free one.
    Port,
    /// An IPv4 or IPv6 address.
    Address,
    /// Plain seconds, or `90s`, `5m`, `1h30m`, within these bounds.
    Duration {
        /// Shortest accepted.
        min: Duration,
        /// Longest accepted.
        max: Duration,
    },
    /// 0 for never, else as [`Kind::Duration`].
    Interval {
        /// Shortest accepted but for 0.
        min: Duration,
        /// Longest accepted.
        max: Duration,
    },
    /// A whole number.
    Count {
        /// Smallest accepted.
        min: usize,
    },
    /// A whole number or `unlimited`.
    Limit,
    /// Ascending upper bounds in seconds.
    Buckets,
    /// A regular expression of 1 to [`LONGEST_PATTERN`] characters.
    Pattern,
    /// `job`, or such a regular expression with a group.
    Stream,
    /// Names of cache types, separated by commas.
    CacheTypes,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// A short word.
    Flavour,
    /// A secret that travels in an HTTP header.
    Token,
    /// A GitHub App's number or its client id.
    AppId,
    /// A number GitHub has given to something.
    Id,
    /// The PEM of an RSA private key.
    PrivateKey,
    /// A just-in-time configuration.
    Jit,
}

/// A value that was accepted. Its `Display` is what `check` shows: a spelling the same kind accepts, or no secret.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Text(String),
    Path(PathBuf),
    Port(u16),
    Address(IpAddr),
    Duration(Duration),
    Count(usize),
    Id(u64),
    Labels(Vec<String>),
    Host(Host),
    User(RunAs),
    /// `None` is unlimited.
    Limit(Option<u32>),
    Buckets(Vec<f64>),
    Pattern(Matcher),
    Stream(StreamRule),
    Flavour(Flavour),
    Secret(Secret),
}

impl Kind {
    /// Whether the value must never be shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Kind::Token | Kind::PrivateKey | Kind::Jit)
    }

    /// What a fault says after the variable's name.
    pub fn expected(self) -> String {
        match self {
            Kind::Flag => "expected 1, true, yes or on, or 0, false, no or off".into(),
            Kind::Line { max } => {
                format!("expected 1 to {max} characters, none of them a control character, the first no -")
            }
            Kind::Labels => "expected labels separated by commas, none of them beginning with -".into(),
            Kind::Host => {
                "expected a host such as github.com, acme.ghe.com or https://ghes.example.com:8443".into()
            }
            Kind::Repository => "expected OWNER/REPOSITORY (a URL belongs in RUNNER_URL)".into(),
            Kind::Account => "expected a name of letters, digits, '.', '_' and '-'".into(),
            Kind::Base => {
                "expected a URL such as https://ghes.example.com:8443/path, without user, ? and # (OWNER/REPOSITORY belongs in GITHUB_REPOSITORY)".into()
            }
            Kind::UrlPath => "expected a path such as /api/v3, or / for none".into(),
            Kind::User => "expected USER or USER:GROUP, each a name or a number".into(),
            Kind::Path => "expected an absolute path without control characters".into(),
            Kind::Port => "expected a port from 1 to 65535, or 0 for any free one".into(),
            Kind::Address => "expected an IPv4 or IPv6 address, not a host name".into(),
            Kind::Duration { min, max } => {
                let (min, max) = (show_duration(min), show_duration(max));
                format!("expected a duration from {min} to {max}, such as 90, 90s, 5m or 1h30m")
            }
            Kind::Interval { min, max } => {
                let (min, max) = (show_duration(min), show_duration(max));
                format!(
                    "expected 0 for never, or a duration from {min} to {max}, such as 90, 90s, 5m or 1h30m"
                )
            }
            Kind::Count { min } => format!("expected a whole number of at least {min}"),
            Kind::Limit => "expected a whole number or unlimited".into(),
            Kind::Buckets => format!(
                "expected 1 to {BUCKET_LIMIT} positive numbers of seconds, ascending, separated by commas or spaces"
            ),
            Kind::Pattern => format!(
                "expected a regular expression of 1 to {LONGEST_PATTERN} characters, without look-around and back-references"
            ),
            Kind::Stream => format!(
                "expected job, or a regular expression of 1 to {LONGEST_PATTERN} characters with a group in brackets, such as \\((.+)\\)$"
            ),
            Kind::CacheTypes => format!(
                "expected at most {OWN_LIMIT} names separated by commas, of a-z, 0-9, _ and -, each at most 32 long and beginning with a letter"
            ),
            Kind::Choice(words) => format!("expected one of {}", words.join(", ")),
            Kind::Flavour => format!(
                "expected a word of up to {FLAVOUR_LIMIT} letters, digits, '.', '_' and '-', the first a letter or digit"
            ),
            Kind::Token => "expected printable ASCII without spaces".into(),
            Kind::AppId => "expected the App's number or its client id".into(),
            Kind::Id => "expected a number".into(),
            Kind::PrivateKey => {
                "expected the PEM of an unencrypted RSA private key, with line ends or \\n, or base64 of it"
                    .into()
            }
            Kind::Jit => "expected base64 of a just-in-time configuration".into(),
        }
    }

    /// Reads a text. `None` if it is not such a value.
    pub(super) fn parse(self, text: &str) -> Option<Value> {
        // Quoting in env files and YAML leaves blanks that no number or word means.
        let word = text.trim();
        match self {
            Kind::Flag => parsers::flag(word).map(Value::Flag),
            Kind::Line { max } => parsers::line(text, max).map(Value::Text),
            Kind::Labels => parsers::labels(text).map(Value::Labels),
            Kind::Host => Host::parse(word).ok().map(Value::Host),
            Kind::Repository => parsers::repository(word).map(Value::Text),
            Kind::Account => target::name(word).ok().map(Value::Text),
            Kind::Base => url::base_url(word).map(Value::Text),
            Kind::UrlPath => url::url_path(word).map(Value::Text),
            Kind::User => parsers::run_as(word).map(Value::User),
            Kind::Path => parsers::path(text).map(Value::Path),
            Kind::Port => word.parse().ok().map(Value::Port),
            Kind::Address => word.parse().ok().map(Value::Address),
            Kind::Duration { min, max } => {
                parsers::duration(word).filter(|d| (min..=max).contains(d)).map(Value::Duration)
            }
            Kind::Interval { min, max } => parsers::duration(word)
                .filter(|d| d.is_zero() || (min..=max).contains(d))
                .map(Value::Duration),
            Kind::Count { min } => word.parse().ok().filter(|n| *n >= min).map(Value::Count),
            Kind::Limit if word.eq_ignore_ascii_case("unlimited") => Some(Value::Limit(None)),
            Kind::Limit => word.parse().ok().map(|n| Value::Limit(Some(n))),
            Kind::Buckets => parsers::buckets(word).map(Value::Buckets),
            Kind::Pattern => Matcher::new(word).map(Value::Pattern),
            Kind::Stream => StreamRule::new(word).map(Value::Stream),
            Kind::CacheTypes => parsers::cache_types(word).map(Value::Labels),
            Kind::Choice(words) => words
                .iter()
                .find(|known| known.eq_ignore_ascii_case(word))
                .map(|known| Value::Text((*known).to_owned())),
            Kind::Flavour => Flavour::of(word).map(Value::Flavour),
            Kind::Token => {
                text.bytes().all(|b| b.is_ascii_graphic()).then(|| Value::Secret(Secret::new(text.into())))
            }
            Kind::AppId => parsers::app_id(word).map(Value::Text),
            Kind::Id => word.parse().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit())).map(Value::Id),
            Kind::PrivateKey => parsers::private_key(text).map(Value::Secret),
            Kind::Jit => parsers::jit(text).map(Value::Secret),
        }
    }
}

/// A duration as its variable would be written: `1h30m`.
pub(super) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(on) => write!(f, "{on}"),
            Value::Text(text) => write!(f, "{text}"),
            Value::Path(path) => write!(f, "{}", path.display()),
            Value::Port(port) => write!(f, "{port}"),
            Value::Address(address) => write!(f, "{address}"),
            Value::Duration(duration) => f.write_str(&show_duration(*duration)),
            Value::Id(id) => write!(f, "{id}"),
            Value::Labels(labels) => f.write_str(&labels.join(",")),
            Value::Host(host) => write!(f, "{host}"),
            Value::User(user) => write!(f, "{user}"),
            Value::Count(count) => write!(f, "{count}"),
            Value::Limit(Some(limit)) => write!(f, "{limit}"),
            Value::Limit(None) => f.write_str("unlimited"),
            Value::Buckets(bounds) => {
                f.write_str(&bounds.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
            }
            Value::Pattern(pattern) => write!(f, "{pattern}"),
            Value::Stream(rule) => write!(f, "{rule}"),
            Value::Flavour(flavour) => write!(f, "{flavour}"),
            Value::Secret(_) => f.write_str("(set, redacted)"),
        }
    }
}

/// Lets a field of the configuration take its value by its own type.
macro_rules! taken_as {
    ($($variant:ident => $type:ty),+ $(,)?) => {$(
        impl TryFrom<Value> for $type {
            type Error = Value;

            fn try_from(value: Value) -> Result<$type, Value> {
                if let Value::$variant(inner) = value { Ok(inner) } else { Err(value) }
            }
        }
    )+};
}

taken_as! {
    Flag => bool,
    Text => String,
    Path => PathBuf,
    Port => u16,
    Address => IpAddr,
    Duration => Duration,
    Count => usize,
    Id => u64,
    Labels => Vec<String>,
    Host => Host,
    User => RunAs,
    Limit => Option<u32>,
    Buckets => Vec<f64>,
    Pattern => Matcher,
    Stream => StreamRule,
    Flavour => Flavour,
    Secret => Secret,
}
