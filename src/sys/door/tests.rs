//! Each oddity in each place: refused at once, in words, and whatever it leads to untouched.

use super::dir::DIAG;
use super::*;
use nix::sys::stat::Mode as Bits;
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;

/// A directory with one of each.
fn zoo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("file"), "12345").expect("ours");
    nix::unistd::mkfifo(&path("fifo"), Bits::S_IRWXU).expect("a pipe");
    std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
    std::fs::create_dir(path("dir")).expect("ours");
    std::fs::write(path("dir/file"), "below").expect("ours");
    symlink("file", path("link")).expect("ours");
    symlink("dir", path("way")).expect("ours");
    symlink("/dev/zero", path("zero")).expect("ours");
    symlink("nowhere", path("dangling")).expect("ours");
    File::create(path("sparse")).expect("ours").set_len(1 << 30).expect("a hole");
    dir
}

const ODD: [&str; 7] = ["fifo", "socket", "dir", "link", "way", "zero", "dangling"];

#[test]
fn only_a_regular_file_is_read_and_nothing_waits() {
    let zoo = zoo();
    let path = |name: &str| zoo.path().join(name);
    let (odd, mut told) = mpsc::channel(64);
    let dir = Dir::open(zoo.path()).expect("ours").telling(Odd::to(odd));

    assert_eq!(dir.read("file", 5).expect("all of it"), b"12345");
    assert_eq!(dir.read("dir/file", 5).expect("all of it"), b"below");
    for odd in ODD.into_iter().chain(["sparse", "way/file", "file/file"]) {
        let error = dir.read(odd, 4096).expect_err(odd);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{odd}: {error}");
        let heard = told.try_recv().unwrap_or_else(|_| panic!("{odd} is told"));
        assert_eq!((heard.path.as_str(), heard.oddity.to_string()), (odd, error.to_string()));
    }
    for odd in ODD {
        assert_eq!(append(&path(odd)).expect_err(odd).kind(), io::ErrorKind::InvalidData, "{odd}");
        assert_eq!(open(&path(odd)).expect_err(odd).kind(), io::ErrorKind::InvalidData, "{odd}");
    }
    for device in ["/dev/zero", "/dev/null"] {
        assert_eq!(open(device.as_ref()).expect_err(device).kind(), io::ErrorKind::InvalidData);
    }
    assert!(!path("nowhere").exists(), "what a link leads to is not made");
    append(&path("made")).expect("it is made");
    assert_eq!(dir.read("nothing", 5).expect_err("none").kind(), io::ErrorKind::NotFound);
    assert!(told.try_recv().is_err(), "nothing is not odd");
    assert!(dir.read("file", 4).expect_err("too long").to_string().contains("more than 4 bytes"));
}

#[test]
fn step_by_step_no_link_is_followed_either() {
    let zoo = zoo();
    let dir = Dir::open(zoo.path()).expect("ours");
    steps(dir.as_fd(), "", OFlags::PATH).expect("here");
    steps(dir.as_fd(), "dir", OFlags::RDONLY).expect("a directory");
    for odd in ["way", "link", "file", "zero", "dangling", "fifo"] {
        let error = steps(dir.as_fd(), odd, OFlags::RDONLY).expect_err(odd);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{odd}: {error}");
    }
}

#[test]
fn nothing_is_reached_through_a_link_and_a_directory_stays_what_it_was() {
    let zoo = zoo();
    let dir = Dir::open(zoo.path()).expect("ours");
    assert!(dir.names("way").is_err() && dir.find("way/file").is_err() && dir.remove("way/file").is_err());
    let mut names: Vec<String> = dir.names("dir").expect("readable").collect();
    names.sort();
    assert_eq!(names, [".", "..", "file"]);
    assert!(dir.find("dangling").is_ok(), "the link itself");
    dir.remove("dangling").expect("the link itself");
    assert!(dir.remove("dir").is_err(), "a directory stays");
    // Somebody puts another in its place.
    let moved = zoo.path().with_extension("moved");
    std::fs::rename(zoo.path(), &moved).expect("ours");
    std::fs::create_dir(zoo.path()).expect("ours");
    assert_eq!(dir.read("file", 5).expect("the same as before"), b"12345");
    std::fs::remove_dir_all(moved).expect("ours");
}

#[test]
fn an_operators_link_for_the_diagnostics_is_followed_once() {
    let (zoo, other) = (zoo(), tempfile::tempdir().expect("a directory"));
    std::fs::create_dir(other.path().join("pages")).expect("ours");
    std::fs::write(other.path().join("log"), "theirs").expect("ours");
    symlink(other.path(), zoo.path().join(DIAG)).expect("ours");
    let dir = || Dir::open(zoo.path()).expect("ours");
    assert!(dir().read("_diag/log", 9).is_err(), "nobody has said whose it is");
    assert!(dir().with_linked_diag(Some(nix::unistd::geteuid().as_raw())).read("_diag/log", 9).is_err());
    let operators = dir().with_linked_diag(None);
    assert_eq!(operators.read("_diag/log", 9).expect("followed"), b"theirs");
    assert!(operators.inner("_diag/pages").is_ok() && operators.names("_diag").is_ok());
    let late = dir();
    std::fs::remove_file(zoo.path().join(DIAG)).expect("ours");
    let later = late.with_linked_diag(None);
    symlink(other.path(), zoo.path().join(DIAG)).expect("ours");
    assert!(later.read("_diag/log", 9).is_err(), "a job's");
}

#[test]
fn a_settled_path_is_the_operators_and_a_link_that_comes_later_is_not() {
    let zoo = zoo();
    let work = settled(&zoo.path().join("way/work"));
    assert_eq!(work, zoo.path().canonicalize().expect("there").join("dir/work"));
    assert!(directory(&work).is_err());
    std::fs::create_dir(&work).expect("ours");
    directory(&work).expect("it is there now");
    std::fs::remove_dir(&work).expect("ours");
    symlink(zoo.path(), &work).expect("ours");
    assert!(directory(&work).is_err(), "a job's");
}

#[test]
fn what_is_ours_alone_is_nobody_elses() {
    let zoo = zoo();
    let path = |name: &str| zoo.path().join(name);
    let (odd, mut told) = mpsc::channel(64);
    let read = |name: &str| read_own(&path(name), 64, &Odd::to(odd.clone()));
    assert_eq!(read("file").expect("ours"), b"12345");
    assert!(read("nothing").is_err() && told.try_recv().is_err());
    std::fs::hard_link(path("file"), path("second")).expect("ours");
    for odd in ["file", "fifo", "link", "sparse"] {
        assert!(read(odd).is_err(), "{odd}");
        assert_eq!(told.try_recv().expect("told").path, odd);
    }
}
