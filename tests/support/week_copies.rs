//! A larger fleet than can be written: what is recorded of each runner, and its last samples, once more under other names.
//!
//! The dashboards read the past from what is recorded, so their questions find what a fleet of that size would have left them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes")]

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Longer than an instant question looks back, in milliseconds.
const LAST: i64 = 10 * 60_000;

/// Each runner of these blocks is there so many times.
pub fn copy(data: &Path, copies: usize, end: i64) {
    let path = data.with_extension("txt");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path).expect("a file"));
    let recorded = r#"{runner_name!="",__name__=~"runner:.+"}"#;
    let scraped = r#"{runner_name!="",__name__!~"runner:.+"}"#;
    for (selector, from) in [(recorded, 0), (scraped, end - LAST)] {
        let mut command = Command::new("promtool");
        command.args(["tsdb", "dump", &format!("--match={selector}"), &format!("--min-time={from}")]);
        let mut dump = command.arg(data).stdout(Stdio::piped()).spawn().expect("it starts");
        for line in BufReader::new(dump.stdout.take().expect("piped")).lines() {
            write(&line.expect("UTF-8"), copies, &mut file);
        }
        assert!(dump.wait().expect("ours").success());
    }
    file.write_all(b"# EOF\n").and_then(|()| file.flush()).expect("is written");
    drop(file);
    let mut command = Command::new("promtool");
    command.args(["tsdb", "create-blocks-from", "--max-block-duration=24h", "openmetrics", "--quiet"]);
    let output = command.arg(&path).arg(data).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(path).expect("ours");
}

/// `{__name__="NAME", runner_name="R", …} VALUE MILLISECONDS` of the first becomes a line of `OpenMetrics` of each other.
fn write(line: &str, copies: usize, file: &mut impl Write) {
    let (series, sample) = line.rsplit_once("} ").expect("a sample");
    let (value, at) = sample.split_once(' ').expect("a time");
    let seconds = at.parse::<f64>().expect("a number") / 1000.0;
    let rest = series.strip_prefix("{__name__=\"").expect("a name");
    let (name, labels) = rest.split_once("\", ").expect("labels");
    let labels = labels.replace("\", ", "\",");
    let is_its = |label: &str| label.starts_with("runner_name=") || label.starts_with("instance=");
    let (own, others): (Vec<_>, Vec<_>) = labels.split(',').partition(|label| is_its(label));
    let others = others.join(",");
    for copy in 1..copies {
        let own: Vec<_> =
            own.iter().map(|label| format!("{}~{copy}\",", label.trim_end_matches('"'))).collect();
        writeln!(file, "{name}{{{}{others}}} {value} {seconds:.3}", own.concat()).expect("is written");
    }
}
