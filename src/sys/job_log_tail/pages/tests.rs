//! Which of the pages is the job's, however late one hears of them.

use super::*;

/// A directory of pages, by the numbers of their records.
struct Place(tempfile::TempDir, LogPages);

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join(PAGES)).expect("ours");
        let runner = Dir::open(dir.path()).expect("ours");
        Place(dir, LogPages::new(runner, mpsc::channel(1).0, Arc::default()))
    }

    fn name(record: u32) -> String {
        let guid = |number: u32| format!("0f8fad5b-d9cb-469f-a165-{number:012}");
        format!("{}_{}_1.log", guid(0), guid(record))
    }

    fn make(&mut self, record: u32, is_heard: bool) {
        std::fs::write(self.0.path().join(PAGES).join(Place::name(record)), "").expect("ours");
        if is_heard {
            self.1.created(&Place::name(record)).expect("it is heard");
        }
    }

    fn close(&mut self, record: u32) {
        self.1.closed(&Place::name(record)).expect("it is heard");
    }

    fn delete(&mut self, record: u32) {
        std::fs::remove_file(self.0.path().join(PAGES).join(Place::name(record))).expect("ours");
        self.1.deleted(&Place::name(record)).expect("it is heard");
    }

    /// Whether that one is the job's.
    fn follows(&self, record: u32) -> bool {
        self.1.job.as_ref().is_some_and(|job| Place::name(record).starts_with(&job.page.stem))
    }
}

#[test]
fn a_page_whose_closing_was_not_heard_holds_nobody_up() {
    let mut place = Place::new();
    // The directory comes late: one of the two was closed by then, and is taken for the job's.
    for record in [1, 2] {
        place.make(record, false);
    }
    place.1.look().expect("it is heard");
    place.close(2);
    for record in [3, 4] {
        place.make(record, true);
    }
    place.delete(2);
    assert!(place.follows(1));
    place.delete(1);
    place.close(3);
    assert!(place.follows(4), "the next job's");
}

#[test]
fn of_two_the_one_that_is_deleted_first_is_a_step_s() {
    let mut place = Place::new();
    for record in [1, 2] {
        place.make(record, true);
    }
    place.delete(2);
    assert!(place.follows(1));
    place.close(1);
    place.delete(1);
    assert!(place.1.job.is_none() && place.1.candidates.is_empty());
}

#[test]
fn only_the_worker_s_names_are_pages() {
    let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let stem = format!("{guid}_{guid}");
    assert_eq!(parts(&format!("{stem}_12.log")), Some((stem.as_str(), 12)));
    for bad in [
        "",
        "_1.log",
        &format!("{stem}.log"),
        &format!("{stem}_1.txt"),
        &format!("{stem}_x.log"),
        &format!("{guid}_1.log"),
    ] {
        assert_eq!(parts(bad), None, "{bad}");
    }
}
