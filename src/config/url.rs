//! URLs and their paths, as far as they are one: what is nearly an `OWNER/REPOSITORY` is not.

use crate::domain::target;

/// A URL to which paths are added. `OWNER/REPOSITORY` is none: a host without a dot needs its scheme, or a port.
pub(super) fn base_url(word: &str) -> Option<String> {
    let (first, rest) = word.split_once('/').unwrap_or((word, ""));
    let is_host = first.contains(['.', ':']) || first.eq_ignore_ascii_case("localhost");
    if !is_host && !rest.trim_matches('/').is_empty() {
        return None;
    }
    target::base_url(word).ok()
}

/// `/` and plain names with `/` between them; no `/` at the end.
pub(super) fn url_path(word: &str) -> Option<String> {
    let path = word.strip_prefix('/')?;
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(target::name);
    Some(format!("/{}", segments.collect::<Result<Vec<_>, _>>().ok()?.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_no_url() {
        for good in
            ["https://acme/web", "github.com/acme/web", "ghes:8443/acme", "localhost/a", "ghes", "ghes/"]
        {
            assert!(base_url(good).is_some(), "{good}");
        }
        for bad in ["acme/web", "acme/web/", "acme//web"] {
            assert_eq!(base_url(bad), None, "{bad}");
        }
    }
}
