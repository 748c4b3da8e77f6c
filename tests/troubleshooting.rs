//! Every message that we can end with has its entry on the troubleshooting page; what needs none is listed here, with the reason.
//!
//! The messages are read from the source: every `#[error("…")]`, and every text of three words or more where errors are
//! made. What is looked for on the page is a text's longest part between two `{}`.
#![allow(clippy::disallowed_methods, reason = "a test reads the sources")]

use std::path::{Path, PathBuf};

/// Where messages are made that are no `#[error]`: a file, and the part of it between two texts.
const MADE: &[(&str, &str, &str)] = &[
    ("cli.rs", "pub fn main", ""),
    ("config/validate.rs", "", ""),
    ("config/validate/credential.rs", "", ""),
    ("config/validate/place.rs", "", ""),
    ("config/resolve.rs", "", ""),
    ("config/parsers.rs", "", ""),
    ("config/parsers/secrets.rs", "fn private_key", "fn unpacked"),
    ("config/parsers/secrets.rs", "fn jit", "fn jit_name"),
    ("demo.rs", "fn run", "fn environment"),
    ("domain/configure.rs", "pub fn fault", ""),
    ("domain/lifecycle/registration.rs", "fn registration_late", ""),
    ("domain/lifecycle/leaving.rs", "fn removal_cut_short", ""),
    ("github/error.rs", "fn answer", "fn advice"),
    ("init.rs", "", ""),
    ("init/report.rs", "pub(super) fn refusal", ""),
    ("registration.rs", "", ""),
    ("registration/just_in_time.rs", "", ""),
    ("registration/local.rs", "", ""),
    ("registration/removal.rs", "", ""),
    ("registration/ours.rs", "", ""),
    ("run.rs", "", ""),
    ("supervisor/runner.rs", "fn check", ""),
    ("supervisor/startup.rs", "", ""),
    ("sys/ownership.rs", "", ""),
];

/// Texts that need no entry, as they begin.
const EXEMPT: &[(&str, &str)] = &[
    // Warnings of the configuration: each is a whole sentence with what to do, and nothing ends.
    ("is ignored: ", "a warning"),
    ("RUNNER_SKIP_REGISTRATION is true, ", "the reason in a warning"),
    ("the just-in-time configuration has its own", "the reason in a warning"),
    ("a registration token cannot change labels", "the reason in a warning"),
    ("a just-in-time configuration is given already", "the reason in a warning"),
    ("it needs GITHUB_TOKEN or a GitHub App", "the reason in a warning"),
    (" mints its own", "the reason in a warning"),
    ("only a runner with RUNNER_EPHEMERAL leaves", "the reason in a warning"),
    ("APP_ID and APP_PRIVATE_KEY are not set", "the reason in a warning"),
    ("RUNNER_SCOPE asks for ", "the reason in a warning"),
    ("a repository has no runner groups", "the reason in a warning"),
    (" seconds between TERM and KILL", "a warning that says what to set"),
    // Said by somebody else, or looked for.
    ("Http response code: ", "a sentence of config.sh's, looked for"),
    ("A runner exists with the same name", "a sentence of config.sh's, looked for"),
    ("Could not find any self-hosted runner group named", "a sentence of config.sh's, looked for"),
    ("Cannot configure the runner because it is already configured", "a sentence of config.sh's, looked for"),
    ("Disabling default labels via --no-default-labels without", "a sentence of config.sh's, looked for"),
    ("Invalid configuration provided for", "a sentence of config.sh's, looked for"),
    ("Must not run with sudo", "a sentence of config.sh's, looked for"),
    ("Libicu's dependencies is missing", "a sentence of config.sh's, looked for"),
    ("Dependencies is missing for Dotnet Core", "a sentence of config.sh's, looked for"),
    // Never seen from outside.
    ("the drain does not fit: ", "the configuration says it in its own words"),
];

/// The page and its words: blanks are one, escapes of tables are undone.
fn page() -> String {
    plain(&read(&root().join("docs/PROMETHEUS_TROUBLESHOOTING.md")).replace("\\|", "|"))
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts of Rust source without its tests and comments, each with the code just before it.
fn texts(source: &str) -> Vec<(String, String)> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let (mut found, mut code, mut rest) = (Vec::new(), String::new(), source.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|c| *c != '\n').is_some() {},
            // A character, not a lifetime.
            '\'' => {
                let ahead: String = rest.clone().take(3).collect();
                let length = if ahead.starts_with('\\') { 3 } else { 2 };
                if ahead.chars().nth(length - 1) == Some('\'') {
                    rest.nth(length - 1);
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = rest.next().filter(|c| *c != '"') {
                    match (c, rest.peek().copied()) {
                        ('\\', Some('\n')) => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                        ('\\', Some('n')) => {
                            rest.next();
                            text.push('\n');
                        }
                        ('\\', Some(_)) => text.extend(rest.next()),
                        _ => text.push(c),
                    }
                }
                found.push((std::mem::take(&mut code), text));
            }
            c => code.push(c),
        }
    }
    found
}

/// The longest part that is the same whenever the text is shown.
fn fixed(text: &str) -> String {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                parts.push(String::new());
            }
            c if depth == 0 => parts.last_mut().expect("there is one").push(c),
            _ => {}
        }
    }
    plain(&parts.into_iter().max_by_key(String::len).unwrap_or_default())
}

/// The `#[error]` texts of a file. Where nothing but `{}` is in one, its parts are looked at where they are made.
fn errors(source: &str) -> Vec<String> {
    let is_error = |code: &str| code.trim_end().ends_with("#[error(");
    texts(source).into_iter().filter(|(code, _)| is_error(code)).map(|(_, text)| text).collect()
}

/// The messages made between two texts of a file.
fn made(source: &str, from: &str, to: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let start = source.find(from).unwrap_or_else(|| panic!("no {from:?}"));
    let end =
        if to.is_empty() { source.len() } else { source.find(to).unwrap_or_else(|| panic!("no {to:?}")) };
    let is_ours = |code: &str| !["expect(", "reason ="].iter().any(|end| code.trim_end().ends_with(end));
    let is_message = |text: &str| text.split_whitespace().count() >= 3;
    let found =
        texts(&source[start..end]).into_iter().filter(|(code, text)| is_ours(code) && is_message(text));
    found.map(|(_, text)| text).collect()
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("src is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every message, with where it is from.
fn messages() -> Vec<(String, String)> {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&src).expect("below").to_string_lossy().into_owned();
        found.extend(errors(&read(&file)).into_iter().map(|text| (name.clone(), text)));
    }
    for (file, from, to) in MADE {
        found.extend(
            made(&read(&src.join(file)), from, to).into_iter().map(|text| ((*file).to_owned(), text)),
        );
    }
    found
}

fn is_exempt(fixed: &str) -> bool {
    EXEMPT.iter().any(|(begins, _)| fixed.starts_with(begins.trim()))
}

fn missing(messages: &[(String, String)], page: &str) -> Vec<String> {
    let is_there = |text: &str| {
        let fixed = fixed(text);
        // Of nothing but punctuation nothing can be looked for.
        !fixed.contains(char::is_alphabetic) || is_exempt(&fixed) || page.contains(&fixed)
    };
    let lost = messages.iter().filter(|(_, text)| !is_there(text));
    lost.map(|(file, text)| format!("{file}: {text:?} has no entry: looked for {:?}", fixed(text))).collect()
}

#[test]
fn every_message_has_its_entry() {
    let messages = messages();
    assert!(messages.len() > 150, "only {} were found", messages.len());
    let missing = missing(&messages, &page());
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

#[test]
fn a_message_without_an_entry_is_seen() {
    let page = page();
    let planted = "#[derive(thiserror::Error)]\nenum E {\n /// A \"quoted\" word.\n #[error(\"{path}: the moon \\\n  is {how} too full\")]\n A,\n}";
    let found = errors(planted);
    assert_eq!(found, ["{path}: the moon is {how} too full"]);
    assert_eq!(missing(&[("x.rs".into(), found[0].clone())], &page).len(), 1);
    let planted = "fn f() { g('\"', \"the moon is full: {x}\").expect(\"it is no moon\") }\n#[cfg(test)]\nconst T: &str = \"of a test alone\";";
    let found = made(planted, "fn f", "");
    assert_eq!(found, ["the moon is full: {x}"]);
    assert_eq!(missing(&[("x.rs".into(), found[0].clone())], &page).len(), 1);
    // An entry that is taken away is missed as well.
    for gone in ["is in use by another supervisor", "GitHub answered 404", "expected a number"] {
        let rest = page.replace(gone, "");
        assert!(missing(&messages(), &rest).iter().any(|line| line.contains(gone)), "{gone}");
    }
}

#[test]
fn every_exemption_is_needed() {
    let (messages, page) = (messages(), page());
    for (begins, reason) in EXEMPT {
        let is_used = messages
            .iter()
            .map(|(_, text)| fixed(text))
            .any(|fixed| fixed.starts_with(begins.trim()) && !page.contains(&fixed));
        assert!(is_used, "{begins:?} ({reason}) is not needed");
    }
}

#[test]
fn every_event_and_reason_on_the_page_is_one_of_ours() {
    let (mut files, mut code) = (Vec::new(), String::new());
    sources(&root().join("src"), &mut files);
    for file in &files {
        code.push_str(&read(file));
    }
    let page = page();
    let words = |key: &'static str| {
        let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
        let after =
            page.split(key).skip(1).map(move |rest| rest.split(|c| !is_word(c)).next().unwrap_or_default());
        after.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let events = words("event=");
    assert!(events.len() > 30, "{}", events.len());
    for event in events {
        assert!(code.contains(&format!("event = \"{event}\"")), "{event}");
    }
    for word in [words("reason="), words("kind=")].concat() {
        assert!(code.contains(&format!("\"{word}\"")), "{word}");
    }
}

#[test]
fn every_exit_code_is_in_the_table() {
    let page = read(&root().join("docs/PROMETHEUS_TROUBLESHOOTING.md"));
    let table = page.split("## By exit code").nth(1).and_then(|t| t.split("## ").next()).expect("the table");
    for code in ["0", "1", "7", "64", "69", "70", "71", "100–105", "126, 127", "137", "another 128 + n"] {
        assert!(table.contains(&format!("\n| {code} |")), "{code}");
    }
}
