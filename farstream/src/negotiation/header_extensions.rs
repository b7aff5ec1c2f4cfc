// SPDX-License-Identifier: MPL-2.0
//! Agreeing on header extensions and their ids (RFC 8285 section 5).

use std::collections::BTreeSet;

use crate::HeaderExtension;
use crate::header_extension::MAX_ID;

/// Ids that packets of some party use already.
pub(super) type UsedIds = BTreeSet<u32>;

/// The preferences, and the ids among them that are real.
pub(super) fn local(preferences: &[HeaderExtension]) -> (Vec<HeaderExtension>, UsedIds) {
    let used = preferences
        .iter()
        .map(|extension| extension.id)
        .filter(|id| *id <= MAX_ID)
        .collect();
    (preferences.to_vec(), used)
}

/// Keeps what `remote` has too, with the common direction; with only one peer its ids
/// win.
pub(super) fn intersect(
    ours: &mut Vec<HeaderExtension>,
    remote: &[HeaderExtension],
    several_peers: bool,
    used: &mut UsedIds,
) {
    used.extend(remote.iter().map(|extension| extension.id));
    ours.retain_mut(|extension| {
        let Some(theirs) = remote
            .iter()
            .find(|theirs| theirs.uri.eq_ignore_ascii_case(&extension.uri))
        else {
            return false;
        };
        extension.direction &= theirs.direction;
        if !several_peers {
            extension.id = theirs.id;
        }
        true
    });
}

/// Gives provisional entries real ids. Of alternatives under one provisional id the
/// first stays. Entries for which no id is left go.
pub(super) fn finish(extensions: Vec<HeaderExtension>, used: &UsedIds) -> Vec<HeaderExtension> {
    let mut used = used.clone();
    let mut settled = BTreeSet::new();
    let mut result = Vec::with_capacity(extensions.len());
    for mut extension in extensions {
        if extension.id > MAX_ID {
            if !settled.insert(extension.id) {
                continue;
            }
            let Some(free) = (1..=MAX_ID).find(|id| !used.contains(id)) else {
                continue;
            };
            extension.id = free;
            used.insert(free);
        }
        result.push(extension);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamDirection;

    fn ext(id: u32, direction: StreamDirection, uri: &str) -> HeaderExtension {
        HeaderExtension {
            id,
            direction,
            uri: uri.into(),
        }
    }

    fn agree(
        ours: &[HeaderExtension],
        remote: &[HeaderExtension],
        several: bool,
    ) -> Vec<HeaderExtension> {
        let (mut list, mut used) = local(ours);
        intersect(&mut list, remote, several, &mut used);
        finish(list, &used)
    }

    #[test]
    fn one_peer_dictates_ids_and_narrows_directions() {
        let both = StreamDirection::BOTH;
        let agreed = agree(
            &[ext(4096, both, "urn:a"), ext(2, both, "urn:b")],
            &[ext(7, StreamDirection::SEND, "URN:A")],
            false,
        );
        assert_eq!(agreed, [ext(7, StreamDirection::SEND, "urn:a")]);
    }

    #[test]
    fn with_several_peers_our_ids_stay() {
        let both = StreamDirection::BOTH;
        let agreed = agree(&[ext(2, both, "urn:a")], &[ext(7, both, "urn:a")], true);
        assert_eq!(agreed, [ext(2, both, "urn:a")]);
    }

    #[test]
    fn provisional_ids_take_the_first_free_one() {
        let both = StreamDirection::BOTH;
        let (list, used) = local(&[
            ext(1, both, "urn:a"),
            ext(4096, both, "urn:b"),
            ext(4096, both, "urn:c"),
            ext(4097, both, "urn:d"),
        ]);
        assert_eq!(
            finish(list, &used),
            [
                ext(1, both, "urn:a"),
                ext(2, both, "urn:b"),
                ext(3, both, "urn:d")
            ]
        );
    }
}
