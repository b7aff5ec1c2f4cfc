// SPDX-License-Identifier: MPL-2.0
//! Which pad a source's media comes out of.
//!
//! A session whose stable pad was requested gives everything there, the newest source
//! winning; otherwise every source has a pad of its own.

use farstream::PayloadType;

/// Names a source: who sends, as what.
pub type Key = (u32, PayloadType);

/// The output pads of a session. `P` is a pad.
#[derive(Debug)]
pub struct Outputs<P> {
    stable: Option<P>,
    own: Vec<(Key, P)>,
}

impl<P> Default for Outputs<P> {
    fn default() -> Self {
        Self {
            stable: None,
            own: Vec::new(),
        }
    }
}

/// Where the media of a source goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<P> {
    /// The stable pad.
    Stable(P),
    /// The pad this source has already.
    Own(P),
    /// A pad that is still to be made.
    New,
}

impl<P: Clone + PartialEq> Outputs<P> {
    /// The stable pad, if it was requested.
    pub fn stable(&self) -> Option<&P> {
        self.stable.as_ref()
    }

    /// The stable pad was requested. Returns the pads of single sources, which go.
    pub fn set_stable(&mut self, pad: P) -> Vec<P> {
        self.stable = Some(pad);
        self.own.drain(..).map(|(_, pad)| pad).collect()
    }

    /// The stable pad was released.
    pub fn take_stable(&mut self) -> Option<P> {
        self.stable.take()
    }

    /// Where the media of this source goes.
    pub fn place(&self, key: Key) -> Place<P> {
        if let Some(pad) = &self.stable {
            return Place::Stable(pad.clone());
        }
        self.own
            .iter()
            .find(|(other, _)| *other == key)
            .map_or(Place::New, |(_, pad)| Place::Own(pad.clone()))
    }

    /// This source has a pad of its own now.
    pub fn add_own(&mut self, key: Key, pad: P) {
        self.own.push((key, pad));
    }

    /// This source is gone. Returns its pad, which goes too.
    pub fn remove_own(&mut self, key: Key) -> Option<P> {
        let index = self.own.iter().position(|(other, _)| *other == key)?;
        Some(self.own.remove(index).1)
    }

    /// Everything, when the session ends.
    pub fn take_all(&mut self) -> Vec<P> {
        self.stable
            .take()
            .into_iter()
            .chain(self.own.drain(..).map(|(_, pad)| pad))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ssrc: u32) -> Key {
        (ssrc, PayloadType::new(96).unwrap())
    }

    #[test]
    fn without_stable_pad_every_source_has_its_own() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.place(key(1)), Place::New);
        outputs.add_own(key(1), 'a');
        assert_eq!(outputs.place(key(1)), Place::Own('a'));
        assert_eq!(outputs.place(key(2)), Place::New);
        assert_eq!(outputs.remove_own(key(1)), Some('a'));
        assert_eq!(outputs.remove_own(key(1)), None);
    }

    #[test]
    fn the_stable_pad_takes_over_and_gives_back() {
        let mut outputs = Outputs::default();
        outputs.add_own(key(1), 'a');
        assert_eq!(outputs.set_stable('s'), ['a']);
        assert_eq!(outputs.place(key(1)), Place::Stable('s'));
        assert_eq!(outputs.take_stable(), Some('s'));
        assert_eq!(outputs.place(key(1)), Place::New);
    }
}
