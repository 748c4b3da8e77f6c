//! The catalogue as a document: what it says of a metric is what the registry says.

use super::catalog::{ALL, Example, Metric, MetricLabel};
use std::fmt::Write as _;

/// `docs/PROMETHEUS_METRICS_REFERENCE.md`, whole.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Metrics reference\n\nRendered by `runner-init metrics`; do not edit.\n\n\
         Every series also carries `runner_name` and `runner_type`. What is unknown is absent, never 0; every counter with\n\
         known label values starts at 0. `process_*` describes the supervisor's own process.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        // A string's Display cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            labels(metric),
            // Plain text: no underscore of it begins emphasis.
            metric.help.replace(" _", " \\_")
        );
    }
    out.push_str(
        "\n## Questions\n\nThe same in PromQL, over a fleet; select runners by `runner_type`, `runner_name` or the labels your scrape adds.\n\
         Windows are examples: no shorter than four scrape intervals. Delivery is explained in [DORA.md](DORA.md).\n",
    );
    for metric in ALL {
        let _ = write!(out, "\n### `{}`\n", metric.name);
        for Example { asks, promql } in metric.examples {
            let _ = write!(out, "\n{asks}:\n\n```promql\n{promql}\n```\n");
        }
    }
    out
}

fn labels(metric: &Metric) -> String {
    let label = |label: &MetricLabel| match label.values {
        [] => format!("`{}`", label.name),
        values => format!("`{}` = {}", label.name, values.join(", ")),
    };
    metric.labels.iter().map(label).collect::<Vec<_>>().join("; ")
}
