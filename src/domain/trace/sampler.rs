//! Which traces are told at all. The decision is made of the trace's id alone, so that every runner makes the same of one run.

use super::ids::TraceId;

/// Which rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamplerKind {
    /// All are told.
    AlwaysOn,
    /// None is.
    AlwaysOff,
    /// A share of them is.
    TraceIdRatio,
    /// All are: the span of the run, which is the parent, is told by somebody else, whose decision nobody can know here.
    #[default]
    ParentBasedAlwaysOn,
    /// None is, for the same reason.
    ParentBasedAlwaysOff,
    /// A share of them is.
    ParentBasedTraceIdRatio,
}

/// A rule and its share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceSampler {
    /// Which.
    pub kind: SamplerKind,
    /// From 0 to 1.
    pub ratio: f64,
}

impl TraceSampler {
    /// Whether this trace is told. The share is taken of the lower half of the id, as every SDK does.
    pub fn takes(self, trace: TraceId) -> bool {
        match self.kind {
            SamplerKind::AlwaysOn | SamplerKind::ParentBasedAlwaysOn => true,
            SamplerKind::AlwaysOff | SamplerKind::ParentBasedAlwaysOff => false,
            SamplerKind::TraceIdRatio | SamplerKind::ParentBasedTraceIdRatio => {
                let place = u64::from_be_bytes(std::array::from_fn(|at| trace.0[8 + at])) >> 1;
                self.ratio >= 1.0 || as_share(place) < self.ratio
            }
        }
    }
}

/// Of all that 63 bits can be; the upper 53 of them are enough.
fn as_share(place: u64) -> f64 {
    let upper = u32::try_from(place >> 31).unwrap_or(u32::MAX);
    let lower = u32::try_from(place & 0x7fff_ffff).unwrap_or(u32::MAX);
    (f64::from(upper) + f64::from(lower) / f64::from(1_u32 << 31)) / (f64::from(u32::MAX) + 1.0)
}
