// SPDX-License-Identifier: MPL-2.0
//! The payload types a session understands, readable by receiving threads without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use farstream::PayloadType;

/// A set of payload types.
#[derive(Debug, Default)]
pub struct PayloadTypes {
    words: [AtomicU64; 2],
}

impl PayloadTypes {
    /// Replaces the set.
    pub fn set(&self, list: impl IntoIterator<Item = PayloadType>) {
        let mut words = [0u64; 2];
        for pt in list {
            words[usize::from(pt.number() / 64)] |= 1 << (pt.number() % 64);
        }
        for (word, new) in self.words.iter().zip(words) {
            word.store(new, Ordering::Release);
        }
    }

    /// Whether packets with this number are understood.
    pub fn contains(&self, number: u8) -> bool {
        self.words
            .get(usize::from(number / 64))
            .is_some_and(|word| word.load(Ordering::Acquire) & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_apart() {
        let set = PayloadTypes::default();
        set.set([0, 63, 64, 127].into_iter().filter_map(PayloadType::new));
        let members: Vec<u8> = (0..=255).filter(|n| set.contains(*n)).collect();
        assert_eq!(members, [0, 63, 64, 127]);
        set.set([]);
        assert!(!set.contains(0));
    }
}
