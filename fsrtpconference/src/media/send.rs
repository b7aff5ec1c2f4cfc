// SPDX-License-Identifier: MPL-2.0
//! The send path of a session: from its sink pad to the RTP engine.
//!
//! ```text
//! sink pad ─► capsfilter ─► clocksync ─► tee ─► [send bin] ─► capsfilter ─► engine
//!                                         └──► [configuration discovery]
//! ```
//!
//! Sources that are not live are paced by the clock. What to send with is decided
//! elsewhere; the send bin is exchanged here, on the streaming thread and between two
//! buffers, so nothing is ever in flight in it while it goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use farstream::codec::payloader_caps;
use farstream::{Codec, Error, PayloadType, Result};
use gst::prelude::*;
use parking_lot::Mutex;

use super::codec_bin::{self, Continuation, SendBin, SendPlan};
use super::config_discovery::ConfigDiscovery;
use crate::elements::{discard, make, request_pad, static_pad, stop_and_remove};
use crate::engine::EngineSession;
use crate::worker::Worker;

/// Who decides. Called on streaming threads, without a lock held here.
pub trait SendOwner: Send + Sync {
    /// What to send with now; none if nothing was agreed on.
    fn send_plan(&self) -> Option<SendPlan>;

    /// A codec whose configuration must be learned from its encoder.
    fn config_plan(&self) -> Option<SendPlan>;

    /// Sending goes on with this codec.
    fn send_codec_changed(&self, codec: &Codec);

    /// A payloader showed the caps of its stream.
    fn caps_learned(&self, pt: PayloadType, caps: &gst::StructureRef);

    /// The send bin could not be made.
    fn send_failed(&self, error: Error);
}

/// The bin in use and what it was made for.
struct Current {
    send: SendBin,
    plan: SendPlan,
}

/// What the streaming thread works on.
struct Line {
    current: Option<Current>,
    discovery: Option<ConfigDiscovery>,
    sequence: u16,
    bins_made: u32,
}

/// The send path of one session.
pub struct SendPath {
    name: String,
    conference: glib::WeakRef<gst::Bin>,
    worker: Worker,
    defaults: bool,
    timestamp_offset: u32,
    filter: gst::Element,
    clocksync: gst::Element,
    tee: gst::Element,
    media_pad: gst::Pad,
    out: gst::Element,
    owner: OnceLock<Weak<dyn SendOwner>>,
    /// Whether anybody wants the media.
    open: AtomicBool,
    /// Whether the plan must be looked at again.
    plan_stale: AtomicBool,
    /// The same for configuration that is to be learned.
    config_stale: AtomicBool,
    line: Mutex<Line>,
}

impl SendPath {
    /// Builds the path up to where the send bin will be. `allowed` is what the sink pad
    /// takes.
    pub fn new(
        conference: &gst::Bin,
        session: &EngineSession,
        worker: Worker,
        allowed: &gst::Caps,
        defaults: bool,
    ) -> Result<Arc<Self>> {
        let number = session.number;
        let make = |factory: &str, name: &str| make(factory, &format!("{name}_{number}"));
        let filter = make("capsfilter", "send_input")?;
        filter.set_property("caps", allowed);
        let clocksync = make("clocksync", "send_clock")?;
        let tee = make("tee", "send_tee")?;
        tee.set_property("allow-not-linked", true);
        let out = make("capsfilter", "send_output")?;

        let elements = [&filter, &clocksync, &tee, &out];
        conference.add_many(elements)?;
        gst::Element::link_many([&filter, &clocksync, &tee])?;
        let media_pad = request_pad(&tee, "src_%u")?;
        let out_src = static_pad(&out, "src")?;
        out_src.link(&session.send_rtp_sink)?;
        for element in elements {
            let _ = element.sync_state_with_parent();
        }

        let path = Arc::new(Self {
            name: format!("send_{number}"),
            conference: conference.downgrade(),
            worker,
            defaults,
            timestamp_offset: glib::random_int(),
            filter,
            clocksync,
            tee,
            media_pad,
            out,
            owner: OnceLock::new(),
            open: AtomicBool::new(false),
            plan_stale: AtomicBool::new(true),
            config_stale: AtomicBool::new(true),
            line: Mutex::new(Line {
                current: None,
                discovery: None,
                sequence: glib::random_int() as u16,
                bins_made: 0,
            }),
        });
        path.watch(&out_src);
        Ok(path)
    }

    /// Says who decides. Until then nothing is sent.
    pub fn set_owner(&self, owner: Weak<dyn SendOwner>) {
        let _ = self.owner.set(owner);
    }

    fn owner(&self) -> Option<Arc<dyn SendOwner>> {
        self.owner.get()?.upgrade()
    }

    fn watch(self: &Arc<Self>, out_src: &gst::Pad) {
        let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let path = Arc::downgrade(self);
        self.media_pad.add_probe(types, move |_, _| {
            match path.upgrade().is_some_and(|path| path.on_data()) {
                true => gst::PadProbeReturn::Ok,
                false => gst::PadProbeReturn::Drop,
            }
        });
        let path = Arc::downgrade(self);
        out_src.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let (Some(path), Some(gst::EventView::Caps(caps))) =
                (path.upgrade(), info.event().map(|event| event.view()))
                && let Some(owner) = path.owner()
                && let Some(s) = caps.caps().structure(0)
            {
                learn(&*owner, s);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// The pad that takes the application's media.
    pub fn input(&self) -> Option<gst::Pad> {
        self.filter.static_pad("sink")
    }

    /// What the sink pad takes from now on.
    pub fn set_allowed_caps(&self, caps: &gst::Caps) {
        self.filter.set_property("caps", caps);
    }

    /// Something about the codecs changed; looked at when the next buffer comes.
    pub fn invalidate(&self) {
        self.plan_stale.store(true, Ordering::Release);
        self.config_stale.store(true, Ordering::Release);
    }

    /// Whether there is anybody to send to. While not, nothing is encoded.
    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Release);
    }

    /// Asks the encoder for a key frame, for a peer that just came.
    pub fn request_key_frame(&self) {
        let event = gst::event::CustomUpstream::new(
            gst::Structure::builder("GstForceKeyUnit")
                .field("all-headers", true)
                .build(),
        );
        if let Some(pad) = self.out.static_pad("src") {
            pad.send_event(event);
        }
    }

    /// A buffer came. Returns whether it goes on.
    fn on_data(&self) -> bool {
        if self.config_stale.swap(false, Ordering::AcqRel) {
            self.discover();
        }
        if !self.open.load(Ordering::Acquire) {
            return false;
        }
        if self.plan_stale.swap(false, Ordering::AcqRel) {
            self.replan();
        }
        self.line.lock().current.is_some()
    }

    /// Starts or ends the discovery of configuration, as the owner wishes.
    fn discover(&self) {
        let (Some(owner), Some(conference)) = (self.owner(), self.conference.upgrade()) else {
            return;
        };
        let wanted = owner.config_plan();
        let finished = {
            let mut line = self.line.lock();
            let running = line.discovery.as_ref().map(|d| d.codec().clone());
            if running.as_ref() == wanted.as_ref().map(|plan| &plan.send_codec) {
                return;
            }
            line.discovery.take()
        };
        if let Some(finished) = finished {
            finished.stop(&self.worker);
        }
        let Some(plan) = wanted else {
            return;
        };
        let name = format!("{}_discovery", self.name);
        let owner_of_caps = Arc::downgrade(&owner);
        let started = ConfigDiscovery::start(
            &conference,
            &self.tee,
            &name,
            &plan,
            self.defaults,
            move |caps| {
                if let Some(owner) = owner_of_caps.upgrade() {
                    learn(&*owner, caps);
                }
            },
        );
        match started {
            Ok(discovery) => self.line.lock().discovery = Some(discovery),
            Err(error) => owner.send_failed(
                error.within(format_args!("learning the configuration of {}", plan.codec)),
            ),
        }
    }

    /// Makes the send bin what the owner wishes.
    fn replan(&self) {
        let Some(owner) = self.owner() else {
            return;
        };
        let Some(plan) = owner.send_plan() else {
            return;
        };
        let announced_before = {
            let mut line = self.line.lock();
            line.current.as_mut().map(|current| {
                let announced = current.plan.codec.clone();
                let same = current.plan.send_codec == plan.send_codec
                    && Arc::ptr_eq(&current.plan.blueprint, &plan.blueprint);
                if same {
                    current.plan = plan.clone();
                }
                (announced, same)
            })
        };
        if !announced_before.as_ref().is_some_and(|(_, same)| *same)
            && let Err(error) = self.exchange(&plan)
        {
            owner.send_failed(error.within(format_args!("sending with {}", plan.send_codec)));
            return;
        }
        if announced_before.is_none_or(|(announced, _)| announced != plan.codec) {
            owner.send_codec_changed(&plan.codec);
        }
    }

    fn exchange(&self, plan: &SendPlan) -> Result<()> {
        let conference = self
            .conference
            .upgrade()
            .ok_or_else(|| Error::disposed("the conference"))?;
        self.remove_current();
        let (name, sequence) = {
            let mut line = self.line.lock();
            line.bins_made += 1;
            (format!("{}_{}", self.name, line.bins_made), line.sequence)
        };
        let send = codec_bin::send_bin(
            &name,
            plan,
            self.defaults,
            Continuation {
                timestamp_offset: self.timestamp_offset,
                sequence,
            },
        )?;
        let caps = payloader_caps(&plan.send_codec, &plan.blueprint.rtp_caps);
        self.out.set_property("caps", &caps);
        conference.add(&send.bin)?;
        if let Err(error) = self.link(&send.bin) {
            discard(&send.bin, &self.worker);
            return Err(error);
        }
        self.line.lock().current = Some(Current {
            send,
            plan: plan.clone(),
        });
        Ok(())
    }

    fn link(&self, bin: &gst::Bin) -> Result<()> {
        bin.link_pads(Some("src"), &self.out, Some("sink"))?;
        bin.sync_state_with_parent()?;
        self.media_pad.link(&static_pad(bin, "sink")?)?;
        Ok(())
    }

    /// Takes the present bin out. The stream it made can be continued.
    fn remove_current(&self) {
        let Some(current) = ({
            let mut line = self.line.lock();
            let current = line.current.take();
            if let Some(current) = &current
                && current
                    .send
                    .payloader
                    .has_property_with_type("seqnum", u32::static_type())
            {
                let last: u32 = current.send.payloader.property("seqnum");
                line.sequence = (last as u16).wrapping_add(1);
            }
            current
        }) else {
            return;
        };
        let bin = current.send.bin;
        if let Some(sink) = bin.static_pad("sink") {
            let _ = self.media_pad.unlink(&sink);
        }
        bin.unlink(&self.out);
        discard(&bin, &self.worker);
    }

    /// Takes everything down. Runs on the worker, after the sink pad was deactivated.
    pub fn dismantle(&self) {
        let Some(conference) = self.conference.upgrade() else {
            return;
        };
        self.set_open(false);
        let (current, discovery) = {
            let mut line = self.line.lock();
            (line.current.take(), line.discovery.take())
        };
        if let Some(discovery) = discovery {
            discovery.stop(&self.worker);
        }
        let bin = current.map(|current| current.send.bin.upcast::<gst::Element>());
        for element in [&self.filter, &self.clocksync, &self.tee]
            .into_iter()
            .chain(bin.as_ref())
            .chain([&self.out])
        {
            stop_and_remove(&conference, element);
        }
    }
}

/// Tells the owner what a payloader's caps say.
fn learn(owner: &dyn SendOwner, caps: &gst::StructureRef) {
    let pt = caps
        .get::<i32>("payload")
        .ok()
        .and_then(|number| u8::try_from(number).ok())
        .and_then(PayloadType::new);
    if let Some(pt) = pt {
        owner.caps_learned(pt, caps);
    }
}
