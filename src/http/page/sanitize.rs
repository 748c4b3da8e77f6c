//! Sanitiser of untrusted text. A name from outside is shown as what it is: shortened where all can see, and nothing in
//! it is invisible or turns the text around.

pub(super) use crate::domain::text::sanitize;
use maud::{Markup, html};

/// Characters shown of a job's name.
pub(super) const NAME: usize = 80;
/// Characters shown of a workflow, a repository and the like.
pub(super) const OTHER: usize = 48;
/// A text from outside, isolated from the direction of what stands around it; a dash where there is none.
pub(super) fn untrusted(text: &str, limit: usize) -> Markup {
    html! { @if text.trim().is_empty() { (unknown()) } @else { bdi { (sanitize(text, limit)) } } }
}

/// What is not known.
pub(super) fn unknown() -> Markup {
    html! { span.unknown { "–" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_escaped_and_isolated() {
        let hostile = untrusted("\"><img src=x onerror='alert(1)'>&amp;{{7*7}}", NAME).into_string();
        assert_eq!(hostile, "<bdi>&quot;&gt;&lt;img src=x onerror='alert(1)'&gt;&amp;amp;{{7*7}}</bdi>");
        for nothing in ["", " ", "\u{3000}\n"] {
            assert_eq!(untrusted(nothing, NAME).into_string(), "<span class=\"unknown\">–</span>");
        }
    }
}
