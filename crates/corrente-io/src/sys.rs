//! How this system is asked what is ready: the ways to watch, and the few calls beside the poller.
//!
//! [`Mode`] names the way, [`Wait`] is the part of it that belongs to the thread that turns the reactor.
//! There is one way everywhere, through polling, edge-triggered or oneshot; on Linux there is a faster
//! one on the same epoll (`sys/epoll.rs`).
use std::io;
use std::time::Duration;

use polling::Poller;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::BorrowedFd;
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::source::{Direction, Event, Interest, Watch};

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod epoll;
mod portable;

/// Who has a descriptor, or a socket where that is all that can be waited for. With `rustix::fd::AsFd` in
/// scope, `as_fd` gives it on every system.
#[cfg(unix)]
pub use std::os::fd::AsFd as AsDescriptor;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket as AsDescriptor;

/// The most events that one turn takes. What is ready beyond that comes first in the next turn, so that
/// with any number of ready sources the woken tasks get to run in between.
pub(crate) const BATCH: usize = 256;

/// The way in which sources are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Edge-triggered, on polling's epoll but past polling: one system call a turn.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Epoll,
    /// Edge-triggered, through polling.
    Edge,
    /// Re-armed at each wait, through polling.
    Oneshot,
}

impl Mode {
    /// The best way on this system.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn best(_poller: &Poller) -> Self {
        Self::Epoll
    }

    /// The best way on this system.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn best(poller: &Poller) -> Self {
        if poller.supports_edge() { Self::Edge } else { Self::Oneshot }
    }

    /// How its sources are watched.
    pub(crate) fn watch(self) -> Watch {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Epoll => Watch { armed: Interest::READ, oneshot: false, reports_ends: true },
            Self::Edge => Watch { armed: Interest::BOTH, oneshot: false, reports_ends: false },
            Self::Oneshot => Watch { armed: Interest::NONE, oneshot: true, reports_ends: false },
        }
    }
}

/// What ends a wait from another thread.
pub(crate) enum Signal {
    /// An own eventfd on the epoll. The wait reports it under `BELL_KEY`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    EventFd(OwnedFd),
    /// polling's notification. The wait does not report it.
    Notify,
}

impl Signal {
    /// For a poller whose sources are watched in `mode`.
    pub(crate) fn new(mode: Mode, poller: &Poller) -> io::Result<Self> {
        match (mode, poller) {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            (Mode::Epoll, poller) => epoll::signal(poller).map(Self::EventFd),
            (Mode::Edge | Mode::Oneshot, _) => Ok(Self::Notify),
        }
    }

    /// Ends the present wait, or the next one.
    pub(crate) fn send(&self, poller: &Poller) -> io::Result<()> {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::EventFd(signal) => epoll::send(signal),
            Self::Notify => poller.notify(),
        }
    }
}

/// What the turning thread needs to wait: the buffer for events, at least.
pub(crate) enum Wait {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Epoll(epoll::Wait),
    Portable(portable::Wait),
}

impl Wait {
    /// For a poller whose sources are watched in `mode`.
    pub(crate) fn new(mode: Mode, poller: &Poller) -> io::Result<Self> {
        match (mode, poller) {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            (Mode::Epoll, poller) => epoll::Wait::new(poller).map(Self::Epoll),
            (Mode::Edge | Mode::Oneshot, _) => Ok(Self::Portable(portable::Wait::new())),
        }
    }

    /// Waits for events, for at most `limit`, and keeps them until the next call.
    pub(crate) fn wait(&mut self, poller: &Poller, limit: Option<Duration>) -> io::Result<()> {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Epoll(wait) => wait.wait(poller, limit),
            Self::Portable(wait) => wait.wait(poller, limit),
        }
    }

    /// Makes the system refuse the next wait.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn break_it(&mut self) {
        if let Self::Epoll(wait) = self {
            wait.break_it();
        }
    }

    /// Goes through the events of the last wait, in the order in which the system reported them.
    pub(crate) fn for_each(&self, each: impl FnMut(Event)) {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Epoll(wait) => wait.events().for_each(each),
            Self::Portable(wait) => wait.events().for_each(each),
        }
    }
}

/// Asks the system itself whether an operation would go through now.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    let flag = match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
    };
    let mut fds = [PollFd::from_borrowed_fd(fd, flag)];
    loop {
        match rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => return Ok(!fds[0].revents().is_empty()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Asks the system itself which of these could be read from now. `None` if it does not say.
pub(crate) fn readable<'a>(fds: impl Iterator<Item = BorrowedFd<'a>>) -> Option<Vec<bool>> {
    let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut fds, Some(&now)).ok()?;
    Some(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
}

/// Makes operations on `fd` give `WouldBlock` where they would wait.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}
