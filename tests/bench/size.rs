//! How large the binary is.

use super::Plan;
use super::report::{Report, Target, number, table};
use std::path::Path;
use std::process::Command;

/// `--version` and how it is linked.
pub(crate) fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("--version").output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// MiB of a file.
pub(crate) fn size(path: &Path) -> std::io::Result<f64> {
    const MIB: f64 = 1024.0 * 1024.0;
    std::fs::metadata(path).map(|file| file.len() as f64 / MIB)
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    report.topic(
        "Binary size",
        "MiB on disk, as the images have it, without the demo. The peers' files need their libraries, where they are not static.",
    );
    let ours = size(&plan.binary).expect("is there");
    let mut row = vec!["runner-init".to_owned(), number(ours)];
    row.extend(report.judge("binary size", ours, Target::AtMost(4.5, "MiB")));
    let mut rows = vec![row];
    for peer in ["tini", "dumb-init", "catatonit", "prometheus-node-exporter"] {
        match super::ns::program(peer).and_then(|path| size(&path).ok()) {
            Some(size) => rows.push(vec![peer.to_owned(), number(size)]),
            None => report.left_out(&format!("size: there is no {peer}")),
        }
    }
    table(&["", "MiB", "target", "met"], &rows);
}
