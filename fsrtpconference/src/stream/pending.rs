// SPDX-License-Identifier: MPL-2.0
//! What was set in properties, in any order, and waits for what it needs.

/// Candidates told before there was a transmitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The lines.
    pub lines: Vec<String>,
    /// Whether to send there without checks.
    pub force: bool,
}

/// The wishes of one stream.
#[derive(Debug, Default)]
pub struct Pending {
    /// The transmitter asked for by property.
    pub transmitter: Option<String>,
    /// Its properties.
    pub properties: Option<gst::Structure>,
    /// Text of the property `remote-candidates`.
    pub remote_text: Option<String>,
    remotes: Vec<Remote>,
    chosen: bool,
}

/// More lists than any signalling sends; beyond that somebody floods.
const MAX_WAITING: usize = 1000;

impl Pending {
    /// Remembers candidates until there is a transmitter. Returns whether there was room.
    pub fn queue(&mut self, remote: Remote) -> bool {
        let room = self.remotes.len() < MAX_WAITING;
        if room {
            self.remotes.push(remote);
        }
        room
    }

    /// The candidates that waited, oldest first.
    pub fn take_remotes(&mut self) -> Vec<Remote> {
        std::mem::take(&mut self.remotes)
    }

    /// A transmitter was chosen, by property or call. Later wishes come too late.
    pub fn choose(&mut self, transmitter: &str, properties: Option<gst::Structure>) {
        self.transmitter = Some(transmitter.to_owned());
        self.properties = properties;
        self.chosen = true;
    }

    /// Whether a transmitter was chosen.
    pub fn is_chosen(&self) -> bool {
        self.chosen
    }

    /// What to choose now, if a property asks for it and nothing was chosen before.
    pub fn wish(&self) -> Option<(String, Option<gst::Structure>)> {
        if self.chosen {
            return None;
        }
        Some((self.transmitter.clone()?, self.properties.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_granted_once() {
        let mut pending = Pending::default();
        assert_eq!(pending.wish(), None);
        pending.transmitter = Some("rawudp".into());
        assert_eq!(pending.wish().unwrap().0, "rawudp");
        pending.choose("rawudp", None);
        assert_eq!(pending.wish(), None);
    }

    #[test]
    fn waiting_candidates_are_bounded() {
        let mut pending = Pending::default();
        let remote = Remote {
            lines: Vec::new(),
            force: false,
        };
        for _ in 0..MAX_WAITING {
            assert!(pending.queue(remote.clone()));
        }
        assert!(!pending.queue(remote));
        assert_eq!(pending.take_remotes().len(), MAX_WAITING);
    }
}
