//! Numbers and sizes as tools print them.

/// A whole number and what follows it; at most nine digits, so that no sum of a job overflows.
pub(super) fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let value = number.iter().fold(0, |sum: u32, digit| sum.wrapping_mul(10) + u32::from(digit - b'0'));
    (1..=9).contains(&digits).then_some((value, rest))
}

/// The whole of `text` is a number, blanks around it left out.
pub(super) fn only_number(text: &[u8]) -> Option<u32> {
    number(text.trim_ascii()).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// `N package ` or `N packages `, and no other word.
pub(super) fn packages(text: &[u8]) -> Option<u32> {
    let (count, rest) = number(text)?;
    let is_word = rest.starts_with(b" package ") || rest.starts_with(b" packages ");
    is_word.then_some(count)
}
