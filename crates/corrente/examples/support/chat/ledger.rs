//! Which lines of which sender were heard: finds what is lost, doubled or out of order.

use std::collections::{BTreeSet, HashMap};

/// The book of one listener.
#[derive(Default)]
pub struct Ledger {
    senders: HashMap<String, Heard>,
    /// Lines that came twice.
    pub doubled: u64,
    /// Lines that came after a later one.
    pub reordered: u64,
}

struct Heard {
    next: u64,
    missing: BTreeSet<u64>,
}

impl Ledger {
    /// Line `number` of `sender` was heard. `first` is the number that a sender begins with who is new.
    pub fn hear(&mut self, sender: &str, number: u64, first: u64) {
        if !self.senders.contains_key(sender) {
            let heard = Heard { next: first, missing: BTreeSet::new() };
            self.senders.insert(sender.to_owned(), heard);
        }
        let Some(heard) = self.senders.get_mut(sender) else { return };
        if number >= heard.next {
            heard.missing.extend(heard.next..number);
            heard.next = number + 1;
        } else if heard.missing.remove(&number) {
            self.reordered += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// How many lines of `sender` are still to come if it says `due` in all, gaps not counted.
    pub fn outstanding(&self, sender: &str, due: u64) -> u64 {
        due.saturating_sub(self.senders.get(sender).map_or(0, |heard| heard.next))
    }

    /// How many lines were left out before later ones of their senders.
    pub fn gaps(&self) -> u64 {
        self.senders.values().map(|heard| heard.missing.len() as u64).sum()
    }
}
