// SPDX-License-Identifier: MPL-2.0
//! Work that several threads give and that must be done in order, one piece at a time, with no lock
//! held meanwhile.
//!
//! Whoever finds nobody at work does the work, its own and what others add; the others leave theirs
//! and go on. So nobody waits for anybody, and a callback may give more work from within.

use std::collections::VecDeque;

/// The queue. Lives in a mutex that is locked for each call only.
#[derive(Debug)]
pub struct Serial<T> {
    waiting: VecDeque<T>,
    busy: bool,
}

impl<T> Default for Serial<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            busy: false,
        }
    }
}

impl<T> Serial<T> {
    /// Adds work. Whoever gets `true` must call [`next`](Self::next) until it gives `None`.
    #[must_use]
    pub fn add(&mut self, work: impl IntoIterator<Item = T>) -> bool {
        self.waiting.extend(work);
        !std::mem::replace(&mut self.busy, true)
    }

    /// The next piece of work to be done by the one at work.
    pub fn next(&mut self) -> Option<T> {
        let work = self.waiting.pop_front();
        self.busy = work.is_some();
        work
    }

    /// How much waits for its turn.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets what waits. Whoever is at work stays so.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_works_and_the_others_leave_their_work() {
        let mut serial = Serial::default();
        assert!(serial.add([1, 2]));
        assert_eq!(serial.next(), Some(1));
        assert!(!serial.add([3]), "somebody is at work");
        assert_eq!(serial.len(), 2);
        assert_eq!(serial.next(), Some(2));
        assert_eq!(serial.next(), Some(3));
        assert_eq!(serial.next(), None);
        assert!(serial.add([4]), "nobody is at work any more");
    }

    #[test]
    fn forgetting_leaves_the_worker_at_work() {
        let mut serial = Serial::default();
        assert!(serial.add([1, 2]));
        assert_eq!(serial.next(), Some(1));
        serial.clear();
        assert!(!serial.add([3]));
        assert_eq!(serial.next(), Some(3));
        assert_eq!(serial.next(), None);
    }
}
