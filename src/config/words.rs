//! Variables that take one of a few words: each is an enum whose words are its documentation too.

use super::parsers::{Parsed, flag, one_of};
use super::shown::Shown;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// One of the words, in any case.
            pub(super) fn parse(text: &str) -> Parsed<$name> {
                one_of(&[$(($word, $name::$variant)),+], text)
            }
        }

        impl Shown for $name {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn shown(&self) -> String {
                match self { $($name::$variant => $word.into()),+ }
            }
        }
    };
}

words! {
    /// Which target is meant, in all the words other images have for it.
    ScopeWord {
        /// A repository.
        Repo = "repo",
        /// An organisation.
        Org = "org",
        /// An enterprise.
        Enterprise = "enterprise",
        /// A repository.
        Repository = "repository",
        /// An organisation.
        Organization = "organization",
        /// An organisation.
        Organisation = "organisation",
        /// An enterprise.
        Ent = "ent",
    }
}

words! {
    /// How a line of our own log looks.
    LogFormat {
        /// `key=value` pairs.
        Logfmt = "logfmt",
        /// One JSON object per line.
        Json = "json",
    }
}

words! {
    /// Which lines of our own log appear; each includes those before it.
    LogLevel {
        /// What failed.
        Error = "error",
        /// What may fail next.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// Why.
        Debug = "debug",
    }
}

words! {
    /// In which form OTLP is spoken.
    OtlpProtocol {
        /// The one that is spoken here.
        HttpProtobuf = "http/protobuf",
        /// JSON over HTTP.
        HttpJson = "http/json",
        /// gRPC.
        Grpc = "grpc",
    }
}

words! {
    /// Whether requests are compressed.
    OtlpCompression {
        /// They are not.
        None = "none",
        /// They are.
        Gzip = "gzip",
    }
}

words! {
    /// How metrics leave a program of OpenTelemetry's.
    OtlpExporter {
        /// They are pushed.
        Otlp = "otlp",
        /// They are not.
        None = "none",
        /// They are fetched, as ours can be in any case.
        Prometheus = "prometheus",
    }
}

/// Whose processes are swept after a job: a flag with one word more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepScope {
    /// Nobody's.
    Off,
    /// Those that carry the id of a job that has ended.
    Jobs,
    /// Those of everybody who is neither ours nor the listener's.
    All,
}

impl SweepScope {
    /// As a flag, or `all`.
    pub(super) fn parse(text: &str) -> Parsed<SweepScope> {
        if text.trim().eq_ignore_ascii_case("all") {
            return Ok(SweepScope::All);
        }
        let is_on = flag(text).map_err(|problem| format!("{problem}, or all"))?;
        Ok(if is_on { SweepScope::Jobs } else { SweepScope::Off })
    }

    /// Whether anything is swept.
    pub fn is_on(self) -> bool {
        self != SweepScope::Off
    }
}

impl Shown for SweepScope {
    fn shown(&self) -> String {
        match self {
            SweepScope::Off => "false",
            SweepScope::Jobs => "true",
            SweepScope::All => "all",
        }
        .to_owned()
    }
}
