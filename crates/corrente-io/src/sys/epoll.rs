//! The Linux path: polling owns the epoll, and the wait goes straight to it.
//!
//! polling (3.11) makes five system calls a wait, where epoll needs one. So a turn calls `epoll_wait`
//! itself, which relies on one thing polling does not promise: that it gives epoll our key as it is. A test
//! in `reactor.rs` checks that, and polling's version is pinned. polling's own notifier lies on the same
//! epoll and is re-armed only by its own wait, so it is never used on this path; the interrupter is an
//! eventfd of ours, edge-triggered, so that it need not be read.
//!
//! # Time
//!
//! `epoll_wait` counts in milliseconds, and the kernel adds slack: 50 µs at least, and 0.1 % of the time
//! (0.5 % for a niced process, 100 ms at most). `epoll_pwait2` counts in nanoseconds, with the same slack,
//! but rustix offers it only by a feature that makes *every* user of rustix in the program, polling too,
//! fail on kernels before 5.11; there is no falling back within one build. So:
//!
//! | limit       | how                                                       | system calls |
//! |-------------|-----------------------------------------------------------|---|
//! | zero        | `epoll_wait` without waiting                              | 1 |
//! | under 16 ms | a timerfd on the same epoll, which has no slack           | 2 |
//! | longer      | `epoll_wait`, less than the limit by more than the slack: the turn ends early, and the rest is a shorter limit | 1 |
//! | none        | `epoll_wait`                                              | 1 |
//!
//! Measured on Linux 6.18 in a virtual machine, lateness at the median for 150 µs, 1 ms and 5 ms:
//! timerfd 27, 33, 50 µs; `epoll_pwait2` 79, 82, 133 µs; `epoll_wait` 924, 77, 99 µs. Setting the timer takes
//! 1.7 µs, nearly all of it for programming the clock, which a timeout of `epoll_wait` pays too.
//!
//! The timer is edge-triggered and never read. If other events end the wait, it stays armed and ends one
//! later turn early, within 16 ms.
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use polling::Poller;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use rustix::time::{timerfd_create, timerfd_settime};

use crate::source::{Event, Interest};
use crate::sys::BATCH;
use crate::table::{BELL_KEY, TIMER_KEY};

/// Limits below this are kept by the timerfd.
const FINE: Duration = Duration::from_millis(16);
/// The longest single wait with a limit; `epoll_wait` cannot take more than 24 days.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The buffer for events and the timer.
pub(crate) struct Wait {
    /// The events of the last wait. Translated at once: the kernel's own form is not Send.
    events: Vec<Event>,
    /// How many events a wait takes at most.
    room: usize,
    /// `None` where the system has no timerfd: short limits are then rounded up to milliseconds.
    timer: Option<OwnedFd>,
}

impl Wait {
    pub(super) fn new(poller: &Poller) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = match timerfd_create(TimerfdClockId::Monotonic, flags) {
            Ok(timer) => {
                watch_own(poller, &timer, TIMER_KEY)?;
                Some(timer)
            }
            Err(Errno::NOSYS) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { events: Vec::with_capacity(BATCH), room: BATCH, timer })
    }

    pub(super) fn wait(&mut self, poller: &Poller, limit: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        let timeout = match plan(limit) {
            Plan::Look => Some(Duration::ZERO),
            Plan::Forever => None,
            Plan::Coarse(limit) => Some(limit),
            Plan::Fine(limit) => match &self.timer {
                Some(timer) => {
                    let once = Itimerspec {
                        it_interval: timespec(Duration::ZERO),
                        it_value: timespec(limit),
                    };
                    timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
                    None
                }
                None => Some(limit),
            },
        };
        let timeout = timeout.map(timespec);
        // Not initialised: that would cost more than a wait that finds nothing.
        let mut buffer = [const { MaybeUninit::uninit() }; BATCH];
        let (filled, _) = epoll::wait(poller, &mut buffer[..self.room], timeout.as_ref())?;
        self.events.extend(filled.iter().map(|event| translate(*event)));
        Ok(())
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        self.events.iter().copied()
    }

    /// Leaves no room for events, which the kernel refuses with `EINVAL`.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn break_it(&mut self) {
        self.room = 0;
    }
}

/// What a wait of at most some limit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Only look.
    Look,
    /// Wait until an event comes.
    Forever,
    /// Wait for so many whole milliseconds: even with the kernel's slack no longer than the limit.
    Coarse(Duration),
    /// Wait exactly so long.
    Fine(Duration),
}

fn plan(limit: Option<Duration>) -> Plan {
    match limit {
        None => Plan::Forever,
        Some(Duration::ZERO) => Plan::Look,
        Some(limit) if limit < FINE => Plan::Fine(limit),
        Some(limit) => {
            let limit = limit.min(LONGEST);
            let early = limit - limit / 128 - Duration::from_millis(1);
            Plan::Coarse(early - Duration::from_nanos((early.subsec_nanos() % 1_000_000).into()))
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // A plan holds a day at most, so the seconds fit in any system's type.
    Timespec { tv_sec: duration.as_secs() as _, tv_nsec: duration.subsec_nanos() as _ }
}

fn translate(event: epoll::Event) -> Event {
    let flags = event.flags;
    let read_behind = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR | EventFlags::PRI;
    let write_behind = EventFlags::HUP | EventFlags::ERR;
    Event {
        // Our keys are usize; the kernel gives back what it was given.
        key: event.data.u64() as usize,
        readable: flags.intersects(read_behind | EventFlags::IN),
        writable: flags.intersects(write_behind | EventFlags::OUT),
        read_behind: flags.intersects(read_behind),
        write_behind: flags.intersects(write_behind),
    }
}

/// Makes the poller report `interest` of a source that it does not know yet, edge-triggered, and the end of its
/// stream, which polling cannot ask for.
pub(crate) fn add(
    poller: &Poller,
    fd: BorrowedFd<'_>,
    key: usize,
    interest: Interest,
) -> io::Result<()> {
    Ok(epoll::add(poller, fd, EventData::new_u64(key as u64), flags(interest))?)
}

/// The same for one that it knows. What is ready now is reported, whatever was reported before.
pub(crate) fn arm(
    poller: &Poller,
    fd: BorrowedFd<'_>,
    key: usize,
    interest: Interest,
) -> io::Result<()> {
    Ok(epoll::modify(poller, fd, EventData::new_u64(key as u64), flags(interest))?)
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::ET;
    if interest.read {
        flags |= EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI;
    }
    if interest.write {
        flags |= EventFlags::OUT;
    }
    flags
}

/// An eventfd on the poller's epoll; a write to it ends a wait.
pub(super) fn signal(poller: &Poller) -> io::Result<OwnedFd> {
    let signal = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    watch_own(poller, &signal, BELL_KEY)?;
    Ok(signal)
}

/// Every write is an edge, though nobody ever reads. The counter takes nearly 2^64 of them.
pub(super) fn send(signal: &OwnedFd) -> io::Result<()> {
    rustix::io::write(signal, &1u64.to_ne_bytes())?;
    Ok(())
}

/// Watches a descriptor that lives as long as the epoll or is closed with it, so is never deleted.
fn watch_own(poller: &Poller, fd: impl AsFd, key: usize) -> io::Result<()> {
    let flags = EventFlags::IN | EventFlags::ET;
    Ok(epoll::add(poller, fd, EventData::new_u64(key as u64), flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::from_nanos(1)),
            Just(FINE - Duration::from_nanos(1)),
            Just(FINE),
            Just(LONGEST),
            Just(Duration::MAX),
            (0u64..100_000_000).prop_map(Duration::from_nanos),
            (0u64..100_000_000).prop_map(Duration::from_millis),
            (any::<u64>(), 0u32..1_000_000_000)
                .prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
        ]
    }

    proptest! {
        #[test]
        fn a_plan_keeps_its_limit(limit in limits()) {
            match plan(Some(limit)) {
                Plan::Look => prop_assert_eq!(limit, Duration::ZERO),
                Plan::Fine(fine) => prop_assert!(fine == limit && limit < FINE && !fine.is_zero()),
                Plan::Coarse(coarse) => {
                    // The worst slack is 0.5 %, 50 µs at least and 100 ms at most.
                    let slack = (coarse / 200)
                        .clamp(Duration::from_micros(50), Duration::from_millis(100));
                    prop_assert!(coarse + slack <= limit);
                    prop_assert!(coarse >= limit.min(LONGEST) / 10 * 8, "no more than a fifth is left over");
                    prop_assert_eq!(coarse.subsec_nanos() % 1_000_000, 0);
                    prop_assert!(i32::try_from(coarse.as_millis()).is_ok());
                }
                Plan::Forever => prop_assert!(false, "a limit was given"),
            }
        }
    }

    #[test]
    fn no_limit_waits_for_an_event() {
        assert_eq!(plan(None), Plan::Forever);
    }
}
