//! The documents stay short: what a person reads in `README.md` and `docs/*.md` has a bound.
//!
//! Counted are the words outside of code, in pages that people write: not the two that are generated from tables of the code
//! (`docs/CONFIGURATION.md`, the metric reference), not the tables of recorded runs and of what each test holds
//! (`docs/RELIABILITY.md`), not quoted messages, commands and examples.

use crate::markdown::{Document, documents};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

const MOST: usize = 14_000;
/// And what is held row by row: promises and the tests that hold them.
const NOT_COUNTED: [&str; 3] =
    ["docs/CONFIGURATION.md", "docs/PROMETHEUS_METRICS_REFERENCE.md", "docs/RELIABILITY.md"];

/// The words that are read, and all with those in code.
fn words(text: &str) -> (usize, usize) {
    let (before, rest) = text.split_once("<!-- recorded").unwrap_or((text, ""));
    let after = rest.split_once("<!-- end -->").map_or("", |(_, after)| after);
    let count =
        |text: &str| text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    let (mut read, mut code, mut block) = (0, 0, false);
    for part in [before, after] {
        for event in Parser::new_ext(part, Options::ENABLE_TABLES | Options::ENABLE_GFM) {
            match event {
                Event::Start(Tag::CodeBlock(_)) => block = true,
                Event::End(TagEnd::CodeBlock) => block = false,
                Event::Text(text) if block => code += count(&text),
                Event::Code(text) => code += count(&text),
                Event::Text(text) => read += count(&text),
                _ => {}
            }
        }
    }
    (read, read + code)
}

fn is_counted(document: &Document) -> bool {
    let path = document.path.as_str();
    let is_page = path.strip_prefix("docs/").is_some_and(|name| !name.contains('/'));
    (path == "README.md" || is_page) && !NOT_COUNTED.contains(&path)
}

#[test]
fn what_is_to_be_read_is_bounded() {
    let documents = documents();
    let (mut read, mut all) = (0, 0);
    for document in documents.iter().filter(|document| is_counted(document)) {
        let (words, with_code) = words(&document.text);
        println!("{words:6} {with_code:6} {}", document.path);
        read += words;
        all += with_code;
    }
    println!("{read:6} {all:6} together");
    assert!(read <= MOST, "{read} words are to be read, {MOST} may be: shorten what you have touched");
    assert!(read > MOST / 2, "only {read} were counted");
}

#[test]
fn code_and_what_is_generated_is_not_read() {
    let text = "# One two\n\nthree `four five` – [six](seven.md)\n\n```sh\neight nine\n```\n\n<!-- recorded: x -->\n\nten\n\n<!-- end -->\n\n| eleven | |\n|---|---|\n";
    assert_eq!(words(text), (5, 9));
}
