//! What a fair semaphore and a fair queue do, written so simply that it is seen to be right.
//!
//! Waiters are numbers. Each operation says which waiters are woken by it, in order.

use std::collections::VecDeque;

/// Units, and a line of those who want some.
#[derive(Debug, Default)]
pub struct FairSemaphore {
    pub free: usize,
    /// Who is in line, what he wants, and whether he was granted it.
    line: VecDeque<(usize, usize, bool)>,
}

impl FairSemaphore {
    pub fn new(free: usize) -> Self {
        Self { free, line: VecDeque::new() }
    }

    /// True if it has its units at once.
    pub fn come(&mut self, waiter: usize, units: usize) -> (bool, Vec<usize>) {
        if self.line.is_empty() && self.free >= units {
            self.free -= units;
            return (true, Vec::new());
        }
        self.line.push_back((waiter, units, false));
        (false, self.serve())
    }

    pub fn give(&mut self, units: usize) -> Vec<usize> {
        self.free += units;
        self.serve()
    }

    /// True if it has its units now, and has left the line.
    pub fn look(&mut self, waiter: usize) -> (bool, Vec<usize>) {
        let at = self.find(waiter);
        if !self.line[at].2 {
            return (false, Vec::new());
        }
        self.line.remove(at);
        (true, self.serve())
    }

    pub fn leave(&mut self, waiter: usize) -> Vec<usize> {
        let at = self.find(waiter);
        if let Some((_, units, true)) = self.line.remove(at) {
            self.free += units;
        }
        self.serve()
    }

    pub fn locked(&self) -> bool {
        self.free == 0 || !self.line.is_empty()
    }

    fn find(&self, waiter: usize) -> usize {
        self.line.iter().position(|other| other.0 == waiter).expect("it is in line")
    }

    fn serve(&mut self) -> Vec<usize> {
        let mut woken = Vec::new();
        for (waiter, units, granted) in self.line.iter_mut().filter(|waiter| !waiter.2) {
            if self.free < *units {
                break;
            }
            self.free -= *units;
            *granted = true;
            woken.push(*waiter);
        }
        woken
    }
}

/// Items, places, and two lines.
#[derive(Debug)]
pub struct FairQueue {
    pub items: VecDeque<u32>,
    places: usize,
    pub shut_down: bool,
    getters: VecDeque<(usize, bool)>,
    putters: VecDeque<(usize, u32, bool)>,
}

/// What comes of coming to a queue, or of looking again.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    Item(u32),
    Put,
    Refused,
    Waits,
}

impl FairQueue {
    pub fn new(places: usize) -> Self {
        let (items, getters, putters) = Default::default();
        Self { items, places, shut_down: false, getters, putters }
    }

    pub fn get(&mut self, waiter: usize) -> (Got, Vec<usize>) {
        let promised = self.getters.iter().filter(|getter| getter.1).count();
        let waiting = self.getters.len() > promised;
        if !waiting && self.items.len() > promised {
            return self.take();
        }
        if self.shut_down && self.items.is_empty() {
            return (Got::Refused, Vec::new());
        }
        self.getters.push_back((waiter, false));
        (Got::Waits, self.serve())
    }

    pub fn put(&mut self, waiter: usize, item: u32) -> (Got, Vec<usize>) {
        let promised = self.putters.iter().filter(|putter| putter.2).count();
        let waiting = self.putters.len() > promised;
        if self.shut_down {
            return (Got::Refused, Vec::new());
        }
        if !waiting && self.items.len() + promised < self.places {
            self.items.push_back(item);
            return (Got::Put, self.serve());
        }
        self.putters.push_back((waiter, item, false));
        (Got::Waits, self.serve())
    }

    pub fn get_nowait(&mut self) -> (Option<u32>, Vec<usize>) {
        match self.items.pop_front() {
            Some(item) => (Some(item), self.serve()),
            None => (None, Vec::new()),
        }
    }

    pub fn put_nowait(&mut self, item: u32) -> (bool, Vec<usize>) {
        if self.shut_down || self.items.len() >= self.places {
            return (false, Vec::new());
        }
        self.items.push_back(item);
        (true, self.serve())
    }

    pub fn look(&mut self, waiter: usize) -> (Got, Vec<usize>) {
        if let Some(at) = self.getters.iter().position(|getter| getter.0 == waiter) {
            if !self.getters[at].1 {
                return (Got::Waits, Vec::new());
            }
            self.getters.remove(at);
            if !self.items.is_empty() {
                return self.take();
            }
            if self.shut_down {
                return (Got::Refused, self.serve());
            }
            let granted = self.getters.iter().take_while(|getter| getter.1).count();
            self.getters.insert(granted, (waiter, false));
            return (Got::Waits, self.serve());
        }
        let at = self.putters.iter().position(|putter| putter.0 == waiter).expect("it is in line");
        if !self.putters[at].2 {
            return (Got::Waits, Vec::new());
        }
        let Some((_, item, _)) = self.putters.remove(at) else { unreachable!() };
        if self.shut_down {
            return (Got::Refused, self.serve());
        }
        if self.items.len() < self.places {
            self.items.push_back(item);
            return (Got::Put, self.serve());
        }
        let granted = self.putters.iter().take_while(|putter| putter.2).count();
        self.putters.insert(granted, (waiter, item, false));
        (Got::Waits, self.serve())
    }

    pub fn leave(&mut self, waiter: usize) -> Vec<usize> {
        self.getters.retain(|getter| getter.0 != waiter);
        self.putters.retain(|putter| putter.0 != waiter);
        self.serve()
    }

    pub fn shut_down(&mut self, immediate: bool) -> Vec<usize> {
        self.shut_down = true;
        if immediate {
            self.items.clear();
        }
        self.serve()
    }

    fn take(&mut self) -> (Got, Vec<usize>) {
        let item = self.items.pop_front().map_or(Got::Waits, Got::Item);
        (item, self.serve())
    }

    fn serve(&mut self) -> Vec<usize> {
        let mut woken = Vec::new();
        let promised = self.getters.iter().filter(|getter| getter.1).count();
        let mut spare = self.items.len().saturating_sub(promised);
        for getter in self.getters.iter_mut().filter(|getter| !getter.1) {
            if spare == 0 && !self.shut_down {
                break;
            }
            spare = spare.saturating_sub(1);
            getter.1 = true;
            woken.push(getter.0);
        }
        let promised = self.putters.iter().filter(|putter| putter.2).count();
        let mut spare = self.places.saturating_sub(self.items.len() + promised);
        for putter in self.putters.iter_mut().filter(|putter| !putter.2) {
            if spare == 0 && !self.shut_down {
                break;
            }
            spare = spare.saturating_sub(1);
            putter.2 = true;
            woken.push(putter.0);
        }
        woken
    }
}
