//! Sanitiser of untrusted text. A name from outside is shown as what it is: shortened where all can see, and nothing in
//! it is invisible or turns the text around.

use crate::domain::text::is_seen;
use maud::{Markup, html};

/// Characters shown of a job's name.
pub(super) const NAME: usize = 80;
/// Characters shown of a workflow, a repository and the like.
pub(super) const OTHER: usize = 48;
/// Bytes of HTML for each character allowed, so that fifty hostile names make no large page.
const BYTES_EACH: usize = 3;

/// A text from outside, isolated from the direction of what stands around it; a dash where there is none.
pub(super) fn untrusted(text: &str, limit: usize) -> Markup {
    html! { @if text.trim().is_empty() { (unknown()) } @else { bdi { (sanitize(text, limit)) } } }
}

/// What is not known.
pub(super) fn unknown() -> Markup {
    html! { span.unknown { "–" } }
}

/// At most `limit` characters, and `…` if there were more; what cannot be seen is written as `[U+202E]`. Not yet escaped.
pub(super) fn sanitize(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let (mut shown, mut bytes) = (0, 0);
    let mut before = ' ';
    for c in text.chars() {
        let piece = if is_seen(c, before) { String::from(c) } else { format!("[U+{:04X}]", u32::from(c)) };
        shown += piece.chars().count();
        bytes += piece.chars().map(escaped_len).sum::<usize>();
        if shown > limit || bytes > limit * BYTES_EACH {
            out.push('…');
            break;
        }
        out.push_str(&piece);
        before = c;
    }
    out
}

/// Bytes in the page.
fn escaped_len(c: char) -> usize {
    match c {
        '<' | '>' => 4,
        '&' => 5,
        '"' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_is_spelt() {
        for (text, want) in [
            ("build (ubuntu, 18)", "build (ubuntu, 18)"),
            ("a\u{202e}txt.exe", "a[U+202E]txt.exe"),
            ("\u{1b}[31mred\n\u{7f}", "[U+001B][31mred[U+000A][U+007F]"),
            ("pay\u{200b}pal\u{ad}\u{feff}", "pay[U+200B]pal[U+00AD][U+FEFF]"),
            ("\u{200d}a\u{200d}b", "[U+200D]a[U+200D]b"),
            ("👩\u{200d}💻 ❤\u{fe0f} می\u{200c}خواهم", "👩\u{200d}💻 ❤\u{fe0f} می\u{200c}خواهم"),
            ("\u{85}\u{e0041}", "[U+0085][U+E0041]"),
            ("שלום 部署", "שלום 部署"),
        ] {
            assert_eq!(sanitize(text, NAME), want);
        }
    }

    #[test]
    fn what_is_long_is_cut_in_sight() {
        assert_eq!(sanitize("12345", 5), "12345");
        assert_eq!(sanitize("123456", 5), "12345…");
        assert_eq!(sanitize("\u{202e}\u{202e}", 9), "[U+202E]…", "not in the middle of a word of ours");
        assert_eq!(sanitize(&"\"".repeat(99), 10), "\"".repeat(5) + "…", "escaped it is long");
        assert_eq!(sanitize(&"部".repeat(11), 10), "部".repeat(10) + "…");
        assert_eq!(sanitize("", 5), "");
    }

    #[test]
    fn it_is_escaped_and_isolated() {
        let hostile = untrusted("\"><img src=x onerror='alert(1)'>&amp;{{7*7}}", NAME).into_string();
        assert_eq!(hostile, "<bdi>&quot;&gt;&lt;img src=x onerror='alert(1)'&gt;&amp;amp;{{7*7}}</bdi>");
        for nothing in ["", " ", "\u{3000}\n"] {
            assert_eq!(untrusted(nothing, NAME).into_string(), "<span class=\"unknown\">–</span>");
        }
    }
}
