// SPDX-License-Identifier: MPL-2.0
//! What the element says on the bus, as values, and the structures of the transmitter contract.

use farstream::candidate::candidate_to_structure;
use farstream::{Candidate, Error, StreamState};

use super::drops::Report;

/// One message.
#[derive(Debug)]
pub enum Notice {
    Local(Candidate),
    Prepared,
    Pair(Candidate, Candidate),
    State(u32, StreamState),
    Failed(Error),
    Dropped(Report),
}

impl Notice {
    /// The structure of the message.
    pub fn structure(self) -> gst::Structure {
        use gst::Structure as S;
        match self {
            Self::Local(candidate) => S::builder("new-local-candidate")
                .field("candidate", candidate_to_structure(&candidate))
                .build(),
            Self::Prepared => S::new_empty("local-candidates-prepared"),
            Self::Pair(local, remote) => S::builder("new-active-candidate-pair")
                .field("local-candidate", candidate_to_structure(&local))
                .field("remote-candidate", candidate_to_structure(&remote))
                .build(),
            Self::State(component, state) => S::builder("component-state-changed")
                .field("component", component)
                .field("state", state.nick())
                .build(),
            Self::Failed(error) => S::builder("error")
                .field("error", glib::Error::from(error))
                .build(),
            Self::Dropped(report) => S::builder("packets-dropped")
                .field("reason", report.reason)
                .field("count", report.count)
                .field("remedy", report.remedy)
                .build(),
        }
    }
}
