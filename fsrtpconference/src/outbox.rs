// SPDX-License-Identifier: MPL-2.0
//! News for the application, delivered in order and without a lock held.
//!
//! State changes put their messages and notifications here while they hold their lock;
//! whoever has released it delivers. Only one thread delivers at a time, so two changes
//! cannot overtake one another; a handler that calls back in only adds to the queue.

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};

type Delivery = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Delivery>,
    delivering: bool,
}

/// The queue of one conference.
#[derive(Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
}

impl Outbox {
    /// Puts something at the end. It is delivered by the next [`deliver`](Self::deliver).
    pub fn put(&self, delivery: impl FnOnce() + Send + 'static) {
        self.queue.lock().waiting.push_back(Box::new(delivery));
    }

    /// Delivers everything that waits, unless a delivery is under way already, which then
    /// delivers this too. The caller holds no lock.
    pub fn deliver(&self) {
        let mut queue = self.queue.lock();
        if queue.delivering {
            return;
        }
        queue.delivering = true;
        while let Some(delivery) = queue.waiting.pop_front() {
            MutexGuard::unlocked(&mut queue, delivery);
        }
        queue.delivering = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn order_is_kept_and_handlers_may_call_back() {
        let outbox = Arc::new(Outbox::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let (again, record) = (outbox.clone(), seen.clone());
            outbox.put(move || {
                record.lock().push(number);
                let record = record.clone();
                again.put(move || record.lock().push(number + 10));
                again.deliver();
            });
        }
        outbox.deliver();
        assert_eq!(*seen.lock(), [0, 1, 2, 10, 11, 12]);
    }
}
