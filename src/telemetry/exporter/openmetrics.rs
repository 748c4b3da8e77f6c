//! A page of the text format 0.0.4 says the same in `OpenMetrics` 1.0: counters named without `_total`, bounds as floats, and
//! for each counter and histogram the time since when it counts, if that is known.

use super::super::catalog::{self, MetricKind};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Converts a page of ours. All counts began at `since`, in Unix time, but for the families that are `restored`, and those
/// that somebody else counts.
pub(super) fn from_text(page: &str, since: f64, restored: &BTreeSet<&'static str>) -> String {
    let mut out = String::with_capacity(page.len() * 3 / 2);
    let mut family = Lines::default();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            // Here a quote is escaped as well; it is nowhere before.
            let _ = writeln!(out, "# HELP {} {}", bare(name), help.replace('"', "\\\""));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            family = Lines { name, kind, is_dated: is_ours(name) && !restored.contains(name) };
            let _ = writeln!(out, "# TYPE {} {kind}", bare(name));
        } else {
            family.sample(line, since, &mut out);
        }
    }
    out.push_str("# EOF\n");
    out
}

/// Counted by this process from its start on: not the kernel's count of a container that is older.
fn is_ours(name: &str) -> bool {
    let known = catalog::everywhere().find(|metric| metric.name == name);
    known.is_some_and(|metric| metric.kind != MetricKind::SampledCounter)
}

fn bare(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

#[derive(Default)]
struct Lines<'a> {
    name: &'a str,
    kind: &'a str,
    is_dated: bool,
}

impl Lines<'_> {
    fn sample(&self, line: &str, since: f64, out: &mut String) {
        let labels = line.find('{').and_then(|at| line.get(at..=line.rfind('}')?)).unwrap_or_default();
        let rest = line.strip_prefix(self.name).unwrap_or_default();
        if self.kind == "histogram" && rest.starts_with("_bucket") {
            bucket(line, out);
        } else {
            out.push_str(line);
        }
        out.push('\n');
        // Of a histogram once: behind its last line.
        let is_last = self.kind == "counter" || (self.kind == "histogram" && rest.starts_with("_count"));
        if self.is_dated && is_last {
            let _ = writeln!(out, "{}_created{labels} {since:.3}", bare(self.name));
        }
    }
}

/// The last label is the bound, written as a float. A quote inside of a value has a backslash before it.
fn bucket(line: &str, out: &mut String) {
    const LABEL: &str = "le=\"";
    let whole = line.rfind(LABEL).map(|at| line.split_at(at + LABEL.len()));
    match whole.and_then(|(head, rest)| Some((head, rest.split_once('"')?))) {
        Some((head, (bound, rest))) => out.extend([head, &canonical(bound), "\"", rest]),
        None => out.push_str(line),
    }
}

/// As Go writes a float, which is how the bound of a bucket has to be written.
fn canonical(bound: &str) -> String {
    match bound.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            let scientific = format!("{number:e}");
            let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let sign = if exponent < 0 { '-' } else { '+' };
            // `{:?}` has the point that `{}` leaves out.
            if (-4..6).contains(&exponent) {
                format!("{number:?}")
            } else {
                format!("{digits}e{sign}{:02}", exponent.abs())
            }
        }
        _ => bound.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_other_words() {
        let labels = r#"runner_name="a \"le=\"1\" }b""#;
        let [jobs, lead, kills, status] =
            [&catalog::JOBS, &catalog::LEAD_TIME, &catalog::OOM_KILLS, &catalog::STATUS].map(|m| m.name);
        let page = format!(
            "# HELP {jobs} Jobs, by \"result\".\n# TYPE {jobs} counter\n{jobs}{{{labels},status=\"failed\"}} 3\n\
             # HELP {lead} Lead.\n# TYPE {lead} histogram\n{lead}_bucket{{{labels},le=\"10\"}} 1\n\
             {lead}_bucket{{{labels},le=\"+Inf\"}} 1\n{lead}_sum{{{labels}}} 0.5\n{lead}_count{{{labels}}} 1\n\
             # HELP {kills} Kills.\n# TYPE {kills} counter\n{kills}{{{labels}}} 2\n\
             # HELP {status} Online.\n# TYPE {status} gauge\n{status}{{{labels}}} 1\n"
        );
        let (bare_jobs, bare_kills) = (bare(jobs), bare(kills));
        let want = format!(
            "# HELP {bare_jobs} Jobs, by \\\"result\\\".\n# TYPE {bare_jobs} counter\n\
             {jobs}{{{labels},status=\"failed\"}} 3\n\
             {bare_jobs}_created{{{labels},status=\"failed\"}} 1700000000.250\n\
             # HELP {lead} Lead.\n# TYPE {lead} histogram\n{lead}_bucket{{{labels},le=\"10.0\"}} 1\n\
             {lead}_bucket{{{labels},le=\"+Inf\"}} 1\n{lead}_sum{{{labels}}} 0.5\n{lead}_count{{{labels}}} 1\n\
             {lead}_created{{{labels}}} 1700000000.250\n\
             # HELP {bare_kills} Kills.\n# TYPE {bare_kills} counter\n{kills}{{{labels}}} 2\n\
             # HELP {status} Online.\n# TYPE {status} gauge\n{status}{{{labels}}} 1\n# EOF\n"
        );
        assert_ne!(bare_jobs, jobs);
        assert_eq!(from_text(&page, 1_700_000_000.25, &BTreeSet::new()), want);
        let undated = from_text(&page, 1_700_000_000.25, &[lead, jobs].into());
        assert!(!undated.contains("_created"), "{undated}");
    }

    #[test]
    fn bounds_are_written_as_go_does() {
        let pairs = [
            ("0.1", "0.1"),
            ("0.005", "0.005"),
            ("0.00001", "1e-05"),
            ("10", "10.0"),
            ("14400", "14400.0"),
            ("604800", "604800.0"),
            ("1000000", "1e+06"),
            ("2592000", "2.592e+06"),
            ("2592000.5", "2.5920005e+06"),
            ("+Inf", "+Inf"),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(canonical(ours), theirs);
        }
    }
}
