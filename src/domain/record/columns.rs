//! The columns of the job log, in their order: what stands in this table is the header, is written, is read, and is tried by
//! every property test of a row. A new column is a line at its end and a field. The log of a collector has some more, which say
//! whose a row is.

use super::{Cell, JobRecord, RowFaultKind};

/// One column: its name, and the fact of a record that it holds.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) of: fn(&JobRecord) -> &dyn Cell,
    pub(super) of_mut: fn(&mut JobRecord) -> &mut dyn Cell,
}

macro_rules! columns {
    ($first:literal => $($first_field:ident).+, $($name:literal => $($field:ident).+,)+;
        $($more:literal => $($more_field:ident).+,)+) => {
        /// The first line of the job log, without its newline.
        pub const HEADER: &str = concat!($first $(, ",", $name)+);

        /// The first line of a collector's job log.
        pub const FLEET_HEADER: &str = concat!($first $(, ",", $name)+ $(, ",", $more)+);

        /// How many columns a runner's own job log has.
        pub(super) const OWN: usize = [$first $(, $name)+].len();

        pub(super) static COLUMNS: [Column; [$first $(, $name)+ $(, $more)+].len()] = [
            columns!(@ $first, $($first_field).+),
            $(columns!(@ $name, $($field).+)),+,
            $(columns!(@ $more, $($more_field).+)),+
        ];

        impl JobRecord {
            /// Reads all cells but the first column's; what a shorter row does not say is unknown.
            pub(super) fn read_behind_first<'a>(
                &mut self,
                mut cells: impl Iterator<Item = &'a [u8]>,
            ) -> Result<(), RowFaultKind> {
                $(self.$($field).+.read($name, cells.next().unwrap_or_default())?;)+
                $(self.$($more_field).+.read($more, cells.next().unwrap_or_default())?;)+
                Ok(())
            }

            /// Becomes what the log would give back of another record, keeping the memory of texts.
            pub(crate) fn set_as_written(&mut self, record: &JobRecord) {
                (self.context.job_key, self.context.tracking_id, self.check_run_id) = (None, None, None);
                self.$($first_field).+.clone_from(&record.$($first_field).+);
                $(self.$($field).+.clone_from(&record.$($field).+);)+
                $(self.$($more_field).+.clone_from(&record.$($more_field).+);)+
                self.$($first_field).+.as_written();
                $(self.$($field).+.as_written();)+
                $(self.$($more_field).+.as_written();)+
            }
        }

        /// Any record of a runner's own log: every column by itself.
        #[cfg(test)]
        pub(crate) fn any_record() -> proptest::strategy::BoxedStrategy<JobRecord> {
            use super::arbitrary::{any_of, blank};
            let record = any_of(blank(), |record| &mut record.$($first_field).+);
            $(let record = any_of(record, |record| &mut record.$($field).+);)+
            record
        }
    };
    (@ $name:literal, $($field:ident).+) => {
        Column {
            name: $name,
            of: |record| &record.$($field).+,
            of_mut: |record| &mut record.$($field).+,
        }
    };
}

columns! {
    "timestamp" => timestamp,
    "job_id" => job_id,
    "status" => status,
    "duration_seconds" => duration,
    "queue_time_seconds" => queue_time,
    "job_name" => job_name,
    "workflow" => context.workflow,
    "repository" => context.repository,
    "run_id" => context.run_id,
    "run_attempt" => context.run_attempt,
    "event" => context.event,
    "ref" => context.git_ref,
    "sha" => context.sha,
    "started_at" => started_at,
    "lead_time_seconds" => lead_time,
    "deployment" => deployment,
    "cause" => cause,
    "conclusion" => conclusion,
    "run_number" => context.run_number,
    "actor" => context.actor,
    "committed_at" => context.commit_at,
    "cpu_seconds" => usage.cpu_time,
    "peak_memory_bytes" => usage.peak_memory,
    ;
    "runner_name" => origin.runner_name,
    "runner_type" => origin.runner_type,
    "amendment" => origin.amendment,
}
