//! The catalogue as a document: what it says of a metric is what the registry says.

use super::catalog::{self, ALL, COLLECT, Example, JOB_EVENTS, Metric, MetricLabel, OTLP, SHARED};
use std::fmt::Write as _;

/// `docs/PROMETHEUS_METRICS_REFERENCE.md`, whole.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Metrics reference\n\nRendered by `runner-init metrics`; do not edit.\n\n\
         Every series also carries `runner_name` and `runner_type`. What is unknown is absent, never 0. A counter with known label\n\
         values starts at 0 with the process; a series of a family called *late* begins with its first happening, at 0 on one page, so\n\
         that an idle runner has few series and `increase()` sees the first. `process_*` describes the supervisor's own process.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    rows(&mut out, ALL);
    rows(&mut out, OTLP);
    out.push_str("\nA runner has these as well if `JOB_EVENTS_URL` is set:\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    rows(&mut out, JOB_EVENTS);
    out.push_str(
        "\nA collector (`runner-init collect`) has no `runner_name`; the labels that `COLLECT_LABELS` chooses of `runner_type`, `repository` and \
         `workflow` stand on\nthe families of jobs that it has of the above:\n\n",
    );
    for metric in SHARED {
        let _ = writeln!(out, "- `{}`", metric.name);
    }
    out.push_str(
        "\nThese are of the collector itself:\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    rows(&mut out, COLLECT);
    out.push_str(
        "\n## Questions\n\nThe same in PromQL, over a fleet; select runners by `runner_type`, `runner_name` or the labels your scrape adds.\n\
         Windows are examples: no shorter than four scrape intervals. Delivery is explained in [DORA.md](DORA.md).\n",
    );
    for metric in ALL.iter().chain(OTLP).chain(JOB_EVENTS).chain(COLLECT) {
        let _ = write!(out, "\n### `{}`\n", metric.name);
        for Example { asks, promql } in metric.examples {
            let _ = write!(out, "\n{asks}:\n\n```promql\n{promql}\n```\n");
        }
    }
    out
}

fn rows(out: &mut String, metrics: &[&Metric]) {
    for metric in metrics {
        // A string's Display cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            labels(metric),
            // Plain text: no underscore of it begins emphasis.
            metric.help.replace(" _", " \\_") + if catalog::is_late(metric.name) { " *Late.*" } else { "" }
        );
    }
}

fn labels(metric: &Metric) -> String {
    let label = |label: &MetricLabel| match label.values {
        [] => format!("`{}`", label.name),
        values => format!("`{}` = {}", label.name, values.join(", ")),
    };
    metric.labels.iter().map(label).collect::<Vec<_>>().join("; ")
}
