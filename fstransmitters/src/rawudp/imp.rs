// SPDX-License-Identifier: MPL-2.0
//! The element: class, pads by request, states and events. What it does is in the modules beside
//! it.

use std::borrow::Cow;
use std::sync::LazyLock;

use glib::subclass::Signal;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::source::Item;
use super::state::State;
use super::{CAT, actions, pads, properties};

#[derive(Default)]
pub struct RawUdpTransmitter {
    pub(super) state: Mutex<State>,
}

#[glib::object_subclass]
impl ObjectSubclass for RawUdpTransmitter {
    const NAME: &'static str = "GstFsRawUdpTransmitter";
    type Type = super::RawUdpTransmitter;
    type ParentType = gst::Element;
}

impl ObjectImpl for RawUdpTransmitter {
    fn properties() -> &'static [glib::ParamSpec] {
        properties::all()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        properties::set(self, pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        properties::get(&self.state.lock().settings, pspec)
    }

    fn signals() -> &'static [Signal] {
        actions::signals()
    }

    fn constructed(&self) {
        self.parent_constructed();
        // A sink, so that the bin waits for our EOS; a source, so that it sends us one.
        self.obj()
            .set_element_flags(gst::ElementFlags::SINK | gst::ElementFlags::SOURCE);
    }

    fn dispose(&self) {
        let components = std::mem::take(&mut self.state.lock().components);
        for component in components {
            // A thread that is sending may have a reference yet: close the socket now, not when it
            // is done.
            component.membership.leave();
        }
    }
}

impl GstObjectImpl for RawUdpTransmitter {}

impl ElementImpl for RawUdpTransmitter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::with_cow(
                "Raw UDP transmitter".into(),
                "Generic/Bin/Network/Transmitter".into(),
                "Carries the packets of a stream over plain UDP".into(),
                "Farstream in Rust".into(),
                Cow::Borrowed(&[(Cow::Borrowed("fs-transmitter"), Cow::Borrowed("rawudp"))]),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        pads::templates()
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        match self.new_pad(template, name) {
            Ok(pad) => Some(pad),
            Err(error) => {
                gst::warning!(CAT, imp = self, "no pad: {error}");
                None
            }
        }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        {
            let mut state = self.state.lock();
            state.sinks.retain(|_, sink| sink != pad);
            state.sources.retain(|_, source| source.pad != *pad);
        }
        if let Err(error) = pad.set_active(false) {
            gst::warning!(CAT, imp = self, "{error}");
        }
        if let Err(error) = self.obj().remove_pad(pad) {
            gst::warning!(CAT, imp = self, "{error}");
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        use gst::StateChange::{PausedToPlaying, PausedToReady, PlayingToPaused, ReadyToPaused};
        match transition {
            ReadyToPaused => self.prepare(),
            PlayingToPaused => {
                let now = self.obj().current_running_time();
                let mut state = self.state.lock();
                state.playing = false;
                state.paused_at = now.unwrap_or_default();
            }
            PausedToReady => self.state.lock().running = false,
            _ => {}
        }
        let success = self.parent_change_state(transition)?;
        match transition {
            ReadyToPaused => self.state.lock().running = true,
            PausedToPlaying => {
                let sent_all = {
                    let mut state = self.state.lock();
                    state.playing = true;
                    state.sent_all
                };
                if let Some(seqnum) = sent_all {
                    self.post_eos(seqnum);
                }
            }
            PausedToReady => self.state.lock().sent_all = None,
            _ => {}
        }
        Ok(match transition {
            // Live: packets come when the peer sends them, not for a preroll.
            ReadyToPaused | PlayingToPaused => gst::StateChangeSuccess::NoPreroll,
            _ => success,
        })
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Eos(_) => self.end(event),
            gst::EventView::CustomDownstream(_) => {
                let sources: Vec<_> = self.state.lock().sources.values().cloned().collect();
                for source in &sources {
                    source.deliver(Item::Event(event.clone()));
                }
                !sources.is_empty()
            }
            view => {
                let is_latency = matches!(view, gst::EventView::Latency(_));
                // Others that go downstream would break the order of the packets.
                event.is_upstream() && self.send_upstream(&event) || is_latency
            }
        }
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            pads::answer_latency(latency);
            return true;
        }
        self.parent_query(query)
    }
}

impl RawUdpTransmitter {
    fn prepare(&self) {
        let sources: Vec<_> = {
            let mut state = self.state.lock();
            state.ended = false;
            state.sent_all = None;
            state.paused_at = gst::ClockTime::ZERO;
            state.sources.values().cloned().collect()
        };
        for source in sources {
            source.restart();
        }
    }

    /// The application ends reception.
    fn end(&self, eos: gst::Event) -> bool {
        let (sources, sink) = {
            let mut state = self.state.lock();
            if !state.running {
                return false;
            }
            if std::mem::replace(&mut state.ended, true) {
                return true;
            }
            let sources: Vec<_> = state.sources.values().cloned().collect();
            (sources, state.sinks.get(&farstream::COMPONENT_RTP).cloned())
        };
        let seqnum = eos.seqnum();
        for source in sources {
            source.deliver(Item::Event(eos.clone()));
        }
        // Without anything to send, no EOS ever comes on sink_1, and the bin would wait for ever.
        if !sink.is_some_and(|sink| sink.is_linked()) {
            self.sent_all(seqnum);
        }
        true
    }

    /// There is nothing more to send.
    pub(super) fn sent_all(&self, seqnum: gst::Seqnum) {
        let playing = {
            let mut state = self.state.lock();
            state.sent_all = Some(seqnum);
            state.playing
        };
        // Like any sink: in PAUSED the message waits for PLAYING.
        if playing {
            self.post_eos(seqnum);
        }
    }

    fn post_eos(&self, seqnum: gst::Seqnum) {
        let obj = self.obj();
        let eos = gst::message::Eos::builder().src(&*obj).seqnum(seqnum);
        self.post(eos.build());
    }

    pub(super) fn post(&self, message: gst::Message) {
        if let Err(error) = self.obj().post_message(message) {
            gst::debug!(CAT, imp = self, "nobody reads the message: {error}");
        }
    }

    /// Sends an event up from all `sink` pads.
    pub(super) fn send_upstream(&self, event: &gst::Event) -> bool {
        let sinks: Vec<_> = self.state.lock().sinks.values().cloned().collect();
        sinks
            .iter()
            .filter(|sink| sink.push_event(event.clone()))
            .count()
            > 0
    }
}
