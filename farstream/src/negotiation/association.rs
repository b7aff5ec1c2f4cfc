// SPDX-License-Identifier: MPL-2.0
//! A codec association: one codec of a session with what we announce, what we send
//! and how we make it.

use std::sync::Arc;

use super::tables::{lacks_config, without_config};
use crate::blueprint::Blueprint;
use crate::{Codec, PayloadType};

/// What an association is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In use, and in the public lists.
    Live,
    /// Keeps a payload type free for the user.
    Reserved,
    /// A codec of the peer that we refused; blocks its payload type.
    Disabled,
    /// Offered earlier: still understood, for peers that ignore an answer.
    ReceiveOnly,
}

/// One codec of a session.
#[derive(Clone, Debug)]
pub struct CodecAssociation {
    /// How this machine makes and reads the codec.
    pub blueprint: Option<Arc<Blueprint>>,
    /// What we announce: describes what we can receive.
    pub codec: Codec,
    /// What we send: the same codec within the peer's limits.
    pub send_codec: Codec,
    /// What it is good for.
    pub state: State,
}

impl CodecAssociation {
    pub(super) fn reserved(codec: &Codec) -> Self {
        Self::without_blueprint(codec, State::Reserved)
    }

    pub(super) fn disabled(codec: &Codec) -> Self {
        Self::without_blueprint(codec, State::Disabled)
    }

    fn without_blueprint(codec: &Codec, state: State) -> Self {
        Self {
            blueprint: None,
            codec: codec.clone(),
            send_codec: codec.clone(),
            state,
        }
    }

    /// An association for `codec`, whose payload type may still be open.
    pub(super) fn live(blueprint: &Arc<Blueprint>, codec: Codec) -> Self {
        Self {
            blueprint: Some(blueprint.clone()),
            send_codec: without_config(&codec),
            codec,
            state: State::Live,
        }
    }

    /// Sets the payload type in both forms.
    pub(super) fn set_payload(&mut self, pt: PayloadType) {
        self.codec.id = pt.into();
        self.send_codec.id = pt.into();
    }

    /// The payload type; none only while a list is being made.
    pub fn payload(&self) -> Option<PayloadType> {
        self.codec.payload()
    }

    /// Whether it is in the public lists.
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// Whether packets of its payload type are understood.
    pub fn can_receive(&self) -> bool {
        matches!(self.state, State::Live | State::ReceiveOnly)
            && self.blueprint.as_ref().is_some_and(|b| b.can_receive())
    }

    /// Whether it can be the codec we send.
    pub fn can_send(&self) -> bool {
        self.is_live() && self.blueprint.as_ref().is_some_and(|b| b.can_send())
    }

    /// Whether configuration must be learned from the encoder before the codec can be
    /// announced in full.
    pub fn needs_config(&self) -> bool {
        self.is_live() && lacks_config(&self.codec)
    }

    /// Whether this is the codec a user means, who may leave out what does not matter.
    pub fn is_meant_by(&self, wish: &Codec) -> bool {
        let agrees = |codec: &Codec| {
            codec.media == wish.media
                && codec.is_named(&wish.encoding_name)
                && (wish.payload().is_none() || wish.id == codec.id)
                && (wish.clock_rate == 0 || wish.clock_rate == codec.clock_rate)
                && (wish.channels == 0 || wish.channels == codec.channels)
                && without_config(wish)
                    .params
                    .iter()
                    .all(|p| codec.param(&p.name) == Some(p.value.as_str()))
        };
        agrees(&self.codec) || agrees(&self.send_codec)
    }
}
