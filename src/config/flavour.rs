//! The image's flavour: any short word, since it only tells runners apart; where it names a browser, one is in there.

use std::fmt;

/// Longest accepted, in bytes.
pub(super) const FLAVOUR_LIMIT: usize = 32;

/// A label of every metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavour(String);

impl Flavour {
    /// In small letters, since the word is a label: digits, `.`, `_` and `-` too, but not in the first place.
    pub(super) fn of(word: &str) -> Option<Flavour> {
        let word = word.to_ascii_lowercase();
        let fits = (1..=FLAVOUR_LIMIT).contains(&word.len());
        let plain = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        let begins = word.starts_with(|c: char| c.is_ascii_alphanumeric());
        (fits && plain && begins).then_some(Flavour(word))
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `chrome`, `chrome-go` and whatever else begins so.
    pub fn has_browser(&self) -> bool {
        self.0.split('-').next() == Some("chrome")
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavour_is_a_short_word() {
        for good in ["standard", "chrome", "chrome-go", "gpu", "arm64", "9", "a.b_c-d"] {
            assert_eq!(Flavour::of(good).expect(good).as_str(), good);
        }
        assert_eq!(Flavour::of("Chrome-Go").unwrap().as_str(), "chrome-go");
        for bad in ["", "-a", ".a", "a b", "a,b", "a/b", "größe", "\"gpu\"", &"a".repeat(33)] {
            assert_eq!(Flavour::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_browser_is_in_what_is_called_so() {
        let has = |word: &str| Flavour::of(word).unwrap().has_browser();
        assert!(has("chrome") && has("chrome-go") && !has("standard") && !has("chromeless"));
    }
}
