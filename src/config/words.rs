//! Variables that take one of a few words: each is an enum whose words are its documentation too.

use super::parsers::{Parsed, one_of};
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
