//! What the library renders is put in order: the same families and series in the same place on every page.

use super::catalog;
use std::collections::{BTreeMap, BTreeSet};

/// What has been shown of the families that begin with their first happening ([`catalog::LATE`]).
#[derive(Default)]
pub(super) struct Begun {
    /// Series as they are written, without their values.
    shown: BTreeSet<String>,
    /// Families of an earlier life.
    pub(super) restored: BTreeSet<&'static str>,
    /// There may be no next page.
    pub(super) is_over: bool,
}

impl Begun {
    /// Nothing is held back.
    pub(super) fn over() -> Begun {
        Begun { is_over: true, ..Begun::default() }
    }

    /// `increase()` needs a first value: a series that begins is at 0 on its first page. Whether this one begins.
    fn begins(&mut self, family: &str, series: &str) -> bool {
        let begins =
            catalog::is_late(family) && !self.restored.contains(family) && !self.shown.contains(series);
        if begins {
            self.shown.insert(series.to_owned());
        }
        begins && !self.is_over
    }
}

/// Sorts families by name and series within each, drops NaN, sets the type of fractional counters right; whether the next
/// page has more to tell, although nothing happens.
pub(super) fn arrange(text: &str, begun: &mut Begun) -> (String, bool) {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    let mut current: &str = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().unwrap_or_default();
            families.entry(current).or_default().help = Some(line);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap_or_default();
            families.entry(current).or_default().kind = rest.split(' ').nth(1).unwrap_or("untyped");
        } else if !line.is_empty() && !is_unknown(current, line) {
            families.entry(current).or_default().series.push(line);
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut more = false;
    for (name, mut family) in families {
        if !family.series.is_empty() {
            more |= family.write(name, begun, &mut out);
        }
    }
    (out, more)
}

/// NaN stands for what is not known, and the library's 0 for a limit there is not.
fn is_unknown(family: &str, line: &str) -> bool {
    line.ends_with(" NaN") || (line.ends_with(" 0") && catalog::PROCESS_LIMITS.contains(&family))
}

#[derive(Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: &'a str,
    series: Vec<&'a str>,
}

impl Family<'_> {
    fn write(&mut self, name: &str, begun: &mut Begun, out: &mut String) -> bool {
        let declared = catalog::everywhere().find(|m| m.name == name).map(|m| m.kind.as_str());
        let kind = declared.unwrap_or(self.kind);
        if let Some(help) = self.help {
            out.push_str(help);
            out.push('\n');
        }
        out.push_str("# TYPE ");
        out.push_str(name);
        out.push(' ');
        out.push_str(kind);
        out.push('\n');
        // Buckets come in the order of their bounds, which no sort of text would keep.
        if kind != "histogram" {
            self.series.sort_unstable();
        }
        let mut more = false;
        for line in &self.series {
            match line.rsplit_once(' ') {
                Some((series, value)) if begun.begins(name, series) => {
                    out.extend([series, " 0"]);
                    more |= value != "0";
                }
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_sorted_and_what_is_unknown_is_absent() {
        let raw = "# HELP b Second.\n# TYPE b gauge\nb{x=\"2\"} 1\nb{x=\"1\"} NaN\n\n\
                   # HELP c Gone.\n# TYPE c gauge\nc NaN\n\n\
                   # HELP process_max_fds Limit.\n# TYPE process_max_fds gauge\nprocess_max_fds 0\n\n\
                   # HELP process_cpu_seconds_total CPU.\n# TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 0.5\n\n\
                   # HELP a First.\n# TYPE a histogram\na_bucket{le=\"10\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 3\na_count 1\n";
        let want = "# HELP a First.\n# TYPE a histogram\na_bucket{le=\"10\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 3\na_count 1\n\
                    # HELP b Second.\n# TYPE b gauge\nb{x=\"2\"} 1\n\
                    # HELP process_cpu_seconds_total CPU.\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 0.5\n";
        assert_eq!(arrange(raw, &mut Begun::default()), (want.to_owned(), false));
    }
}
