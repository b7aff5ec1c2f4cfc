// SPDX-License-Identifier: MPL-2.0
//! Agreeing on codecs: one session of this end with any number of peers.
//!
//! A [`Negotiator`] holds what this machine can do, what the user wishes, and what
//! each peer said. Every change runs the whole negotiation on a copy and commits it
//! only if it leads somewhere; the [`Outcome`] says what changed and what was refused
//! and why.

mod association;
mod header_extensions;
mod local;
mod pair;
mod preferences;
mod refusal;
mod remote;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::blueprint::Blueprint;
use crate::{Codec, Error, ErrorCode, HeaderExtension, MediaType, PayloadType, Result};

pub use association::{CodecAssociation, State};
pub use local::AllowedCaps;
pub use pair::negotiate;
pub use preferences::default_preferences;
pub use refusal::{Mismatch, Refusal, Rule, Side, refusals_to_caps};
pub use tables::{ParamTypes, without_config};

use preferences::Preference;

/// Names a stream of the session, in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What a peer said.
#[derive(Clone, Debug, Default)]
struct Remote {
    codecs: Vec<Codec>,
    header_extensions: Vec<HeaderExtension>,
    negotiated: Vec<Codec>,
}

impl Remote {
    fn takes_part(&self) -> bool {
        !self.codecs.is_empty()
    }
}

/// What a change led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the session's codec list is another one now.
    pub codecs_changed: bool,
    /// Whether the negotiated header extensions are others now.
    pub header_extensions_changed: bool,
    /// Streams whose own negotiated codecs are others now.
    pub streams_changed: Vec<StreamId>,
    /// What could not be agreed on, and why.
    pub refused: Vec<Refusal>,
}

/// The negotiation of one session.
#[derive(Clone, Debug)]
pub struct Negotiator {
    media: MediaType,
    blueprints: Arc<[Arc<Blueprint>]>,
    defaults: Vec<Codec>,
    wishes: Option<Vec<Codec>>,
    preferences: Vec<Preference>,
    /// What the defaults turn off beside the user's preferences.
    off: Vec<Preference>,
    allowed: AllowedCaps,
    extension_preferences: Vec<HeaderExtension>,
    remotes: BTreeMap<StreamId, Remote>,
    associations: Vec<CodecAssociation>,
    header_extensions: Vec<HeaderExtension>,
}

/// The formats a session lets in and out unless told otherwise.
fn default_allowed_caps(media: MediaType) -> gst::Caps {
    match media {
        MediaType::Audio => gst::Caps::new_empty_simple("audio/x-raw"),
        MediaType::Video => gst::Caps::new_empty_simple("video/x-raw"),
        MediaType::Application => gst::Caps::new_any(),
    }
}

impl Negotiator {
    /// A session of this machine without peers. `defaults` are the preferences while the
    /// user has none.
    pub fn new(
        media: MediaType,
        blueprints: Arc<[Arc<Blueprint>]>,
        defaults: Vec<Codec>,
    ) -> Result<(Self, Outcome)> {
        if blueprints.is_empty() {
            return Err(Error::new(
                ErrorCode::NoCodecs,
                format!(
                    "expected at least one {media} codec, found none installed; install \
                     GStreamer plugins that have an encoder, a decoder, a payloader and a \
                     depayloader for it"
                ),
            ));
        }
        let allowed = default_allowed_caps(media);
        let (preferences, _) = preferences::validate(media, &blueprints, &defaults);
        let mut negotiator = Self {
            media,
            blueprints,
            defaults,
            wishes: None,
            preferences,
            off: Vec::new(),
            allowed: AllowedCaps {
                sink: allowed.clone(),
                src: allowed,
            },
            extension_preferences: Vec::new(),
            remotes: BTreeMap::new(),
            associations: Vec::new(),
            header_extensions: Vec::new(),
        };
        let outcome = negotiator.run(Vec::new())?;
        Ok((negotiator, outcome))
    }

    /// The kind of media.
    pub fn media(&self) -> MediaType {
        self.media
    }

    /// The preferences in use that the user gave, as given; none if the defaults apply.
    pub fn codec_preferences(&self) -> Option<Vec<Codec>> {
        self.wishes.as_ref()?;
        Some(self.preferences.iter().map(|p| p.codec.clone()).collect())
    }

    /// Replaces the preferences; `None`, or an empty list, goes back to the defaults.
    /// Entries that cannot be honoured are left out and listed in the outcome. What the
    /// user does not mention stays with the defaults: formats they turn off, feedback.
    pub fn set_codec_preferences(&mut self, wishes: Option<Vec<Codec>>) -> Result<Outcome> {
        let wishes = wishes.filter(|list| !list.is_empty());
        let list = wishes.as_ref().unwrap_or(&self.defaults);
        let (preferences, mut refused) = preferences::validate(self.media, &self.blueprints, list);
        if wishes.is_none() {
            // Nobody asked for the defaults one by one, so a missing one is no news.
            refused.clear();
        }
        let mut off = Vec::new();
        if let Some(wishes) = &wishes {
            off.extend(preferences::still_off(wishes, &self.defaults).cloned());
        }
        let (off, _) = preferences::validate(self.media, &self.blueprints, &off);
        self.commit(|next| {
            next.wishes = wishes;
            next.preferences = preferences;
            next.off = off;
            next.run(refused)
        })
    }

    /// The formats let in and out.
    pub fn allowed_caps(&self) -> &AllowedCaps {
        &self.allowed
    }

    /// Replaces the formats let in, out, or both.
    pub fn set_allowed_caps(
        &mut self,
        sink: Option<gst::Caps>,
        src: Option<gst::Caps>,
    ) -> Result<Outcome> {
        self.commit(|next| {
            if let Some(sink) = sink {
                next.allowed.sink = sink;
            }
            if let Some(src) = src {
                next.allowed.src = src;
            }
            next.run(Vec::new())
        })
    }

    /// What the peer of `stream` said.
    pub fn remote_codecs(&self, stream: StreamId) -> Option<&[Codec]> {
        self.remotes
            .get(&stream)
            .filter(|remote| remote.takes_part())
            .map(|remote| remote.codecs.as_slice())
    }

    /// The peer of `stream` offers or answers these codecs.
    pub fn set_remote_codecs(&mut self, stream: StreamId, codecs: Vec<Codec>) -> Result<Outcome> {
        self.check_remote(&codecs)?;
        self.commit(|next| {
            next.remotes.entry(stream).or_default().codecs = codecs;
            next.run(Vec::new())
        })
    }

    fn check_remote(&self, codecs: &[Codec]) -> Result<()> {
        if codecs.is_empty() {
            return Err(Error::invalid(
                "expected at least one remote codec, got an empty list",
            ));
        }
        for (index, codec) in codecs.iter().enumerate() {
            let complaint = if codec.payload().is_none() {
                format!("expected a payload type from 0 to 127, got {}", codec.id)
            } else if codec.media != self.media {
                format!("expected media {}, got {}", self.media, codec.media)
            } else {
                continue;
            };
            return Err(Error::invalid(complaint)
                .within(format_args!("remote codec {} ({codec})", index + 1)));
        }
        Ok(())
    }

    /// The peer of `stream` is gone; the others may get more codecs in common.
    pub fn remove_stream(&mut self, stream: StreamId) -> Outcome {
        let Some(remote) = self.remotes.remove(&stream) else {
            return Outcome::default();
        };
        if !remote.takes_part() {
            return Outcome::default();
        }
        // What was agreed with more peers holds with fewer, so nothing is lost if not.
        self.commit(|next| next.run(Vec::new())).unwrap_or_default()
    }

    /// The codecs of `stream`: the session's with this peer's configuration.
    pub fn negotiated_codecs(&self, stream: StreamId) -> Option<&[Codec]> {
        self.remotes
            .get(&stream)
            .filter(|remote| remote.takes_part())
            .map(|remote| remote.negotiated.as_slice())
    }

    /// The header extensions wished for.
    pub fn header_extension_preferences(&self) -> &[HeaderExtension] {
        &self.extension_preferences
    }

    /// Replaces the header extensions wished for.
    pub fn set_header_extension_preferences(
        &mut self,
        wishes: Vec<HeaderExtension>,
    ) -> Result<Outcome> {
        self.commit(|next| {
            next.extension_preferences = wishes;
            next.run(Vec::new())
        })
    }

    /// The header extensions the peer of `stream` offers.
    pub fn remote_header_extensions(&self, stream: StreamId) -> &[HeaderExtension] {
        self.remotes
            .get(&stream)
            .map_or(&[], |remote| remote.header_extensions.as_slice())
    }

    /// Replaces the header extensions the peer of `stream` offers.
    pub fn set_remote_header_extensions(
        &mut self,
        stream: StreamId,
        extensions: Vec<HeaderExtension>,
    ) -> Result<Outcome> {
        self.commit(|next| {
            next.remotes.entry(stream).or_default().header_extensions = extensions;
            next.run(Vec::new())
        })
    }

    /// The negotiated header extensions.
    pub fn header_extensions(&self) -> &[HeaderExtension] {
        &self.header_extensions
    }

    /// The codecs to announce; `None` while configuration of one is still unknown.
    pub fn codecs(&self) -> Option<Vec<Codec>> {
        (!self.associations.iter().any(|a| a.needs_config()))
            .then(|| self.live().map(|a| a.codec.clone()).collect())
    }

    /// The codecs to announce to a peer that needs no configuration.
    pub fn codecs_without_config(&self) -> Vec<Codec> {
        self.live().map(|a| without_config(&a.codec)).collect()
    }

    /// The first association whose configuration is still unknown.
    pub fn association_needing_config(&self) -> Option<&CodecAssociation> {
        self.associations.iter().find(|a| a.needs_config())
    }

    /// Learns configuration of the codec with this payload type from the caps its payloader
    /// produces. Returns whether anything is new.
    pub fn learn_config(&mut self, pt: PayloadType, caps: &gst::StructureRef) -> bool {
        let Some(association) = self
            .associations
            .iter_mut()
            .find(|a| a.is_live() && a.payload() == Some(pt))
        else {
            return false;
        };
        let codec = &mut association.codec;
        let mut changed = false;
        for (name, value) in caps.iter() {
            let Ok(value) = value.get::<&str>() else {
                continue;
            };
            if tables::is_config(codec, name) && codec.param(name) != Some(value) {
                codec.remove_param(name);
                codec.add_param(name, value);
                changed = true;
            }
        }
        changed
    }

    /// Every association, those outside the public lists included.
    pub fn associations(&self) -> &[CodecAssociation] {
        &self.associations
    }

    fn live(&self) -> impl Iterator<Item = &CodecAssociation> {
        self.associations.iter().filter(|a| a.is_live())
    }

    /// Whether any peer has told its codecs.
    pub fn has_remote_codecs(&self) -> bool {
        self.remotes.values().any(Remote::takes_part)
    }

    /// The association to send with: the one asked for if it can be sent, else the first
    /// that can.
    pub fn send_association(&self, wish: Option<&Codec>) -> Option<&CodecAssociation> {
        wish.and_then(|wish| {
            self.associations
                .iter()
                .find(|a| a.can_send() && a.is_meant_by(wish))
        })
        .or_else(|| self.associations.iter().find(|a| a.can_send()))
    }

    /// The association that packets with this payload type belong to.
    pub fn receive_association(&self, pt: PayloadType) -> Option<&CodecAssociation> {
        self.associations
            .iter()
            .find(|a| a.can_receive() && a.payload() == Some(pt))
    }

    /// What packets of this payload type from `stream` are decoded with.
    pub fn receive_codec(&self, stream: Option<StreamId>, pt: PayloadType) -> Option<Codec> {
        let association = self.receive_association(pt)?;
        stream
            .and_then(|stream| self.negotiated_codecs(stream))
            .and_then(|codecs| codecs.iter().find(|c| c.payload() == Some(pt)))
            .cloned()
            .or_else(|| Some(without_config(&association.codec)))
    }

    /// Runs a change on a copy and keeps it only if it succeeds.
    fn commit(&mut self, change: impl FnOnce(&mut Self) -> Result<Outcome>) -> Result<Outcome> {
        let mut next = self.clone();
        let outcome = change(&mut next)?;
        *self = next;
        Ok(outcome)
    }

    /// The whole negotiation.
    fn run(&mut self, mut refused: Vec<Refusal>) -> Result<Outcome> {
        let several_peers = self.remotes.values().filter(|r| r.takes_part()).count() > 1;
        let preferences: Vec<_> = self
            .preferences
            .iter()
            .chain(&self.off)
            .map(|preference| Preference {
                codec: preferences::with_default_feedback(&preference.codec, &self.defaults),
                kind: preference.kind.clone(),
            })
            .collect();
        let mut list = local::build(
            &self.blueprints,
            &preferences,
            &self.associations,
            &self.allowed,
            &mut refused,
        )
        .filter(|list| list.iter().any(CodecAssociation::can_send))
        .ok_or_else(|| no_codecs_left(&refused))?;
        let (mut extensions, mut used_ids) = header_extensions::local(&self.extension_preferences);

        for remote in self.remotes.values().filter(|r| r.takes_part()) {
            list = remote::intersect(&list, &remote.codecs, several_peers, &mut refused);
            if !list.iter().any(CodecAssociation::can_send) {
                return Err(negotiation_failed(&refused));
            }
            header_extensions::intersect(
                &mut extensions,
                &remote.header_extensions,
                several_peers,
                &mut used_ids,
            );
        }

        self.carry_over(&mut list);
        let extensions = header_extensions::finish(extensions, &used_ids);
        let codecs_changed = self.associations.len() != list.len()
            || self
                .associations
                .iter()
                .zip(&list)
                .any(|(old, new)| old.codec != new.codec || (old.state != new.state));
        let header_extensions_changed = self.header_extensions != extensions;
        self.associations = list;
        self.header_extensions = extensions;

        let mut streams_changed = Vec::new();
        for (id, remote) in self.remotes.iter_mut().filter(|(_, r)| r.takes_part()) {
            let negotiated = remote::stream_codecs(&self.associations, &remote.codecs);
            if remote.negotiated != negotiated {
                remote.negotiated = negotiated;
                streams_changed.push(*id);
            }
        }
        Ok(Outcome {
            codecs_changed,
            header_extensions_changed,
            streams_changed,
            refused,
        })
    }

    /// Keeps what an earlier list knew: payload types a peer may still use, and
    /// configuration.
    fn carry_over(&self, list: &mut Vec<CodecAssociation>) {
        for association in list.iter_mut().filter(|a| a.is_live()) {
            let earlier = self.associations.iter().find(|earlier| {
                matches!(earlier.state, State::Live | State::ReceiveOnly)
                    && earlier
                        .send_codec
                        .is_equal_but_for_id(&association.send_codec)
            });
            for param in earlier.iter().flat_map(|earlier| &earlier.codec.params) {
                if tables::is_config(&association.codec, &param.name)
                    && association.codec.param(&param.name).is_none()
                {
                    association.codec.add_param(&param.name, &param.value);
                }
            }
        }
        for earlier in self.associations.iter().filter(|a| a.can_receive()) {
            if !list.iter().any(|a| a.payload() == earlier.payload()) {
                list.push(CodecAssociation {
                    state: State::ReceiveOnly,
                    ..earlier.clone()
                });
            }
        }
    }
}

fn no_codecs_left(refused: &[Refusal]) -> Error {
    Error::new(
        ErrorCode::NoCodecsLeft,
        format!(
            "expected at least one codec that can be sent, the preferences and allowed caps \
             leave none{}",
            reasons(refused)
        ),
    )
}

fn negotiation_failed(refused: &[Refusal]) -> Error {
    Error::new(
        ErrorCode::NegotiationFailed,
        format!(
            "expected a codec in common with the peer, there is none{}",
            reasons(refused)
        ),
    )
}

fn reasons(refused: &[Refusal]) -> String {
    let lines: Vec<_> = refused.iter().map(Refusal::to_string).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!(": {}", lines.join("; "))
    }
}

/// The codecs of `new` whose configuration differs from `old`, which a peer that got
/// `old` must be sent again.
pub fn codecs_need_resend(old: &[Codec], new: &[Codec]) -> Vec<Codec> {
    let config = |codec: &Codec| {
        let mut params: Vec<_> = codec
            .params
            .iter()
            .filter(|p| tables::is_config(codec, &p.name))
            .map(|p| (p.name.to_ascii_lowercase(), p.value.clone()))
            .collect();
        params.sort();
        params
    };
    new.iter()
        .filter(|new| {
            old.iter().any(|old| {
                negotiate(old, ParamTypes::BOTH, new, ParamTypes::BOTH).is_ok()
                    && config(old) != config(new)
            })
        })
        .cloned()
        .collect()
}
