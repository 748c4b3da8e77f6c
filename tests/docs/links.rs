//! A link of a document leads to a file or heading of ours that is there, or to a well-formed address outside that is encrypted.

use crate::markdown::{Document, documents, root};
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
