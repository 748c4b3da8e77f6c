//! The shape of each field of a datagram: what is not of it is unknown.

use super::TEXT_LIMIT;
use crate::domain::target;

/// A text of a datagram: what is unknown is empty there.
pub(super) mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's way to ask")]
    pub(in crate::domain::context) fn serialize<S: Serializer>(
        text: &Option<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_deref().unwrap_or_default().serialize(to)
    }

    pub(in crate::domain::context) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<String>, D::Error> {
        String::deserialize(from).map(|text| Some(text).filter(|text| !text.is_empty()))
    }
}

pub(super) fn is_repository(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(owner, name)| [owner, name].iter().all(|part| target::name(part).is_ok()))
}

pub(super) fn is_text(text: &str) -> bool {
    text.len() <= TEXT_LIMIT && !text.contains(char::is_control)
}

pub(super) fn is_key(text: &str) -> bool {
    text.len() <= TEXT_LIMIT && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

pub(super) fn is_decimal(text: &str) -> bool {
    text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

pub(super) fn is_sha(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(super) fn is_tracking_id(text: &str) -> bool {
    let guid = text.strip_prefix("github_").unwrap_or_default();
    (1..=64).contains(&guid.len()) && guid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
