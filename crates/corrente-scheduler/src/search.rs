//! The order in which a worker looks for work.
//!
//! Its own first: local tasks and others by turns, the next slot before the newcomers and these before the queue, but
//! not for ever. Once
//! in so many polls the injector and the driver before its own, so that a full queue starves neither. When
//! it has nothing of its own it searches: the injector, what other workers owe, the driver. What always
//! holds: a worker that searches is counted, and stops being counted when it has found something.

use crate::queue::Injector;
use crate::seat::Seat;
use crate::worker::Worker;
use corrente_task::Runnable;

/// After so many glances in vain before a sleep only one in so many is made.
const VAIN: u32 = 8;

impl Worker {
    /// What to poll next. `None`: nothing anywhere, or enough others are searching.
    #[inline]
    pub(crate) fn next_task(&self) -> Option<Runnable> {
        if self.glance_is_due() {
            if let Some(task) = self.look_outside() {
                return Some(task);
            }
        }
        if let Some(task) = self.own_task() {
            self.stop_searching();
            return Some(task);
        }
        self.search()
    }

    /// A task of the injector, or one that lies with a worker who cannot run it, before its own; and a
    /// glance at the driver.
    #[cold]
    fn look_outside(&self) -> Option<Runnable> {
        self.glance();
        let open = || if self.shared.idle.open() == 0 { None } else { self.stolen(true) };
        let task = self.injected().or_else(open).or_else(|| self.overdue_task());
        if task.is_some() {
            self.stop_searching();
        }
        task
    }

    #[inline]
    fn own_task(&self) -> Option<Runnable> {
        let Some(local) = &self.local else { return self.stealable_task() };
        if local.is_empty() {
            local.had_its_turn(false);
            return self.stealable_task();
        }
        let shake = self.shared.shake.as_ref();
        let pop_local = || local.pop(shake).inspect(|_| local.had_its_turn(true));
        let pop_other = || self.stealable_task().inspect(|_| local.had_its_turn(false));
        if local.goes_first() {
            pop_local().or_else(pop_other)
        } else {
            pop_other().or_else(pop_local)
        }
    }

    #[inline]
    fn stealable_task(&self) -> Option<Runnable> {
        self.ready_task().or_else(|| self.pop_back_row())
    }

    #[inline]
    fn ready_task(&self) -> Option<Runnable> {
        if let Some(shake) = &self.shared.shake {
            if let Some(task) = shake.take(self.index) {
                return Some(task);
            }
        }
        let streak = &self.core.streak;
        if streak.get() < self.shared.config.next_slot_limit {
            if let Some(task) = self.take_next() {
                streak.set(streak.get() + 1);
                self.seat().own.counters.next_slot_hits.bump();
                return Some(task);
            }
        }
        streak.set(0);
        self.pop_own().or_else(|| self.take_next())
    }

    #[cold]
    fn search(&self) -> Option<Runnable> {
        if !self.core.searching.get() {
            if !self.shared.idle.begin_search() {
                return None;
            }
            self.core.searching.set(true);
        }
        let task = self.injected().or_else(|| self.stolen(false)).or_else(|| {
            self.last_glance();
            self.own_task()
        });
        if task.is_some() {
            self.stop_searching();
        }
        task
    }

    /// A look at the driver before the sleep. It finds what is there with less ado than the sleep does; while there is
    /// nothing it is a system call too many at each sleep, and mostly left out.
    fn last_glance(&self) {
        let vain = self.core.vain_glances.get();
        let is_made = vain < VAIN || vain % VAIN == 0;
        let found = is_made && self.glance();
        self.core.vain_glances.set(if found { 0 } else { vain.wrapping_add(1) });
    }

    /// A fair share of the injector, the shard next to this worker first.
    fn injected(&self) -> Option<Runnable> {
        let task = self.shared.injector.find(self.index, |shard| self.share_of(shard))?;
        self.seat().own.counters.injected.bump();
        Some(task)
    }

    fn share_of(&self, injector: &Injector<Runnable>) -> Option<Runnable> {
        let share = injector.len() / self.shared.seats.len() + 1;
        let task = injector.take_into(&self.core.queue, share);
        if task.is_some() {
            self.note_loaded();
            self.core.offered.forget();
        }
        task
    }

    /// Half of what another worker owes. Only those are visited that owe something. `open_only`: only those
    /// who are absent or stuck.
    fn stolen(&self, open_only: bool) -> Option<Runnable> {
        let seats = &self.shared.seats;
        let first = self.draw(seats.len());
        let task = (0..seats.len())
            .map(|step| (first + step) % seats.len())
            .filter(|victim| *victim != self.index)
            .map(|victim| (&seats[victim], self.shared.is_open(victim)))
            .filter(|(_, open)| *open || !open_only)
            .find_map(|(victim, open)| self.rob(victim, open))?;
        self.seat().own.counters.steals.bump();
        Some(task)
    }

    fn rob(&self, victim: &Seat, open: bool) -> Option<Runnable> {
        if !victim.owes(open) {
            return None;
        }
        let task = victim.stealer.steal_into(&self.core.queue);
        if task.is_some() {
            self.note_loaded();
            self.core.offered.forget();
            return task;
        }
        let task = victim.newcomers.steal();
        if task.is_some() {
            return task;
        }
        if open { victim.next.steal() } else { None }
    }

    /// A number below `limit`, so that thieves do not all begin with the same victim (xorshift).
    fn draw(&self, limit: usize) -> usize {
        let mut random = self.core.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.core.random.set(random);
        (random % limit.max(1) as u64) as usize
    }
}
