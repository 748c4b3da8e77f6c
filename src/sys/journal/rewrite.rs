//! A rewrite keeps every row and throws nothing away: what is no row is on disk beside the log before it leaves the log.

use super::files::{self, Paths};
use super::scan::{Classifier, JournalLine, Piece, read_pieces};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes the header and every row from byte `from` on to a new file beside the log, synced; foreign lines are kept
/// aside. The log itself is not touched.
pub(super) fn prepare(header: &str, paths: &Paths, log: &File, from: u64) -> io::Result<File> {
    let new = files::create_like(&paths.log_new, &paths.log)?;
    let mut out = BufWriter::new(&new);
    let mut aside = Quarantine::new(&paths.foreign);
    let mut classifier = Classifier::new(header);
    writeln!(out, "{header}")?;
    let copied = read_pieces(log, from, |piece, start, _| match piece {
        Piece::Line(line) => match classifier.classify(line, start == 0) {
            JournalLine::Header(_) | JournalLine::Blank => Ok(()),
            JournalLine::Row(_) => out.write_all(&classifier.record.to_csv_row()),
            JournalLine::Foreign(_) => aside.put(line).and_then(|()| aside.put(b"\n")),
        },
        Piece::Long(bytes) | Piece::LongEnd(bytes) => aside.put(bytes),
        Piece::Torn(bytes) => aside.put(bytes).and_then(|()| aside.put(b"\n")),
    });
    aside.finish(copied, &paths.dir)?;
    out.flush()?;
    drop(out);
    files::sync(&new)?;
    Ok(new)
}

/// Copies the log from byte `from` on aside, and ends the line there.
pub(super) fn keep_aside(paths: &Paths, mut log: &File, from: u64) -> io::Result<()> {
    let mut aside = Quarantine::new(&paths.foreign);
    log.seek(SeekFrom::Start(from))?;
    let copied = io::copy(&mut log, &mut aside).and_then(|_| aside.put(b"\n"));
    aside.finish(copied, &paths.dir)
}

/// The file of foreign lines, opened when the first comes. A failure leaves it as it was.
struct Quarantine<'a> {
    path: &'a Path,
    open: Option<(BufWriter<File>, u64)>,
}

impl Quarantine<'_> {
    fn new(path: &Path) -> Quarantine<'_> {
        Quarantine { path, open: None }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn finish(self, copied: io::Result<()>, dir: &Path) -> io::Result<()> {
        let Some((mut out, len)) = self.open else { return copied };
        let kept = copied.and_then(|()| out.flush()).and_then(|()| files::sync(out.get_ref()));
        // What is still buffered after a failure must not be written by the drop.
        let (file, _) = out.into_parts();
        if kept.is_err() {
            // If this fails too the lines stand there twice, later: harmless.
            let _ = files::truncate(&file, len);
        }
        kept.and_then(|()| files::sync_dir(dir))
    }
}

impl Write for Quarantine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (out, _) = match &mut self.open {
            Some(open) => open,
            closed @ None => {
                let file = files::open_append(self.path)?;
                let len = file.metadata()?.len();
                closed.insert((BufWriter::new(file), len))
            }
        };
        out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |(out, _)| out.flush())
    }
}
