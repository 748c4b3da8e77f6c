//! The secret string. A secret is seen only by who asks for it by name: it has no `Display`, its `Debug` is blank, its
//! memory is wiped.

use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A credential or token. Wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in; the caller's copy is this one.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The secret itself, for the one place that needs it: never for a log, an argument list or a child.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the two differ, so that an answer's delay does not spell the secret; the length
    /// is not hidden.
    fn eq(&self, other: &Secret) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2".into()))), "Some(Secret(redacted))");
    }

    #[test]
    fn equality_is_of_the_whole_text() {
        let secret = |text: &str| Secret::new(text.into());
        assert_eq!(secret("abc"), secret("abc"));
        for other in ["", "ab", "abd", "abcd", "xbc"] {
            assert_ne!(secret("abc"), secret(other));
        }
    }
}
