// SPDX-License-Identifier: MPL-2.0
//! The session's side of negotiation: passes changes to the core and carries out what
//! comes of them.

use farstream::codec::{Codec, codecs_from_caps, codecs_to_caps};
use farstream::negotiation::{Outcome, StreamId, codecs_need_resend};
use farstream::{Error, HeaderExtension, Result, message};

use super::inner::{Inner, State};

/// RTCP's minimum interval unless a codec asks for less (RFC 3550 section 6.2).
const RTCP_MIN_INTERVAL_MS: u32 = 5000;

impl Inner {
    /// The news of a session just made.
    pub fn announce_codecs(&self) {
        let state = self.state.lock();
        self.settle(
            &state,
            &Outcome {
                codecs_changed: true,
                ..Outcome::default()
            },
        );
        drop(state);
        self.follow_up(true);
    }

    /// Runs a change of the negotiation and carries out what comes of it.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<Outcome>) -> Result<()> {
        let codecs_changed = {
            let mut state = self.live_state()?;
            let outcome = change(&mut state)?;
            self.settle(&state, &outcome);
            outcome.codecs_changed
        };
        self.follow_up(codecs_changed);
        Ok(())
    }

    /// What must happen under the lock: news in order, and what packets may come in.
    fn settle(&self, state: &State, outcome: &Outcome) {
        self.payload_types.set(
            state
                .negotiator
                .associations()
                .iter()
                .filter(|association| association.can_receive())
                .filter_map(|association| association.payload()),
        );
        if outcome.codecs_changed {
            self.notify("codecs");
            self.notify("codecs-without-config");
            self.post(|name| message::codecs_changed(name, &outcome.refused));
        }
        if outcome.header_extensions_changed {
            self.notify("rtp-header-extensions");
        }
        for id in &outcome.streams_changed {
            if let Some(entry) = state.stream(*id) {
                self.context.notify(&entry.object, "negotiated-codecs");
            }
        }
    }

    /// What must happen without the lock: telling the elements, delivering the news.
    pub(super) fn follow_up(&self, codecs_changed: bool) {
        if codecs_changed {
            if let Ok(engine) = self.context.engine() {
                engine.clear_payload_caps();
            }
            let feedback = self
                .state
                .lock()
                .negotiator
                .codecs_without_config()
                .iter()
                .any(|codec| !codec.feedback.is_empty());
            self.path.engine.set_early_feedback(feedback);
        }
        self.path.send.invalidate();
        for source in &self.state.lock().sources {
            source.substream.invalidate();
        }
        self.context.deliver();
    }

    /// Replaces the codec preferences; `None` goes back to the defaults.
    pub fn set_codec_preferences(&self, caps: Option<&gst::Caps>) -> Result<()> {
        drop(self.live_state()?);
        let wishes = caps
            .map(|caps| codecs_from_caps(caps, self.settings.media))
            .transpose()?;
        self.change(|state| {
            let outcome = state.negotiator.set_codec_preferences(wishes)?;
            self.notify("codec-preferences");
            if !outcome.codecs_changed && !outcome.refused.is_empty() {
                // The codecs are the same, but some wishes were not granted.
                self.post(|name| message::codecs_changed(name, &outcome.refused));
            }
            Ok(outcome)
        })
    }

    /// Replaces the formats let in, out, or both; `None` keeps what is.
    pub fn set_allowed_caps(
        &self,
        sink: Option<&gst::Caps>,
        src: Option<&gst::Caps>,
    ) -> Result<()> {
        if sink.is_none() && src.is_none() {
            return self.live_state().map(|_| ());
        }
        self.change(|state| {
            let outcome = state
                .negotiator
                .set_allowed_caps(sink.cloned(), src.cloned())?;
            for (caps, property) in [(sink, "allowed-sink-caps"), (src, "allowed-src-caps")] {
                if caps.is_some() {
                    self.notify(property);
                }
            }
            Ok(outcome)
        })?;
        if let Some(sink) = sink {
            self.path.send.set_allowed_caps(sink);
        }
        Ok(())
    }

    /// The peer of `stream` offers or answers these codecs.
    pub fn set_remote_codecs(&self, stream: StreamId, caps: &gst::Caps) -> Result<()> {
        drop(self.live_state()?);
        let codecs = codecs_from_caps(caps, self.settings.media)?;
        self.change(|state| {
            let same = state.negotiator.remote_codecs(stream) == Some(codecs.as_slice());
            let outcome = state.negotiator.set_remote_codecs(stream, codecs)?;
            if let Some(entry) = state.stream(stream).filter(|_| !same) {
                self.context.notify(&entry.object, "remote-codecs");
            }
            Ok(outcome)
        })
    }

    /// Replaces the header extensions wished for.
    pub fn set_header_extension_preferences(&self, wishes: Vec<HeaderExtension>) -> Result<()> {
        self.change(|state| {
            let outcome = state.negotiator.set_header_extension_preferences(wishes)?;
            self.notify("rtp-header-extension-preferences");
            Ok(outcome)
        })
    }

    /// Replaces the header extensions the peer of `stream` offers.
    pub fn set_remote_header_extensions(
        &self,
        stream: StreamId,
        list: Vec<HeaderExtension>,
    ) -> Result<()> {
        self.change(|state| state.negotiator.set_remote_header_extensions(stream, list))
    }

    /// The peer of `stream` is gone.
    pub(super) fn forget_remote(&self, stream: StreamId) {
        // A destroyed session has nothing left to negotiate.
        let _ = self.change(|state| Ok(state.negotiator.remove_stream(stream)));
    }

    /// Sends with the codec meant by `caps` from the next buffer on.
    pub fn set_send_codec(&self, caps: &gst::Caps) -> Result<()> {
        drop(self.live_state()?);
        self.choose_send_codec(Some(caps), true)
    }

    /// The same as a wish that may come before the codecs it is about; `None` leaves the
    /// choice to negotiation.
    pub fn wish_send_codec(&self, caps: Option<&gst::Caps>) -> Result<()> {
        let agreed = self.live_state()?.negotiator.has_remote_codecs();
        self.choose_send_codec(caps, agreed)
    }

    fn choose_send_codec(&self, caps: Option<&gst::Caps>, must_be_ours: bool) -> Result<()> {
        let wish = match caps {
            None => None,
            Some(caps) => {
                let list = codecs_from_caps(caps, self.settings.media)?;
                match <[Codec; 1]>::try_from(list) {
                    Ok([codec]) => Some(codec),
                    Err(list) => {
                        return Err(Error::invalid(format!(
                            "expected caps with one codec to send with, got {}",
                            list.len()
                        )));
                    }
                }
            }
        };
        {
            let mut state = self.live_state()?;
            if let Some(wish) = wish.as_ref().filter(|_| must_be_ours) {
                check_wish(&state, wish)?;
            }
            state.send_wish = wish;
            self.notify("send-codec");
        }
        self.follow_up(false);
        Ok(())
    }

    /// The codecs of `new` that a peer who got `old` must be sent again.
    pub fn codecs_need_resend(&self, old: &gst::Caps, new: &gst::Caps) -> Result<Vec<Codec>> {
        let media = self.settings.media;
        Ok(codecs_need_resend(
            &codecs_from_caps(old, media)?,
            &codecs_from_caps(new, media)?,
        ))
    }

    /// Lets reports come as often as the codecs in use allow.
    pub(super) fn update_rtcp_interval(&self) {
        let interval = {
            let state = self.state.lock();
            let received = state
                .sources
                .iter()
                .filter_map(|source| source.substream.codec()?.trr_int);
            let sent = state.current_send_codec.as_ref().and_then(|c| c.trr_int);
            received.chain(sent).fold(RTCP_MIN_INTERVAL_MS, u32::min)
        };
        self.path
            .engine
            .set_rtcp_min_interval(gst::ClockTime::from_mseconds(interval.into()));
    }
}

/// A codec to send with must be among ours.
fn check_wish(state: &State, wish: &Codec) -> Result<()> {
    let ours = state.negotiator.associations();
    if ours.iter().any(|a| a.can_send() && a.is_meant_by(wish)) {
        return Ok(());
    }
    let known: Vec<_> = ours
        .iter()
        .filter(|a| a.can_send())
        .map(|a| &a.codec)
        .collect();
    Err(Error::invalid(format!(
        "expected one of this session's codecs to send with ({}), got {wish}",
        codecs_to_caps(known)
    )))
}
