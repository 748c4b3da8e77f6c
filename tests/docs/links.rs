//! A link of a document leads to a file or heading of ours that is there, or to a well-formed address outside that is encrypted.

use crate::markdown::{Document, documents, ours, root};
use std::path::{Component, Path, PathBuf};

/// `a/../b` is `b`; `None` where it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => out.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(out)
}

/// What is wrong with an address outside.
fn outside(link: &str) -> Option<&'static str> {
    let Ok(url) = url::Url::parse(link) else { return Some("no address") };
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" if url.host_str().is_some_and(|host| host.contains('.')) => None,
        "http" if loopback => None,
        _ => Some("neither https nor on this machine"),
    }
}

/// Every link that leads nowhere.
fn complaints(documents: &[Document], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for document in documents {
        for link in &document.links {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let fault = if link.contains("://") || link.starts_with("mailto:") {
                outside(link)
            } else {
                let beside = Path::new(&document.path).parent().expect("a file").join(path);
                let target =
                    if path.is_empty() { Some(PathBuf::from(&document.path)) } else { normal(&beside) };
                match target {
                    None => Some("out of the repository"),
                    Some(target) if !exists(&target) => Some("no such file"),
                    Some(target) => {
                        let other = documents.iter().find(|other| Path::new(&other.path) == target);
                        let there =
                            other.is_none_or(|other| other.anchors.iter().any(|known| known == anchor));
                        (!anchor.is_empty() && !there).then_some("no such heading")
                    }
                }
            };
            out.extend(fault.map(|fault| format!("{}: {link}: {fault}", document.path)));
        }
    }
    out
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    assert_eq!(complaints(&documents, |path| root().join(path).exists()), [""; 0]);
    let links: usize = documents.iter().map(|document| document.links.len()).sum();
    assert!(links > 15, "only {links} were read");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let other = Document::new("docs/b.md", "# Here\n");
    let there = |path: &Path| ["docs/a.md", "docs/b.md", "LICENSE"].contains(&path.to_str().unwrap());
    let table = [
        ("b.md#here", ""),
        ("../LICENSE", ""),
        ("#top", ""),
        ("https://example.org/x#y", ""),
        ("http://127.0.0.1:9091/", ""),
        ("c.md", "no such file"),
        ("b.md#there", "no such heading"),
        ("#here", "no such heading"),
        ("../../LICENSE", "out of the repository"),
        ("/LICENSE", "out of the repository"),
        ("http://example.org/", "neither https nor on this machine"),
        ("https://", "no address"),
        ("ftp://example.org/", "neither https nor on this machine"),
    ];
    for (link, fault) in table {
        let document = Document::new("docs/a.md", &format!("# Top\n\n[x]({link})\n"));
        let expected: Vec<String> =
            (!fault.is_empty()).then(|| format!("docs/a.md: {link}: {fault}")).into_iter().collect();
        assert_eq!(complaints(&[document, other.clone()], there), expected);
    }
}

/// What is named and is nobody's to commit: whoever reads makes it, or it is no file.
const MADE: [&str; 5] =
    ["compose/.env", "tests/fuzz/artifacts", "tests/fuzz/corpus/runner_output", "http/protobuf", "http/json"];

/// What a word of code names below the repository, if it is one of its files: by its whole path, as `src` says it, or a module.
fn file(word: &str) -> Option<&str> {
    const TOP: [&str; 8] =
        [".ci/", ".config/", ".github/", "compose/", "dashboards/", "docs/", "runner-images/", "tests/"];
    const ROOMS: [&str; 7] = ["config/", "domain/", "github/", "http/", "init/", "supervisor/", "sys/"];
    let part = |c: char| c.is_alphanumeric() || "._/*{}-".contains(c);
    let word = word.trim_matches(|c| !part(c)).trim_end_matches('.');
    let rust = Path::new(word).extension().is_some_and(|end| end == "rs");
    let below = |dirs: &[&str]| dirs.iter().any(|dir| word.starts_with(dir));
    let ours = rust || below(&["src/"]) || below(&TOP) || below(&ROOMS);
    (ours && !word.contains("://") && !MADE.contains(&word)).then_some(word)
}

/// Every file that a document names in code and that is not there. `a/*.rs` and `a/{b,c}.rs` name the directory.
fn missing(documents: &[Document], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for document in documents {
        for word in document.code.iter().flat_map(|code| code.split_whitespace()).filter_map(file) {
            let fixed = word
                .find(['*', '{'])
                .map_or(word, |at| word[..at].rsplit_once('/').map_or("", |(dir, _)| dir));
            if !exists(fixed) {
                out.push(format!("{}: {word}: no such file", document.path));
            }
        }
    }
    out
}

#[test]
fn every_file_that_is_named_is_there() {
    // History speaks of what was.
    let now =
        |document: &Document| document.path != "CHANGELOG.md" && !document.path.starts_with("findings/");
    let documents: Vec<Document> = documents().into_iter().filter(now).collect();
    let sources = ours(&[".rs"]);
    let exists = |path: &str| {
        let by_name = || sources.iter().any(|file| file.file_name().is_some_and(|name| name == path));
        let there = [path.to_owned(), format!("src/{path}"), format!("src/{path}.rs")];
        there.iter().any(|path| root().join(path).exists()) || by_name()
    };
    assert_eq!(missing(&documents, exists), [""; 0]);
    let words = documents.iter().flat_map(|document| &document.code).flat_map(|code| code.split_whitespace());
    let count = words.filter_map(file).count();
    assert!(count > 40, "only {count} were read");
}

#[test]
fn a_file_that_is_not_there_is_found() {
    let there = |path: &str| ["tests/run", "tests", "a/b.rs", "c.rs", "src/domain"].contains(&path);
    let rows = [
        ("tests/run --all", ""),
        ("`tests/*.sh`", ""),
        ("a/b.rs", ""),
        ("c.rs,", ""),
        ("src/domain/**", ""),
        ("GET /api/v1/jobs, https://example.org/tests/x.rs, and/or", ""),
        ("tests/walk --all", "tests/walk"),
        ("src/domains/**", "src/domains/**"),
        ("b.rs", "b.rs"),
        ("cat docs/NO.md", "docs/NO.md"),
    ];
    for (code, fault) in rows {
        let document = Document::new("d.md", &format!("```sh\n{code}\n```\n"));
        let expected: Vec<String> =
            (!fault.is_empty()).then(|| format!("d.md: {fault}: no such file")).into_iter().collect();
        assert_eq!(missing(&[document], there), expected, "{code}");
    }
}
