//! What cannot be watched is refused with an error, and nothing stays behind.
//!
//! It counts the open descriptors of the process, so it has a process of its own.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use corrente_io::{Async, Reactor, Trigger};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn reactors() -> Vec<Reactor> {
    vec![
        Reactor::new().unwrap(),
        Reactor::portable(Trigger::Edge).unwrap(),
        Reactor::portable(Trigger::Oneshot).unwrap(),
    ]
}

/// One test, since its parts would count each other's descriptors.
#[test]
fn refusals_leave_nothing_behind() {
    let at_first = open_descriptors();
    regular_files_and_directories();
    reactors_without_descriptors();
    registrations_of_a_borrowed_number();
    assert_eq!(open_descriptors(), at_first);
}

fn regular_files_and_directories() {
    for mut reactor in reactors() {
        let handle = reactor.handle();
        let before = open_descriptors();
        for path in [std::env::current_exe().unwrap(), std::env::temp_dir()] {
            for _ in 0..100 {
                let refused = Async::new(&handle, File::open(&path).unwrap());
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
        }
        assert_eq!((handle.sources(), open_descriptors()), (0, before));
        reactor.turn(Some(std::time::Duration::ZERO), &mut Vec::new()).unwrap();
    }
}

/// `new` fails at whichever descriptor is one too many, and closes those it has.
fn reactors_without_descriptors() {
    let before = open_descriptors();
    let limit = getrlimit(Resource::Nofile);
    let mut succeeded = 0;
    for spare in 0..16 {
        let current = Some(before as u64 + spare);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
        let made =
            [Reactor::new(), Reactor::portable(Trigger::Edge), Reactor::portable(Trigger::Oneshot)]
                .map(|made| made.map(drop));
        setrlimit(Resource::Nofile, limit).unwrap();
        for made in made {
            match made {
                Ok(()) => succeeded += 1,
                Err(error) => assert_eq!(error.raw_os_error(), Some(24), "EMFILE: {error}"),
            }
        }
        assert_eq!(open_descriptors(), before);
    }
    assert!(succeeded > 0, "with enough descriptors it is made");
}

/// A second registration of one descriptor is refused, and the first one goes on.
fn registrations_of_a_borrowed_number() {
    for reactor in reactors() {
        let handle = reactor.handle();
        let before = open_descriptors();
        let (_peer, stream) = UnixStream::pair().unwrap();
        let stream = Arc::new(stream);
        let first = Async::new(&handle, Arc::clone(&stream)).unwrap();
        for _ in 0..100 {
            let refused = Async::new(&handle, Arc::clone(&stream));
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
        }
        assert_eq!((handle.sources(), Arc::strong_count(&stream)), (1, 2));
        drop((first, stream, _peer));
        assert_eq!((handle.sources(), open_descriptors()), (0, before));
    }
}
