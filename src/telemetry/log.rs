//! One happening is one line on stderr: `ts=… level=… event=… key=value`, or the same as one JSON object.

use crate::config::{LogFormat, LogLevel};
use crate::domain::text::{escape, is_seen, spelt};
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Installs the process-wide log. `writer` gets each line whole, in one write.
pub fn install<W>(format: LogFormat, level: LogLevel, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .event_format(Lines(format))
        .with_writer(writer)
        .finish();
    // Only main installs a log, and only once.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        #[expect(clippy::disallowed_methods, reason = "a log line carries the time at which it is written")]
        let now = chrono::Utc::now();
        let ts = now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let mut line = LogLine { format: self.0, text: String::with_capacity(160) };
        line.field("ts", &ts, true);
        line.field("level", &level, true);
        event.record(&mut line);
        out.write_str(&line.text)?;
        out.write_str(if self.0 == LogFormat::Json { "}\n" } else { "\n" })
    }
}

struct LogLine {
    format: LogFormat,
    text: String,
}

impl LogLine {
    fn field(&mut self, name: &str, value: &str, is_text: bool) {
        match self.format {
            LogFormat::Json => {
                self.text.push(if self.text.is_empty() { '{' } else { ',' });
                self.text.push_str(&json(name));
                self.text.push(':');
                self.text.push_str(&if is_text { json(value) } else { value.to_owned() });
            }
            LogFormat::Logfmt => {
                let gap = if self.text.is_empty() { "" } else { " " };
                // A string's Display cannot fail.
                let _ = write!(self.text, "{gap}{name}=");
                push_logfmt(&mut self.text, value);
            }
        }
    }
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), value, true);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), &value.to_string(), false);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), &value.to_string(), false);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field.name(), &value.to_string(), !value.is_finite());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), &value.to_string(), false);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field.name(), &format!("{value:?}"), true);
    }
}

/// What a terminal would not show is escaped as well, which is the same to a reader of JSON.
fn json(text: &str) -> String {
    spelt(&serde_json::Value::from(text).to_string(), |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// Quotes where a reader of logfmt would stumble; what controls a terminal, hides or turns the text never reaches one.
fn push_logfmt(out: &mut String, value: &str) {
    let plain =
        !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '=' && c != '\\');
    if plain {
        out.push_str(value);
        return;
    }
    out.push('"');
    let mut before = ' ';
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_seen(c, before) => out.push(c),
            c => escape(c, out),
        }
        before = c;
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat) -> String {
        let sink = Sink::default();
        let out = sink.clone();
        let subscriber =
            tracing_subscriber::fmt().event_format(Lines(format)).with_writer(move || out.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(event = "job_started", job = "build \"x\"\n\u{1b}[31m=1", n = 3u64, empty = "");
        });
        let bytes = sink.0.lock().expect("one thread").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn logfmt_is_one_line_whatever_the_values_hold() {
        let line = written(LogFormat::Logfmt);
        assert_eq!(line.lines().count(), 1);
        assert!(
            line.ends_with(
                "level=info event=job_started job=\"build \\\"x\\\"\\n\\u{1b}[31m=1\" n=3 empty=\"\"\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn what_hides_or_turns_the_text_is_escaped_in_either_format() {
        let name = "a\u{202e}txt\u{2066}\u{200b}\u{feff}\u{e0041}\u{85}";
        let mut line = String::new();
        push_logfmt(&mut line, name);
        assert_eq!(line, r#""a\u{202e}txt\u{2066}\u{200b}\u{feff}\u{e0041}\u{85}""#);
        let text = json(name);
        assert!(text.is_ascii(), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).expect("JSON"), name);
        let plain = "d\u{e9}ploiement \u{1f469}\u{200d}\u{1f4bb}";
        assert!(json(plain).contains(plain), "what is seen stays");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = written(LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["job"], "build \"x\"\n\u{1b}[31m=1");
        assert_eq!((&value["event"], &value["n"]), (&"job_started".into(), &3.into()));
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
    }
}
