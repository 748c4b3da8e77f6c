//! The steps of a job as a waterfall: a table whose last column is drawn, so that who sees no picture misses nothing.

use super::sanitize::{NAME, unknown, untrusted};
use crate::domain::in_words::span;
use crate::domain::steps::{JobSteps, Step, StepResult};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use std::cmp::Reverse;
use std::time::Duration;

/// Units across, and the least that can be seen.
const WIDTH: i64 = 1000;
const LEAST: i64 = 4;

/// From the first step's start to the last one's end.
#[derive(Clone, Copy)]
struct Scale {
    from: DateTime<Utc>,
    millis: i64,
}

impl Scale {
    fn of(steps: &[Step]) -> Option<Scale> {
        let from = steps.iter().map(|step| step.started).min()?;
        let until = steps.iter().map(|step| step.ended).max()?;
        Some(Scale { from, millis: (until - from).num_milliseconds().max(1) })
    }

    /// Where it begins and how wide it is.
    fn place(self, step: &Step) -> (i64, i64) {
        let at = |time: DateTime<Utc>| (time - self.from).num_milliseconds() * WIDTH / self.millis;
        let begins = at(step.started).min(WIDTH - LEAST);
        (begins, (at(step.ended) - begins).max(LEAST))
    }

    /// How long after the first it began.
    fn after(self, step: &Step) -> Duration {
        (step.started - self.from).to_std().unwrap_or_default()
    }
}

/// Up to `most` of the steps, the longest, in their order, with so much of their names; nothing if none is known.
pub(super) fn timeline(known: &JobSteps, most: usize, name: usize) -> Markup {
    let Some(scale) = Scale::of(&known.steps) else { return html! {} };
    let mut shown: Vec<&Step> = known.steps.iter().collect();
    shown.sort_by_key(|step| Reverse(step.duration()));
    shown.truncate(most);
    shown.sort_by_key(|step| step.number);
    let hidden = known.steps.len() - shown.len() + known.more as usize;
    html! {
        table.timeline {
            caption {
                "From the first step's start to the last one's end: "
                (span(Duration::from_millis(scale.millis.unsigned_abs()))) "."
                @if hidden > 0 { " " (hidden) (if hidden == 1 { " shorter step is" } else { " shorter steps are" }) " not shown." }
            }
            thead { tr { @for name in ["Result", "Step", "Began after", "Took", "Timeline"] { th scope="col" { (name) } } } }
            tbody { @for step in shown { (row(step, scale, name)) } }
        }
    }
}

fn row(step: &Step, scale: Scale, name: usize) -> Markup {
    let (begins, width) = scale.place(step);
    let result = step.result.map_or("unknown", StepResult::as_str);
    let after = span(scale.after(step));
    let took = span(step.duration());
    html! {
        tr {
            td { @match step.result { Some(result) => (mark(result)), None => (unknown()) } }
            th scope="row" { (untrusted(&step.name, name)) }
            td { (after) }
            td { (took) }
            td {
                svg.waterfall viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none" role="img" {
                    title { "From " (after) " on, for " (took) }
                    rect.(result) x=(begins) y="1" width=(width) height="8" {}
                }
            }
        }
    }
}

fn mark(result: StepResult) -> Markup {
    let icon = match result {
        StepResult::Success => "✓",
        StepResult::Failure => "✗",
        StepResult::Cancelled => "⊘",
        StepResult::Skipped => "»",
    };
    html! { span.mark.(result.as_str()) aria-hidden="true" { (icon) } " " (result.as_str()) }
}

/// The name of the longest, and how long it took; `None` if none is known.
pub(super) fn longest(known: &JobSteps) -> Option<Markup> {
    let step = known.steps.iter().max_by_key(|step| step.duration())?;
    Some(html! { (untrusted(&step.name, NAME)) ", " (span(step.duration())) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::steps::StepKind;
    use chrono::TimeDelta;

    fn step(number: u32, name: &str, from: i64, to: i64, result: Option<StepResult>) -> Step {
        let at = |millis| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        Step { number, name: name.to_owned(), kind: StepKind::Main, result, started: at(from), ended: at(to) }
    }

    fn drawn(steps: Vec<Step>, most: usize) -> String {
        timeline(&JobSteps { steps, more: 0 }, most, NAME).into_string()
    }

    #[test]
    fn a_step_stands_where_it_was_and_is_as_long_as_it_took() {
        let done = Some(StepResult::Success);
        let text = drawn(
            vec![
                step(1, "Set up job", 0, 2000, done),
                step(2, "Build", 2000, 8000, Some(StepResult::Failure)),
                step(3, "Skipped", 8000, 8000, Some(StepResult::Skipped)),
                step(9, "Cut off", 7999, 8000, None),
            ],
            9,
        );
        for known in [
            "first step's start to the last one's end: 8.0 s.",
            "<rect class=\"success\" x=\"0\" y=\"1\" width=\"250\"",
            "<rect class=\"failure\" x=\"250\" y=\"1\" width=\"750\"",
            "<rect class=\"skipped\" x=\"996\" y=\"1\" width=\"4\"",
            "<rect class=\"unknown\" x=\"996\" y=\"1\" width=\"4\"",
            "<title>From 2.0 s on, for 6.0 s</title>",
            "<td><span class=\"unknown\">–</span></td><th scope=\"row\"><bdi>Cut off</bdi></th>",
        ] {
            assert!(text.contains(known), "{known}: {text}");
        }
    }

    #[test]
    fn of_many_the_longest_are_shown_in_their_order_and_the_others_counted() {
        let steps = || (1..=9).map(|n| step(n, &format!("s{n}"), 0, i64::from(n % 5) * 1000, None)).collect();
        let text = drawn(steps(), 3);
        let at = |name: &str| text.find(&format!("<bdi>{name}</bdi>"));
        assert!(at("s3") < at("s4") && at("s4") < at("s9") && at("s3").is_some(), "{text}");
        assert!(text.contains(" 6 shorter steps are not shown.") && text.matches("<rect").count() == 3);
        assert_eq!(drawn(Vec::new(), 3), "", "nothing is known");
        let one = JobSteps { steps: steps(), more: 1 };
        assert!(timeline(&one, 9, NAME).into_string().contains(" 1 shorter step is not shown."));
        assert!(longest(&one).is_some_and(|text| text.into_string() == "<bdi>s9</bdi>, 4.0 s"));
    }

    #[test]
    fn a_name_is_text() {
        let text = drawn(vec![step(1, "</svg><script>\u{202e}", 0, 0, None)], 1);
        assert!(!text.contains("<script") && !text.contains('\u{202e}'), "{text}");
    }
}
