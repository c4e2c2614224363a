//! A descriptor that the system watches: added when it is made, deleted before it is dropped.
//!
//! The only unsafe code of the crate is here. What always holds: while a `Registration` exists, the system
//! watches the descriptor of its `io` under the key of its `source`, and the table knows that source; `io`
//! leaves a `Registration` only after the system has forgotten the descriptor.
use std::fmt;
use std::io;
use std::sync::Arc;

use polling::PollMode;
#[cfg(windows)]
use rustix::fd::AsFd;
use rustix::fd::{AsRawFd, BorrowedFd};

use crate::reactor::Shared;
use crate::readiness::Doubt;
use crate::source::{Direction, Interest, Source};
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sys::epoll;
use crate::sys::{AsDescriptor, Mode};
use crate::table::Table;

/// An owner of one descriptor that stays the same.
///
/// It is implemented for the sockets, pipes and files of `std`, for `OwnedFd`, and for an `Arc` or `Box` of
/// any of them. On Windows it is `AsSocket` and sockets in place of `AsFd` and descriptors.
///
/// # Safety
///
/// From the first call of `as_fd` on, until the value is dropped or changed through a mutable reference,
/// `as_fd` must give the same descriptor, and it must stay open; also if the value is moved, and also if it
/// is forgotten and never dropped. So a type that *borrows* a descriptor must not implement this.
pub unsafe trait StableSource: AsDescriptor {}

macro_rules! owners_of_one_descriptor {
    ($($(#[$attribute:meta])* $type:ty,)*) => {$(
        $(#[$attribute])*
        // SAFETY: it owns one descriptor, gives that out by `as_fd`, has no method that changes or closes
        // it, and closes it when it is dropped and not before.
        unsafe impl StableSource for $type {}
    )*};
}

owners_of_one_descriptor! {
    std::net::TcpListener,
    std::net::TcpStream,
    std::net::UdpSocket,
    rustix::fd::OwnedFd,
    #[cfg(unix)] std::os::unix::net::UnixListener,
    #[cfg(unix)] std::os::unix::net::UnixStream,
    #[cfg(unix)] std::os::unix::net::UnixDatagram,
    #[cfg(unix)] std::process::ChildStdin,
    #[cfg(unix)] std::process::ChildStdout,
    #[cfg(unix)] std::process::ChildStderr,
    #[cfg(unix)] std::fs::File,
}

// SAFETY: it gives out the descriptor of the `T` in it, which is stable by its own promise and is not
// dropped before the last `Arc` is; a forgotten `Arc` keeps it for ever.
unsafe impl<T: StableSource> StableSource for Arc<T> {}

// SAFETY: it gives out the descriptor of the `T` in it, which is stable by its own promise and is dropped
// with the `Box`.
unsafe impl<T: StableSource> StableSource for Box<T> {}

/// A watched descriptor.
pub(crate) struct Registration<T: StableSource> {
    /// `None` only when `into_inner` has taken it.
    io: Option<T>,
    source: Arc<Source>,
    shared: Arc<Shared>,
}

impl<T: StableSource> Registration<T> {
    /// Has `io` watched.
    ///
    /// # Errors
    ///
    /// When the driver has failed, or the system refuses (`EPERM` for regular files, `EEXIST` for a
    /// descriptor that is registered already, `ENOSPC` at the limit of watches). Nothing stays behind then;
    /// `io` is dropped.
    pub(crate) fn new(shared: &Arc<Shared>, io: T) -> io::Result<Self> {
        let source = shared.insert(io.as_fd().as_raw_fd())?;
        if let Err(error) = add(shared, &io, source.key()) {
            shared.remove(source.key());
            return Err(error);
        }
        Ok(Self { io: Some(io), source, shared: Arc::clone(shared) })
    }

    /// The owner of the descriptor.
    pub(crate) fn io(&self) -> &T {
        self.io.as_ref().expect("only into_inner, which consumes the registration, takes it out")
    }

    /// What is known about the descriptor, and who waits.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The error of a wait that has failed.
    pub(crate) fn failure(&self) -> io::Error {
        self.shared.failure()
    }

    /// The source's reading is in `doubt`, and its owner would wait for an event: true if the doubt ends in any case.
    pub(crate) fn enlist(&self, doubt: Doubt) -> bool {
        self.shared.doubts.enlist(&self.source, doubt)
    }

    /// Sees to it that the system reports `direction`; for a waiter that is in the list already.
    pub(crate) fn arm(&self, direction: Direction) -> io::Result<()> {
        let (poller, mode, key) = (&self.shared.poller, self.shared.mode, self.source.key());
        self.source.arm(direction, |interest| match mode {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Mode::Epoll => epoll::arm(poller, self.io().as_fd(), key, interest),
            Mode::Edge => Ok(()),
            Mode::Oneshot => poller.modify(self.io().as_fd(), to_polling(key, interest)),
        })
    }

    /// Has the system report nothing until somebody waits; for a reader that needs no events.
    #[cold]
    pub(crate) fn disarm_read(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.shared.mode == Mode::Epoll {
            let (poller, key) = (&self.shared.poller, self.source.key());
            self.source.disarm_read(|rest| epoll::arm(poller, self.io().as_fd(), key, rest));
        }
    }

    /// Ends the registration and gives the descriptor back, open.
    pub(crate) fn into_inner(mut self) -> T {
        self.delete();
        self.io.take().expect("only into_inner, which consumes the registration, takes it out")
    }

    /// Makes the system forget the descriptor, then the table.
    fn delete(&mut self) {
        // It fails only if the descriptor was closed behind our back. Then nothing is watched under its
        // number any more, or, if it has a duplicate, events go on under a key that finds no source.
        let _ = self.shared.poller.delete(self.io().as_fd());
        self.shared.remove(self.source.key());
    }
}

/// Adds the descriptor of `io` to the poller under `key`, armed as the mode wants it at first.
fn add<T: StableSource>(shared: &Shared, io: &T, key: usize) -> io::Result<()> {
    let Shared { poller, mode, .. } = shared;
    let armed = mode.watch().armed;
    let fd = io.as_fd();
    let trigger = match mode {
        // One call, with the end of the stream, which polling cannot ask for. (epoll forgets a descriptor that is
        // closed, so this needs no promise.)
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Mode::Epoll => return epoll::add(poller, fd, key, armed),
        Mode::Edge => PollMode::Edge,
        Mode::Oneshot => PollMode::Oneshot,
    };
    // SAFETY: the source must be deleted before it is dropped. `new`, the only caller, puts `io` into a
    // `Registration` when this succeeds. That gives `io` out by reference only, and deletes the descriptor
    // before `io` leaves it, in `into_inner`, or is dropped, in `drop`. If the `Registration` is forgotten,
    // `io` is never dropped. By the promise of `StableSource` the descriptor is the same one all that time
    // and stays open.
    unsafe { poller.add_with_mode(fd.as_raw_fd(), to_polling(key, armed), trigger) }
}

/// The descriptor of a source that is in the table.
pub(crate) fn descriptor<'a>(table: &'a Table, source: &Source) -> BorrowedFd<'a> {
    let number = table.descriptor(source.key()).expect("the table is borrowed since it was found");
    // SAFETY: the descriptor must be open as long as it is borrowed. `new` puts the number of the descriptor of its
    // `io` into the table, and by the promise of `StableSource` that stays open until `io` is dropped or given back.
    // Before it does either, `delete` takes the source out of the table, for which it needs the table's lock: not while
    // the table is borrowed.
    unsafe { BorrowedFd::borrow_raw(number) }
}

fn to_polling(key: usize, interest: Interest) -> polling::Event {
    polling::Event::new(key, interest.read, interest.write)
}

impl<T: StableSource> Drop for Registration<T> {
    fn drop(&mut self) {
        if self.io.is_some() {
            self.delete();
        }
    }
}

impl<T: StableSource + fmt::Debug> fmt::Debug for Registration<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("io", &self.io).field("source", &self.source).finish()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::mem::ManuallyDrop;
    use std::os::fd::{FromRawFd, OwnedFd, RawFd};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{Async, Reactor, ReactorHandle, Trigger};

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// A watched stream, its peer, and what must happen to who waits for it.
    struct Connection {
        stream: Async<UnixStream>,
        peer: UnixStream,
        flag: Arc<Flag>,
        waits: bool,
        due: bool,
    }

    impl Connection {
        fn new(reactor: &ReactorHandle) -> Self {
            let (peer, stream) = UnixStream::pair().unwrap();
            Self::with(reactor, peer, stream)
        }

        fn with(reactor: &ReactorHandle, peer: UnixStream, stream: UnixStream) -> Self {
            let stream = Async::new(reactor, stream).unwrap();
            Self { stream, peer, flag: Arc::default(), waits: false, due: false }
        }

        fn number(&self) -> RawFd {
            self.stream.get_ref().as_raw_fd()
        }

        /// Reads all there is and waits for more.
        fn wait(&mut self) {
            let waker = Waker::from(Arc::clone(&self.flag));
            let mut cx = Context::from_waker(&waker);
            while self.due || !self.waits {
                let read = |mut stream: &UnixStream| stream.read(&mut [0; 64]);
                self.due &= self.stream.try_read_with(read).is_err();
                self.waits = self.stream.poll_read_with(&mut cx, read).is_pending();
            }
        }

        fn send(&mut self) {
            self.peer.write_all(b"x").unwrap();
            self.due = true;
        }

        fn check_woken(&mut self) {
            let woken = self.flag.0.swap(false, Ordering::SeqCst);
            assert_eq!(woken, self.waits && self.due);
            self.waits &= !woken;
        }

        /// Closes the descriptor by its number, as a faulty library would, while a duplicate lives on: the
        /// system still watches it, and nobody can name it to end that. Gives the duplicate and the peer.
        fn close_behind_its_back(self) -> (UnixStream, UnixStream) {
            let duplicate = self.stream.get_ref().try_clone().unwrap();
            // SAFETY: the number is open, since `self.stream` owns it; `ManuallyDrop` keeps this second
            // owner from closing it.
            let name = unsafe { OwnedFd::from_raw_fd(self.number()) };
            let mut name = ManuallyDrop::new(name);
            // The number now names another file, which is not watched and is closed with the stream.
            rustix::io::dup2(File::open("/dev/null").unwrap(), &mut name).unwrap();
            drop(self.stream);
            (duplicate, self.peer)
        }
    }

    fn turn(reactor: &mut Reactor) {
        let mut woken = Vec::new();
        reactor.turn(Some(Duration::ZERO), &mut woken).unwrap();
        woken.into_iter().for_each(Waker::wake);
    }

    fn reactors() -> [Reactor; 3] {
        [Trigger::Edge, Trigger::Oneshot]
            .map(|trigger| Reactor::portable(trigger).unwrap())
            .into_iter()
            .chain([Reactor::new().unwrap()])
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    fn an_event_of_a_closed_number_does_not_reach_its_next_owner() {
        for mut reactor in reactors() {
            let handle = reactor.handle();
            let mut old = Connection::new(&handle);
            let number = old.number();
            old.wait();
            let (peer, stream) = UnixStream::pair().unwrap();
            let (_duplicate, mut old_peer) = old.close_behind_its_back();

            // The same number again; another test's thread may have it for a while.
            let mut new = loop {
                let again = rustix::io::fcntl_dupfd_cloexec(&stream, number).unwrap();
                if again.as_raw_fd() == number {
                    break Connection::with(&handle, peer, UnixStream::from(again));
                }
            };
            new.wait();
            old_peer.write_all(b"for the old one").unwrap();
            turn(&mut reactor);
            new.check_woken();
            new.send();
            turn(&mut reactor);
            new.check_woken();
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Operation {
        Open(usize),
        Drop(usize),
        CloseBehindItsBack(usize),
        Send(usize),
        SendToGhost(usize),
        Wait(usize),
        Turn,
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            2 => (0usize..3).prop_map(Operation::Open),
            1 => (0usize..3).prop_map(Operation::Drop),
            1 => (0usize..3).prop_map(Operation::CloseBehindItsBack),
            3 => (0usize..3).prop_map(Operation::Send),
            3 => any::<usize>().prop_map(Operation::SendToGhost),
            3 => (0usize..3).prop_map(Operation::Wait),
            4 => Just(Operation::Turn),
        ];
        prop::collection::vec(operation, 100)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ghosts_wake_nobody(operations in operations()) {
            for mut reactor in reactors() {
                let handle = reactor.handle();
                let mut places: [Option<Connection>; 3] = [None, None, None];
                let mut ghosts = Vec::new();
                for operation in &operations {
                    match *operation {
                        Operation::Open(place) => {
                            places[place] = None;
                            places[place] = Some(Connection::new(&handle));
                        }
                        Operation::Drop(place) => places[place] = None,
                        Operation::CloseBehindItsBack(place) => {
                            ghosts.extend(places[place].take().map(Connection::close_behind_its_back));
                        }
                        Operation::Send(place) => {
                            places[place].iter_mut().for_each(Connection::send);
                        }
                        Operation::SendToGhost(index) if !ghosts.is_empty() => {
                            let index = index % ghosts.len();
                            ghosts[index].1.write_all(b"x").unwrap();
                        }
                        Operation::SendToGhost(_) => {}
                        Operation::Wait(place) => {
                            places[place].iter_mut().for_each(Connection::wait);
                        }
                        Operation::Turn => {
                            turn(&mut reactor);
                            places.iter_mut().flatten().for_each(Connection::check_woken);
                        }
                    }
                }
                drop(places);
                prop_assert_eq!(handle.sources(), 0);
            }
        }
    }
}
