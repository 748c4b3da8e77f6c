//! What serde writes otherwise: what is read back is the very same.

/// Bounds as text: every `f64` reads back as the very same one.
pub(super) mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::domain::totals) fn serialize<S: Serializer>(
        bounds: &[f64],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(bounds.iter().map(f64::to_string))
    }

    pub(in crate::domain::totals) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// Records as rows of the job log.
pub(super) mod rows {
    use crate::domain::record::{JobRecord, RowReader};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::domain::totals) fn serialize<S: Serializer>(
        records: &[JobRecord],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            records.iter().map(|record| String::from_utf8_lossy(&record.to_csv_row()).into_owned()),
        )
    }

    pub(in crate::domain::totals) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<JobRecord>, D::Error> {
        let mut reader = RowReader::new();
        let read = |row: &String| {
            let mut record = JobRecord::blank();
            reader.read(row.trim_end_matches('\n').as_bytes(), &mut record).map_err(D::Error::custom)?;
            Ok(record)
        };
        Vec::<String>::deserialize(from)?.iter().map(read).collect()
    }
}
