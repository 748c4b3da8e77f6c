//! Tables for people: ours beside the peers', the target, and whether it is met.

use super::Plan;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Everything printed so far, and what was not reached.
pub(crate) struct Report {
    began: Instant,
    missed: Vec<String>,
    left_out: Vec<String>,
}

/// A bound on one of our figures.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64, &'static str),
    AtLeast(f64, &'static str),
}

impl Report {
    pub(crate) fn new(plan: &Plan) -> Report {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        println!("# Benchmarks\n");
        println!("machine: {cores} x {}", model.trim_start_matches([' ', '\t', ':']));
        println!("kernel: {}", read("/proc/sys/kernel/osrelease").trim());
        println!("load average before: {}", read("/proc/loadavg").trim());
        println!("binary: {}", super::size::version(&plan.binary));
        if plan.quick {
            println!("QUICK: small numbers, to see that everything runs; not for comparison");
        }
        Report { began: Instant::now(), missed: Vec::new(), left_out: Vec::new() }
    }

    /// Says what comes next, so that nobody waits in the dark.
    pub(crate) fn topic(&self, title: &str, how: &str) {
        println!("\n## {title}\n\n{how}\n");
        eprintln!("[{:>4} s] {title}", self.began.elapsed().as_secs());
    }

    /// `value` against its target, as a table's last two cells; what is missed is told again at the end.
    pub(crate) fn judge(&mut self, what: &str, value: f64, target: Target) -> [String; 2] {
        let (met, text) = match target {
            Target::AtMost(bound, unit) => (value <= bound, format!("<= {} {unit}", number(bound))),
            Target::AtLeast(bound, unit) => (value >= bound, format!(">= {} {unit}", number(bound))),
        };
        if !met {
            self.missed.push(format!("{what}: {} where the target is {text}", number(value)));
        }
        [text, if met { "yes" } else { "NO" }.to_owned()]
    }

    /// A peer, or a figure, that could not be had.
    pub(crate) fn left_out(&mut self, what: &str) {
        println!("*** LEFT OUT: {what} ***\n");
        self.left_out.push(what.to_owned());
    }

    pub(crate) fn finish(self) {
        println!("\n## Not reached\n");
        for line in self
            .missed
            .iter()
            .chain(&self.left_out.iter().map(|w| format!("left out: {w}")).collect::<Vec<_>>())
        {
            println!("- {line}");
        }
        if self.missed.is_empty() && self.left_out.is_empty() {
            println!("nothing: every target is met, no peer was left out");
        }
        println!("\n{} s", self.began.elapsed().as_secs());
    }
}

/// Prints `rows` under `head` as an aligned Markdown table.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut text = String::from("|");
        for (at, width) in widths.iter().enumerate() {
            let cell = cells.get(at).map_or("", String::as_str);
            // The first column is words, the others are figures.
            let _ =
                if at == 0 { write!(text, " {cell:<width$} |") } else { write!(text, " {cell:>width$} |") };
        }
        text
    };
    println!("{}", line(&head.iter().map(|&h| h.to_owned()).collect::<Vec<_>>()));
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    println!("{}", line(&rules));
    for row in rows {
        println!("{}", line(row));
    }
}

/// Three significant digits, thousands apart.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 99.95 || v == 0.0 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        v if v >= 0.0995 => 3,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && digit.is_ascii_digit() && (whole.len() - at) % 3 == 0 && out != "-" {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
