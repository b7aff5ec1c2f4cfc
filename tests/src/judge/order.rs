// SPDX-License-Identifier: MPL-2.0
//! What of a sequence is in order.

/// The indices of the longest part of `places` that ascends, equal ones included
/// if `repeats`.
pub(super) fn longest_chain(places: &[i64], repeats: bool) -> Vec<usize> {
    // Patience sorting: `ends[n]` ends the chain of length n + 1 that ends lowest.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; places.len()];
    for (index, place) in places.iter().enumerate() {
        let length =
            ends.partition_point(|end| places[*end] < *place || repeats && places[*end] == *place);
        before[index] = length.checked_sub(1).map(|n| ends[n]);
        if length == ends.len() {
            ends.push(index);
        } else {
            ends[length] = index;
        }
    }
    let mut chain: Vec<_> =
        std::iter::successors(ends.last().copied(), |index| before[*index]).collect();
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::longest_chain;

    #[test]
    fn what_ascends_is_found() {
        assert!(longest_chain(&[], false).is_empty());
        assert_eq!(longest_chain(&[5, 6, 7], false), [0, 1, 2]);
        assert_eq!(longest_chain(&[1, 9, 2, 3, 8, 4], false), [0, 2, 3, 5]);
        assert_eq!(longest_chain(&[4, 3, 2], false).len(), 1);
        assert_eq!(longest_chain(&[1, 1, 2, 2], false).len(), 2);
        assert_eq!(longest_chain(&[1, 1, 2, 0, 2], true), [0, 1, 2, 4]);
    }
}
