//! One fact as a cell of its column: empty is unknown, and what cannot be read is a fault, never a guess.

use super::fields::{
    boolean, bytes, duration, duration_as_written, duration_text, inert, instant, instant_as_written,
    instant_text, status, text, text_as_written,
};
use super::{RowFaultKind, RowStatus};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// What a column can hold.
pub(super) trait Cell {
    /// What is written, once it is [`Cell::as_written`].
    fn write(&self) -> Cow<'_, str>;

    /// Reads a cell of this column, keeping the memory of a text.
    fn read(&mut self, column: &'static str, cell: &[u8]) -> Result<(), RowFaultKind>;

    /// As the log will give it back.
    fn as_written(&mut self);

    /// As JSON has it, once it is [`Cell::as_written`]; `None` is unknown.
    fn json(&self) -> Option<Value> {
        let text = self.write();
        if text.is_empty() { None } else { Some(Value::String(text.into_owned())) }
    }
}

/// An empty cell is unknown.
fn known<T>(
    cell: &[u8],
    read: fn(&[u8]) -> Option<T>,
    fault: RowFaultKind,
) -> Result<Option<T>, RowFaultKind> {
    if cell.is_empty() { Ok(None) } else { read(cell).map(Some).ok_or(fault) }
}

impl Cell for DateTime<Utc> {
    fn write(&self) -> Cow<'_, str> {
        instant_text(*self).into()
    }

    fn read(&mut self, column: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        *self = instant(cell).ok_or(RowFaultKind::Time(column))?;
        Ok(())
    }

    fn as_written(&mut self) {
        *self = instant_as_written(*self);
    }
}

impl Cell for Option<DateTime<Utc>> {
    fn write(&self) -> Cow<'_, str> {
        self.map(instant_text).unwrap_or_default().into()
    }

    fn read(&mut self, column: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        *self = known(cell, instant, RowFaultKind::Time(column))?;
        Ok(())
    }

    fn as_written(&mut self) {
        *self = self.map(instant_as_written);
    }
}

impl Cell for Option<Duration> {
    fn write(&self) -> Cow<'_, str> {
        duration_text(*self).into()
    }

    fn read(&mut self, column: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        *self = known(cell, duration, RowFaultKind::Duration(column))?;
        Ok(())
    }

    fn as_written(&mut self) {
        *self = duration_as_written(*self);
    }

    fn json(&self) -> Option<Value> {
        // Milliseconds are exact enough in an f64 to be printed as they are.
        self.map(|duration| Value::from((duration.as_secs_f64() * 1000.0).round() / 1000.0))
    }
}

impl Cell for Option<u64> {
    fn write(&self) -> Cow<'_, str> {
        self.map(|bytes| bytes.to_string()).unwrap_or_default().into()
    }

    fn read(&mut self, column: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        *self = known(cell, bytes, RowFaultKind::Bytes(column))?;
        Ok(())
    }

    fn as_written(&mut self) {}

    fn json(&self) -> Option<Value> {
        self.map(Value::from)
    }
}

impl Cell for Option<bool> {
    fn write(&self) -> Cow<'_, str> {
        match self {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        }
        .into()
    }

    fn read(&mut self, column: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        *self = known(cell, boolean, RowFaultKind::Boolean(column))?;
        Ok(())
    }

    fn as_written(&mut self) {}

    fn json(&self) -> Option<Value> {
        self.map(Value::from)
    }
}

impl Cell for RowStatus {
    fn write(&self) -> Cow<'_, str> {
        match self {
            RowStatus::Running => "running",
            RowStatus::Finished(status) => status.as_str(),
        }
        .into()
    }

    fn read(&mut self, _: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        *self = status(cell).ok_or(RowFaultKind::Status)?;
        Ok(())
    }

    fn as_written(&mut self) {}
}

impl Cell for String {
    fn write(&self) -> Cow<'_, str> {
        inert(self)
    }

    fn read(&mut self, _: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        let read = text(cell).ok_or(RowFaultKind::Text)?;
        self.clear();
        self.push_str(read);
        Ok(())
    }

    fn as_written(&mut self) {
        if let Cow::Owned(written) = text_as_written(self) {
            *self = written;
        }
    }

    /// Nobody takes a text in JSON for a formula.
    fn json(&self) -> Option<Value> {
        if self.is_empty() { None } else { Some(Value::from(self.as_str())) }
    }
}

impl Cell for Option<String> {
    fn write(&self) -> Cow<'_, str> {
        self.as_deref().map(inert).unwrap_or_default()
    }

    fn read(&mut self, _: &'static str, cell: &[u8]) -> Result<(), RowFaultKind> {
        match text(cell).ok_or(RowFaultKind::Text)? {
            "" => *self = None,
            read => {
                let text = self.get_or_insert_default();
                text.clear();
                text.push_str(read);
            }
        }
        Ok(())
    }

    fn as_written(&mut self) {
        self.iter_mut().for_each(Cell::as_written);
        if self.as_deref() == Some("") {
            *self = None;
        }
    }

    fn json(&self) -> Option<Value> {
        self.as_deref().map(Value::from)
    }
}
