//! A document as the rules see it: where it links to, which anchors it has, and what it says in code.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One Markdown file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    /// Relative to the repository.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    /// Targets of links and images, as written.
    pub(crate) links: Vec<String>,
    /// What a link may point at, without `#`.
    pub(crate) anchors: Vec<String>,
    /// Inline code, and the lines of blocks of code.
    pub(crate) code: Vec<String>,
}

impl Document {
    pub(crate) fn new(path: &str, text: &str) -> Document {
        let mut document = Document { path: path.into(), text: text.into(), ..Document::default() };
        let mut seen: HashMap<String, usize> = HashMap::new();
        let (mut heading, mut block) = (None::<String>, false);
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_GFM;
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let slug = slug(&heading.take().expect("it has begun"));
                    let count = seen.entry(slug.clone()).or_default();
                    document.anchors.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
                    *count += 1;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(_)) => block = true,
                Event::End(TagEnd::CodeBlock) => block = false,
                Event::Code(text) => {
                    heading = heading.map(|heading| heading + &text);
                    document.code.push(text.into_string());
                }
                Event::Text(text) => {
                    heading = heading.map(|heading| heading + &text);
                    if block {
                        document.code.extend(joined(&text));
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => document.html(&html),
                _ => {}
            }
        }
        document
    }

    /// `<a id="x">`, `<img src="x">`, `<a href="x">`.
    fn html(&mut self, html: &str) {
        let values = |attribute: &str| -> Vec<String> {
            html.split(&format!(" {attribute}=\""))
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned)
                .collect()
        };
        self.anchors.extend(values("id"));
        self.links.extend([values("src"), values("href"), values("srcset")].concat());
    }
}

/// Lines of a block, those that a backslash continues put together.
fn joined(text: &str) -> Vec<String> {
    text.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// As the hosting site makes anchors of headings: lower case, blanks to hyphens, punctuation dropped.
pub(crate) fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that is ours, relative to the repository: not what was built or installed.
pub(crate) fn ours(ends: &[&str]) -> Vec<PathBuf> {
    fn walk(dir: &Path, ends: &[&str], out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", ".git", "artifacts"].contains(&name.as_str()) {
                    walk(&path, ends, out);
                }
            } else if ends.iter().any(|end| name.ends_with(end)) {
                out.push(path.strip_prefix(root()).expect("below").to_owned());
            }
        }
    }
    let mut out = Vec::new();
    walk(root(), ends, &mut out);
    out.sort();
    out
}

/// Every document of ours.
pub(crate) fn documents() -> Vec<Document> {
    let read = |path: PathBuf| {
        Document::new(&path.to_string_lossy(), &std::fs::read_to_string(root().join(&path)).expect("UTF-8"))
    };
    let documents: Vec<Document> = ours(&[".md"]).into_iter().map(read).collect();
    assert!(documents.len() > 10, "{}", documents.len());
    documents
}

#[test]
fn a_document_is_read() {
    let text = "# `A` b, c\n\n[x](y.md#z) <https://a.b/c> ![p](q.png)\n\n```sh\na --b \\\n  --c\n```\n\n## A b c\n\n<a id=\"own\"></a>";
    let document = Document::new("d.md", text);
    assert_eq!(document.anchors, ["a-b-c", "a-b-c-1", "own"]);
    assert_eq!(document.links, ["y.md#z", "https://a.b/c", "q.png"]);
    assert_eq!(document.code, ["A", "a --b    --c"]);
    assert_eq!(slug("What's `RUNNER_DIR`? (v2)"), "whats-runner_dir-v2");
}
