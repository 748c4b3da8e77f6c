//! What a job used of the container: what it had used at the end, less what it had used at the start.

use std::time::Duration;

/// What the container has used at one moment; `None` where that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// CPU time since it was made.
    pub cpu_time: Option<Duration>,
    /// Most memory since the job began, bytes.
    pub peak_memory: Option<u64>,
    /// Processes that were killed for memory since it was made.
    pub oom_kills: Option<u64>,
}

/// What a job used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time the container used while the job ran.
    pub cpu_time: Option<Duration>,
    /// Most memory the container used while the job ran, bytes.
    pub peak_memory: Option<u64>,
}

impl Usage {
    /// Of a job from its start to its end.
    pub fn between(start: Meter, end: Meter) -> Usage {
        let cpu_time = end.cpu_time.zip(start.cpu_time).and_then(|(end, start)| end.checked_sub(start));
        Usage { cpu_time, peak_memory: end.peak_memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_at_either_end_is_unknown() {
        let at =
            |seconds: Option<u64>| Meter { cpu_time: seconds.map(Duration::from_secs), ..Meter::default() };
        let used = |start, end| Usage::between(at(start), at(end)).cpu_time;
        assert_eq!(used(Some(3), Some(10)), Some(Duration::from_secs(7)));
        for (start, end) in [(None, Some(10)), (Some(3), None), (Some(10), Some(3))] {
            assert_eq!(used(start, end), None, "{start:?} {end:?}");
        }
        let peak = Meter { peak_memory: Some(9), ..Meter::default() };
        assert_eq!(Usage::between(Meter::default(), peak).peak_memory, Some(9), "its meter began with it");
    }
}
