//! Rust source read just deeply enough to hold walls: comments, texts and tests taken out, every path spelt in full.

#![allow(unreachable_pub, reason = "a module of a test")]

use std::collections::{BTreeMap, BTreeSet};

/// One source file below `src/`.
pub struct Source {
    /// Its path below `src/`, as `domain/parse.rs`.
    pub path: String,
    /// All of it.
    pub text: String,
    /// Its tokens without comments, texts (each is `""`) and `#[cfg(test)]` items.
    pub tokens: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let tokens = without_tests(&tokens(text));
        Source { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// The module path: `domain/lifecycle/steps.rs` is `[domain, lifecycle, steps]`. The double is a package of its own.
    fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs");
        let path = path.strip_prefix("sim/").unwrap_or(path);
        let root = ["lib", "main", "build"].contains(&path);
        path.split('/').filter(|_| !root).map(str::to_owned).collect()
    }

    /// A `use` of the file, not one that says what an `impl Trait` captures.
    fn is_import(&self, at: usize) -> bool {
        self.tokens[at] == "use" && self.tokens.get(at + 1).is_none_or(|next| next != "<")
    }

    /// Every path the code spells, from `crate`, `std` or a crate's name on, as `crate::domain::event::Exit`. What a
    /// `use` has named is resolved; a path that begins with a name of the file itself is not an import.
    pub fn imports(&self) -> BTreeSet<String> {
        let module = self.module();
        let mut named = BTreeMap::new();
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if self.is_import(at) {
                let end = at + self.tokens[at..].iter().position(|t| t == ";").unwrap_or(0);
                let mut uses = Vec::new();
                tree(&self.tokens[at + 1..end.max(at + 1)], &[], &mut uses);
                for (path, name) in uses {
                    let path = absolute(&module, path);
                    found.insert(path.join("::"));
                    named.insert(name, path);
                }
                at = end.max(at);
            }
            at += 1;
        }
        let in_use = |at: usize| (0..at).rev().find(|at| self.is_import(*at) || self.tokens[*at] == ";");
        for (path, at) in spelt(&self.tokens) {
            if in_use(at).is_some_and(|start| self.tokens[start] == "use") {
                continue;
            }
            let path = match named.get(&path[0]) {
                Some(full) => full.iter().chain(&path[1..]).cloned().collect(),
                None => absolute(&module, path),
            };
            found.insert(path.join("::"));
        }
        found
    }
}

/// Paths of two segments and more outside declarations, with the place of their first token.
fn spelt(tokens: &[String]) -> Vec<(Vec<String>, usize)> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start = at;
        let continues = start > 0 && tokens[start - 1] == "::";
        let mut path = vec![tokens[at].clone()];
        while at + 2 < tokens.len() && tokens[at + 1] == "::" && is_name(&tokens[at + 2]) {
            path.push(tokens[at + 2].clone());
            at += 2;
        }
        if path.len() > 1 && is_name(&path[0]) && !continues {
            paths.push((path, start));
        }
        at += 1;
    }
    paths
}

/// `a::{b, c as d}` is `a::b` named `b` and `a::c` named `d`.
fn tree(tokens: &[String], prefix: &[String], out: &mut Vec<(Vec<String>, String)>) {
    let mut path = prefix.to_vec();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" | "pub" => {}
            "{" => return branches(&tokens[at + 1..tokens.len().saturating_sub(1)], &path, out),
            "as" => {
                out.push((path, tokens[at + 1].clone()));
                return;
            }
            "self" if !path.is_empty() => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    if let Some(name) = path.last().cloned() {
        out.push((path, name));
    }
}

fn branches(tokens: &[String], prefix: &[String], out: &mut Vec<(Vec<String>, String)>) {
    let mut depth = 0;
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 0 => {
                tree(&tokens[start..at], prefix, out);
                start = at + 1;
            }
            _ => {}
        }
    }
    tree(&tokens[start..], prefix, out);
}

/// `self` and `super` spelt from the crate on.
fn absolute(module: &[String], path: Vec<String>) -> Vec<String> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    let here = usize::from(path[0] == "self");
    if ups + here == 0 {
        return path;
    }
    let base = &module[..module.len().saturating_sub(ups)];
    ["crate".to_owned()]
        .into_iter()
        .chain(base.iter().cloned())
        .chain(path.into_iter().skip(ups + here))
        .collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Drops every item below `#[cfg(test)]`, up to its closing brace or its semicolon.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().zip(MARK).all(|(token, mark)| token == mark) || tokens.len() - at < MARK.len()
        {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += MARK.len();
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            at += 1;
            let ends = tokens[at - 1] == ";" || tokens[at - 1] == "}";
            if depth == 0 && ends {
                break;
            }
        }
    }
    kept
}

/// Names, numbers, `::` and single signs; comments are gone, every text is `""`, every character `''`.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => literal(&mut out, 1 + quoted(&rest[1..])),
            ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..] if raw(rest).is_some() => {
                literal(&mut out, raw(rest).expect("was just seen"))
            }
            ['b', '"', ..] => literal(&mut out, 2 + quoted(&rest[2..])),
            ['\'', '\\', ..] => 3 + rest[3..].iter().position(|c| *c == '\'').unwrap_or(0),
            ['\'', _, '\'', ..] => 3,
            [':', ':', ..] => {
                out.push("::".to_owned());
                2
            }
            [c, ..] if c.is_alphanumeric() || *c == '_' => {
                let word: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                let length = word.chars().count();
                out.push(word);
                length
            }
            [c, ..] if c.is_whitespace() => 1,
            [c, ..] => {
                out.push(c.to_string());
                1
            }
            [] => 1,
        };
    }
    out
}

fn literal(out: &mut Vec<String>, length: usize) -> usize {
    out.push("\"\"".to_owned());
    length
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `r#"…"#`; `None` if it is a name such as `r#type`.
fn raw(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().position(|c| *c != 'b' && *c != 'r')?;
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let ends = |at: usize| {
        rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let close = (open + 1..rest.len()).find(|at| ends(*at))?;
    Some(close + 1 + hashes)
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => {
                depth += 1;
                at += 2;
            }
            ('*', '/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}
