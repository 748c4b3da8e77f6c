//! What of a foreign text can be seen as what it is: nothing that controls a terminal, hides, or turns the text around.

/// Whether `c` is seen, standing behind `before`.
///
/// Joiners and variation selectors are seen in what they join: an emoji, a Persian word. Between plain letters they hide.
pub fn is_seen(c: char, before: char) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => !before.is_ascii(),
        // Soft hyphen, fillers, signs and overrides of direction, separators, invisible operators, tags and selectors.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => false,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => false,
        '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => false,
        '\u{e0000}'..='\u{e0fff}' => false,
        c => !c.is_control(),
    }
}

/// Writes `c` as Rust spells it: `\n`, `\u{202e}`.
pub fn escape(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => out.extend(c.escape_unicode()),
    }
}

/// The text with each character that is not seen given to `spell`, which writes it so that it is.
pub fn spelt(text: &str, spell: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        if is_seen(c, before) {
            out.push(c);
        } else {
            spell(c, &mut out);
        }
        before = c;
    }
    out
}

/// Bytes of HTML for each character allowed, so that fifty hostile names make no large page.
const BYTES_EACH: usize = 3;

/// At most `limit` characters, and `…` if there were more; what cannot be seen is written as `[U+202E]`. Not yet escaped.
pub fn sanitize(text: &str, limit: usize) -> String {
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
            assert_eq!(sanitize(text, 80), want);
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
}
