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
