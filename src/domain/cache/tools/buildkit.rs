//! `BuildKit` with plain progress: a step of a Dockerfile that was `CACHED` or pulled is a hit, one that ran is a miss, each
//! once per build; `FROM` asks for nothing, and a build that fails counts nothing.
//!
//! Vertices are numbered per build: `#7 [build 2/5] RUN make`, later `#7 CACHED`, `#7 DONE 1.2s` or `#7 ERROR: …`
//! (moby/buildkit `util/progress/progressui/printer.go`). Only those whose bracket ends in `k/n` are steps. In a build that
//! fails, steps that never ran are told as `CACHED`: so a build's counts are held until the next one begins or the step ends.
//! Builds in the background of one step share the numbers: a vertex then has several names and as many ends.

use super::super::{CacheResult, Tally};
use super::Reader;

/// Vertices of a build; what is numbered higher is not counted.
const VERTICES: usize = 1024;
/// Names of one vertex that are told apart, and builds at once.
const NAMES: usize = 4;
const BUILDS: u8 = 16;

/// What the name of a vertex promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Step,
    /// A base, the builder's own doing, or not named yet.
    Other,
    /// Its failure is not the build's: an old cache that is not there, a result that cannot be put where it should.
    Around,
}

#[derive(Clone, Copy, Debug)]
struct Named {
    name: u32,
    kind: Kind,
    ends: u8,
    /// It came from a cache elsewhere, whatever its end says.
    pulled: bool,
}

/// One number, and who bears it.
#[derive(Debug, Default)]
struct Vertex {
    named: Vec<Named>,
    last: usize,
}

/// The builds at hand: one, or several at once.
#[derive(Debug, Default)]
pub(super) struct Buildkit {
    vertices: Vec<Vertex>,
    /// Vertices that have begun and not ended.
    open: usize,
    /// Builds that have begun; whether each was announced, as `buildx` does.
    builds: u8,
    announced: bool,
    failed: bool,
    held: Tally,
}

/// Whether a line's text is more than what a command prints: that begins with its time, and there is much of it.
#[inline]
pub(in super::super) fn may_tell(text: &[u8]) -> bool {
    let Some([b'#', _, second, third, fourth, fifth, _, _]) = text.first_chunk::<8>() else { return true };
    let says = match (second, third, fourth) {
        (b' ', says, _) | (_, b' ', says) => says,
        (_, _, b' ') => fifth,
        (_, _, _) => return true,
    };
    !says.is_ascii_digit()
}

impl Reader for Buildkit {
    fn hear(&mut self, text: &[u8]) -> Tally {
        let Some((number, says)) = numbered(text) else { return Tally::default() };
        if number == 0 {
            let begins = says.starts_with(b"building with ");
            return if begins { self.begins(true) } else { Tally::default() };
        }
        let mut before = Tally::default();
        if says.starts_with(b"[") {
            if number == 1 && self.begins_anew() {
                before = self.begins(false);
            }
            self.name(number, says);
        } else if let Some(end) = End::of(says) {
            self.ends(number, end);
        } else if says.starts_with(b"sha256:") || says.starts_with(b"extracting sha256:") {
            if let Some(named) = self.current(number) {
                named.pulled = true;
            }
        } else if self.vertex(number).named.is_empty() {
            self.name(number, says);
        }
        before
    }

    fn end_step(&mut self) -> Tally {
        let Buildkit { held, failed, .. } = std::mem::take(self);
        if failed { Tally::default() } else { held }
    }
}

/// How a vertex ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cached,
    Done,
    Failed,
}

impl End {
    fn of(says: &[u8]) -> Option<End> {
        match says {
            b"CACHED" => Some(End::Cached),
            b"DONE" => Some(End::Done),
            b"CANCELED" => Some(End::Failed),
            _ if says.starts_with(b"DONE ") => Some(End::Done),
            _ if says.starts_with(b"ERROR: ") => Some(End::Failed),
            _ => None,
        }
    }
}

impl Buildkit {
    /// The first vertex is named: where builds are not announced, after its end that is another build's, if nothing is open.
    fn begins_anew(&mut self) -> bool {
        let had_ended = self.vertex(1).named.iter().any(|named| named.ends > 0);
        self.builds == 0 || !self.announced && had_ended && self.open == 0 && self.held.total() > 0
    }

    /// A build begins. The one before is over if it failed, or if it had steps and nothing is open; else both are at work.
    fn begins(&mut self, announced: bool) -> Tally {
        let is_over = self.failed || self.open == 0 && self.held.total() > 0 || self.builds == 0;
        let told = if is_over { self.end_step() } else { Tally::default() };
        self.builds = (self.builds + 1).min(BUILDS);
        self.announced = announced;
        told
    }

    fn vertex(&mut self, number: usize) -> &mut Vertex {
        if self.vertices.len() <= number {
            self.vertices.resize_with(number + 1, Vertex::default);
        }
        &mut self.vertices[number]
    }

    fn current(&mut self, number: usize) -> Option<&mut Named> {
        let vertex = self.vertices.get_mut(number)?;
        vertex.named.get_mut(vertex.last)
    }

    /// A name is told again whenever the output returns to its vertex, and where several targets share it, with another's
    /// name in it: only builds at once have several vertices of one number.
    fn name(&mut self, number: usize, says: &[u8]) {
        let (name, builds) = (hash(says), self.builds.max(1));
        let vertex = self.vertex(number);
        if let Some(at) = vertex.named.iter().position(|named| named.name == name) {
            vertex.last = at;
        } else if vertex.named.len() < usize::from(builds).min(NAMES) {
            vertex.last = vertex.named.len();
            vertex.named.push(Named { name, kind: kind(says), ends: 0, pulled: false });
            self.open += 1;
        } else if let Some(last) = vertex.named.get_mut(vertex.last).filter(|last| last.kind == Kind::Other) {
            // It has said something before its name.
            last.kind = kind(says);
        }
    }

    fn ends(&mut self, number: usize, end: End) {
        let builds = self.builds.max(1);
        let vertex = self.vertex(number);
        let ended: u8 = vertex.named.iter().map(|named| named.ends).sum();
        let open = vertex.named.iter().position(|named| named.ends == 0);
        let last =
            vertex.named.get_mut(vertex.last).is_some_and(|named| named.ends == 0).then_some(vertex.last);
        // Builds of one file at once give one name to two vertices: it ends as often as there are builds.
        let again = (ended < builds && !vertex.named.is_empty()).then_some(vertex.last);
        let Some(at) = last.or(open).or(again) else {
            self.failed |= end == End::Failed && self.vertex(number).named.is_empty();
            return;
        };
        let named = &mut vertex.named[at];
        named.ends += 1;
        let Named { kind, ends, pulled, .. } = *named;
        self.open -= usize::from(ends == 1);
        match (kind, end) {
            (Kind::Step, End::Cached) => self.held.add(CacheResult::Hit, 1),
            (Kind::Step, End::Done) if pulled => self.held.add(CacheResult::Hit, 1),
            (Kind::Step, End::Done) => self.held.add(CacheResult::Miss, 1),
            (Kind::Step | Kind::Other, End::Failed) => self.failed = true,
            (Kind::Other, End::Cached | End::Done) | (Kind::Around, _) => {}
        }
    }
}

fn numbered(text: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = super::words::number(text.strip_prefix(b"#")?)?;
    let number = usize::try_from(number).ok().filter(|number| *number < VERTICES)?;
    let says = rest.strip_prefix(b" ")?;
    says.first().is_some_and(|first| !first.is_ascii_digit()).then_some((number, says))
}

/// `[2/5] …`, `[build 2/5] …`, `[linux/amd64 build 2/5] …` are steps; what others do stands behind a bracket or bare.
fn kind(name: &[u8]) -> Kind {
    let end = name.strip_prefix(b"[").and_then(|_| memchr::memchr(b']', name));
    let does = end.map_or(name, |end| name[end + 1..].trim_ascii_start());
    if does.starts_with(b"importing cache ") || does.starts_with(b"exporting ") || name.starts_with(b"[auth]")
    {
        return Kind::Around;
    }
    let place = end.and_then(|end| name[1..end].rsplit(|byte| *byte == b' ').next()).unwrap_or_default();
    let mut parts = place.split(|byte| *byte == b'/');
    let is_number =
        |part: Option<&[u8]>| part.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    let is_place = is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none();
    if is_place && !does.starts_with(b"FROM ") { Kind::Step } else { Kind::Other }
}

fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811C_9DC5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
