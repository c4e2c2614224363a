//! [`Async`]: operations on a descriptor that wait, as futures.
//!
//! Every operation follows one loop: if the direction is thought ready, try the operation; if it would
//! block, clear the readiness and wait for an event. Trying takes no lock.
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use rustix::fd::AsFd;

use crate::reactor::ReactorHandle;
use crate::readiness::{Failed, Readiness, Seen, Slot};
use crate::registration::{Registration, StableSource};
use crate::source::Direction;
use crate::sys;

/// A socket, pipe or other descriptor whose operations can be waited for.
///
/// It wraps the blocking type and gives it to closures that try an operation:
/// `server.read_with(|stream| stream.accept())`. Any number of tasks may wait on one `Async` at the same
/// time; an event wakes all that wait for its direction. asyncio's counterparts are `loop.sock_recv` and its
/// kin, and `loop.add_reader`.
///
/// The futures here are cancel safe: they hold no data, so one that is dropped before it is done has
/// transferred nothing.
///
/// Dropping it ends its registration and then drops the value in it.
///
/// # Two kinds of wait in one direction
///
/// Each future waits for itself. The `poll_…` functions of one direction share a single place, where the
/// last waker given counts: they are meant for one task that reads and one that writes, as in `AsyncRead`
/// and `AsyncWrite`.
pub struct Async<T: StableSource> {
    registration: Registration<T>,
}

impl<T: StableSource> Async<T> {
    /// Has `io` watched by a reactor and makes its operations non-blocking.
    ///
    /// Non-blocking is the open file, not the descriptor: a duplicate becomes it too, and so does another
    /// process's, as with an inherited standard input.
    ///
    /// # Errors
    ///
    /// When the system refuses: a regular file or directory cannot be watched (`PermissionDenied`), nor can
    /// one descriptor be watched twice by one reactor (`AlreadyExists`). When the reactor has failed or been
    /// dropped. `io` is dropped then, and nothing stays registered.
    pub fn new(reactor: &ReactorHandle, io: T) -> io::Result<Self> {
        sys::set_nonblocking(io.as_fd())?;
        Self::from_nonblocking(reactor, io)
    }

    /// Like [`new`](Self::new), for an `io` whose operations are non-blocking already: one system call less.
    ///
    /// With a blocking `io` the operations would block the thread.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_nonblocking(reactor: &ReactorHandle, io: T) -> io::Result<Self> {
        Ok(Self { registration: Registration::new(&reactor.shared, io)? })
    }

    /// The value in it. Read and write it by [`read_with`](Self::read_with) and its kin.
    pub fn get_ref(&self) -> &T {
        self.registration.io()
    }

    /// Ends the registration and gives the value back, still non-blocking.
    pub fn into_inner(self) -> T {
        self.registration.into_inner()
    }

    /// Tries `attempt`; if it would block, waits until the system reports something to read, and tries again.
    ///
    /// `attempt` must be one operation that reads (or accepts) on this descriptor and must not wait. An
    /// `Interrupted` is tried again at once. asyncio: `await loop.sock_recv(sock, n)`.
    ///
    /// # Errors
    ///
    /// Any error of `attempt` but `WouldBlock` and `Interrupted`; or the reactor has failed or was dropped.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the last `attempt` would have blocked, so nothing was read.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::{io::Read, net::TcpStream};
    /// # use corrente_io::Async;
    /// async fn receive(stream: &Async<TcpStream>, buffer: &mut [u8]) -> std::io::Result<usize> {
    ///     stream.read_with(|mut stream| stream.read(buffer)).await
    /// }
    /// ```
    pub async fn read_with<R>(&self, attempt: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.run(Direction::Read, attempt).await
    }

    /// Tries `attempt`; if it would block, waits until the system reports room to write, and tries again.
    ///
    /// `attempt` must be one operation that writes on this descriptor and must not wait. An `Interrupted` is
    /// tried again at once. asyncio: `await loop.sock_sendall(sock, data)`, one piece of it.
    ///
    /// # Errors
    ///
    /// Any error of `attempt` but `WouldBlock` and `Interrupted`; or the reactor has failed or was dropped.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the last `attempt` would have blocked, so nothing was written.
    pub async fn write_with<R>(&self, attempt: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.run(Direction::Write, attempt).await
    }

    /// Like [`read_with`](Self::read_with), for a stream that gives all it has: a read of less than `len`
    /// bytes counts as the last one before a wait, so the next read waits without trying first.
    ///
    /// So does in time a read of exactly `len` bytes, if there has often been nothing behind such reads. What is there
    /// all the same is found when the reactor's thread has nothing else to do, or has seen to the others.
    ///
    /// That saves a system call a message. It is right for TCP. It is wrong where a read may stop before the
    /// end of what is there, as with pipes in packet mode, terminals, and Unix sockets that carry
    /// descriptors or credentials: the next read could wait for ever. `len` is what `attempt` asks for.
    /// Where the system cannot tell the end of a stream from its data, this is just `read_with`.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Cancel safety
    ///
    /// As [`read_with`](Self::read_with).
    pub async fn read_stream(
        &self,
        len: usize,
        attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.run_stream(Direction::Read, len, attempt).await
    }

    /// Like [`write_with`](Self::write_with), for a stream that takes all it has room for: a write of less
    /// than `len` bytes counts as the last one before a wait.
    ///
    /// It is right for TCP. `len` is what `attempt` offers.
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    ///
    /// # Cancel safety
    ///
    /// As [`write_with`](Self::write_with).
    pub async fn write_stream(
        &self,
        len: usize,
        attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.run_stream(Direction::Write, len, attempt).await
    }

    /// Waits until there is something to read: bytes, a connection, the end of the stream, or an error.
    ///
    /// Asks the system itself before it returns, so it was true at that moment, whatever was read in what way
    /// before; another task may still be faster. asyncio: `loop.add_reader`.
    ///
    /// # Errors
    ///
    /// When the reactor has failed or was dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Direction::Read).await
    }

    /// Waits until there is room to write, or an error; for a socket that connects, until that has ended.
    ///
    /// Asks the system itself before it returns, as [`readable`](Self::readable) does. asyncio:
    /// `loop.add_writer`.
    ///
    /// # Errors
    ///
    /// When the reactor has failed or was dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Direction::Write).await
    }

    /// [`readable`](Self::readable) for one task that polls.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_confirmed(Direction::Read, &mut Slot::common(), cx)
    }

    /// [`writable`](Self::writable) for one task that polls.
    ///
    /// # Errors
    ///
    /// As [`writable`](Self::writable).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_confirmed(Direction::Write, &mut Slot::common(), cx)
    }

    /// [`read_with`](Self::read_with) for one task that polls.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Read, &mut Slot::common(), cx, attempt)
            .map_ok(|(result, _)| result)
    }

    /// [`write_with`](Self::write_with) for one task that polls.
    ///
    /// # Errors
    ///
    /// As [`write_with`](Self::write_with).
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Write, &mut Slot::common(), cx, attempt)
            .map_ok(|(result, _)| result)
    }

    /// [`read_stream`](Self::read_stream) for one task that polls.
    ///
    /// # Errors
    ///
    /// As [`read_stream`](Self::read_stream).
    pub fn poll_read_stream(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_stream(Direction::Read, &mut Slot::common(), cx, len, attempt)
    }

    /// [`write_stream`](Self::write_stream) for one task that polls.
    ///
    /// # Errors
    ///
    /// As [`write_stream`](Self::write_stream).
    pub fn poll_write_stream(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_stream(Direction::Write, &mut Slot::common(), cx, len, attempt)
    }

    /// Tries to read once, whatever is known about readiness, and does not wait.
    ///
    /// # Errors
    ///
    /// Any error of `attempt`, `WouldBlock` too.
    pub fn try_read_with<R>(&self, attempt: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.try_with(Direction::Read, attempt)
    }

    /// Tries to write once, whatever is known about readiness, and does not wait.
    ///
    /// # Errors
    ///
    /// Any error of `attempt`, `WouldBlock` too.
    pub fn try_write_with<R>(&self, attempt: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.try_with(Direction::Write, attempt)
    }

    fn readiness(&self, direction: Direction) -> &Readiness {
        self.registration.source().direction(direction)
    }

    async fn run<R>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut waiter = Waiter::new(self.readiness(direction));
        let (result, _) =
            poll_fn(|cx| self.poll_with(direction, &mut waiter.slot, cx, &mut attempt)).await?;
        Ok(result)
    }

    async fn run_stream(
        &self,
        direction: Direction,
        len: usize,
        mut attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut waiter = Waiter::new(self.readiness(direction));
        poll_fn(|cx| self.poll_stream(direction, &mut waiter.slot, cx, len, &mut attempt)).await
    }

    async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut waiter = Waiter::new(self.readiness(direction));
        poll_fn(|cx| self.poll_confirmed(direction, &mut waiter.slot, cx)).await
    }

    /// Waits until the direction is thought ready.
    fn poll_ready(
        &self,
        direction: Direction,
        slot: &mut Slot,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Seen>> {
        match self.readiness(direction).poll(slot, cx.waker()) {
            Poll::Ready(Ok(seen)) => Poll::Ready(Ok(seen)),
            Poll::Ready(Err(Failed)) => Poll::Ready(Err(self.registration.failure())),
            // In the list first, armed then: see `source.rs`.
            Poll::Pending => match self.registration.arm(direction) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }

    /// The loop: try when ready, wait when it would block. Also gives the look before the last attempt.
    fn poll_with<R>(
        &self,
        direction: Direction,
        slot: &mut Slot,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<(R, Seen)>> {
        loop {
            let seen = ready!(self.poll_ready(direction, slot, cx))?;
            if direction == Direction::Read && seen.needs_no_events() {
                self.registration.disarm_read();
            }
            match attempt(self.get_ref()) {
                Ok(result) => return Poll::Ready(Ok((result, seen))),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.readiness(direction).clear(seen),
                    io::ErrorKind::Interrupted => {}
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    fn poll_stream(
        &self,
        direction: Direction,
        slot: &mut Slot,
        cx: &mut Context<'_>,
        len: usize,
        mut attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let readiness = self.readiness(direction);
        let reads = direction == Direction::Read;
        let doubt = readiness.doubt().filter(|doubt| reads && self.registration.enlist(*doubt));
        if let Some(doubt) = doubt {
            if readiness.poll_in_doubt(doubt, slot, cx.waker()).is_pending() {
                // As in `poll_ready`.
                self.registration.arm(direction)?;
                return Poll::Pending;
            }
        }
        let (count, seen) = ready!(self.poll_with(direction, slot, cx, |io| {
            let result = attempt(io);
            if reads && matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                readiness.tried_in_vain();
            }
            result
        }))?;
        if count > 0 {
            if count < len {
                readiness.clear_short(seen);
            }
            if reads {
                readiness.transferred(seen, count == len);
            }
        }
        Poll::Ready(Ok(count))
    }

    /// Like `poll_ready`, but true: readiness that the system does not confirm is cleared.
    fn poll_confirmed(
        &self,
        direction: Direction,
        slot: &mut Slot,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let seen = ready!(self.poll_ready(direction, slot, cx))?;
            if sys::is_ready(self.get_ref().as_fd(), direction)? {
                return Poll::Ready(Ok(()));
            }
            self.readiness(direction).clear(seen);
        }
    }

    fn try_with<R>(
        &self,
        direction: Direction,
        attempt: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let readiness = self.readiness(direction);
        let seen = readiness.look();
        let result = attempt(self.get_ref());
        if let (Some(seen), Err(error)) = (seen, &result) {
            if error.kind() == io::ErrorKind::WouldBlock {
                readiness.clear(seen);
            }
        }
        result
    }
}

#[cfg(unix)]
impl<T: StableSource> AsFd for Async<T> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

#[cfg(windows)]
impl<T: StableSource> std::os::windows::io::AsSocket for Async<T> {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.get_ref().as_socket()
    }
}

impl<T: StableSource + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Async").field("registration", &self.registration).finish()
    }
}

/// A future's place in the list; dropping it takes the waker out.
struct Waiter<'a> {
    readiness: &'a Readiness,
    slot: Slot,
}

impl<'a> Waiter<'a> {
    fn new(readiness: &'a Readiness) -> Self {
        Self { readiness, slot: Slot::new() }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.readiness.forget(&mut self.slot);
    }
}
