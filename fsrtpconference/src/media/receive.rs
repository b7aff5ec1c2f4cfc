// SPDX-License-Identifier: MPL-2.0
//! The receive path of one source and payload type: from a pad of the RTP engine
//! through a codec bin.
//!
//! The streaming thread of the pad does all changes, between two buffers; what it should
//! be is decided elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use farstream::codec::pt_map_caps;
use farstream::{Codec, Error, PayloadType, Result};
use gst::prelude::*;
use parking_lot::Mutex;

use super::codec_bin::{self, ReceivePlan};
use crate::elements::{discard, static_pad};
use crate::worker::Worker;

/// Who decides. Called on streaming threads, without a lock held here.
pub trait ReceiveOwner: Send + Sync {
    /// What this source is to be decoded with; none while it is not known whose it is, or
    /// while nobody wants to receive.
    fn receive_plan(&self, substream: &Arc<Substream>) -> Option<ReceivePlan>;

    /// Media of `codec` is about to come out of `pad`, the `src` pad of a new codec bin.
    fn media_ready(&self, substream: &Arc<Substream>, codec: &Codec, pad: &gst::Pad);

    /// The codec bin could not be made.
    fn receive_failed(&self, substream: &Arc<Substream>, error: Error);
}

struct Current {
    bin: gst::Bin,
    plan: ReceivePlan,
}

/// One source under one payload type.
pub struct Substream {
    name: String,
    /// Who sends.
    pub ssrc: u32,
    /// As what.
    pub payload: PayloadType,
    rtp_pad: gst::Pad,
    conference: glib::WeakRef<gst::Bin>,
    worker: Worker,
    defaults: bool,
    owner: Weak<dyn ReceiveOwner>,
    /// Whether the plan must be looked at again.
    stale: AtomicBool,
    /// Whether the owner must be told of the output although the codec is the same.
    unannounced: AtomicBool,
    /// Whether buffers pass.
    receiving: AtomicBool,
    bins_made: AtomicU64,
    current: Mutex<Option<Current>>,
}

impl Substream {
    /// Takes over `rtp_pad` of the engine. Nothing passes before the owner has a plan.
    pub fn new(
        conference: &gst::Bin,
        rtp_pad: gst::Pad,
        (session, ssrc, payload): (u32, u32, PayloadType),
        owner: Weak<dyn ReceiveOwner>,
        worker: Worker,
        defaults: bool,
    ) -> Arc<Self> {
        let substream = Arc::new(Self {
            name: format!("recv_{session}_{ssrc}_{payload}"),
            ssrc,
            payload,
            rtp_pad: rtp_pad.clone(),
            conference: conference.downgrade(),
            worker,
            defaults,
            owner,
            stale: AtomicBool::new(true),
            unannounced: AtomicBool::new(false),
            receiving: AtomicBool::new(true),
            bins_made: AtomicU64::new(0),
            current: Mutex::new(None),
        });
        let types = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM;
        let weak = Arc::downgrade(&substream);
        rtp_pad.add_probe(types, move |_, info| {
            let substream = weak.upgrade();
            match (&mut info.data, substream) {
                // Events always pass: GStreamer 1.22 fails when a probe drops one.
                (Some(gst::PadProbeData::Event(event)), Some(substream)) => {
                    substream.complete_caps(event);
                    gst::PadProbeReturn::Ok
                }
                (Some(gst::PadProbeData::Event(_)), None) => gst::PadProbeReturn::Ok,
                (_, Some(substream)) if substream.on_data() => gst::PadProbeReturn::Ok,
                _ => gst::PadProbeReturn::Drop,
            }
        });
        substream
    }

    /// Names it within its session.
    pub fn key(&self) -> (u32, PayloadType) {
        (self.ssrc, self.payload)
    }

    /// Whether it sits on this pad of the engine.
    pub fn is_on(&self, pad: &gst::Pad) -> bool {
        self.rtp_pad == *pad
    }

    /// The codec in use.
    pub fn codec(&self) -> Option<Codec> {
        self.current.lock().as_ref().map(|c| c.plan.codec.clone())
    }

    /// The pad that media comes out of, once there is one.
    pub fn output(&self) -> Option<gst::Pad> {
        let bin = self.current.lock().as_ref()?.bin.clone();
        bin.static_pad("src")
    }

    /// The plan may be another now; looked at when the next buffer comes.
    pub fn invalidate(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Has the owner find a pad for the media again, when the next buffer comes.
    pub fn announce_again(&self) {
        self.unannounced.store(true, Ordering::Release);
        self.invalidate();
    }

    /// Whether media passes.
    pub fn set_receiving(&self, receiving: bool) {
        self.receiving.store(receiving, Ordering::Release);
    }

    /// A buffer came. Returns whether it goes on.
    fn on_data(self: &Arc<Self>) -> bool {
        if !self.receiving.load(Ordering::Acquire) {
            return false;
        }
        if self.stale.swap(false, Ordering::AcqRel) {
            self.replan();
        }
        // The application may have ended it in a callback just now.
        self.receiving.load(Ordering::Acquire) && self.current.lock().is_some()
    }

    fn replan(self: &Arc<Self>) {
        let Some(owner) = self.owner.upgrade() else {
            return;
        };
        let Some(plan) = owner.receive_plan(self) else {
            return;
        };
        let (same_bin, same_codec) = {
            let mut current = self.current.lock();
            match current.as_mut() {
                None => (false, false),
                Some(current) => {
                    let same_codec = current.plan.codec == plan.codec;
                    let same_bin = Arc::ptr_eq(&current.plan.blueprint, &plan.blueprint);
                    if same_bin {
                        current.plan = plan.clone();
                    }
                    (same_bin, same_codec)
                }
            }
        };
        let announce_again = self.unannounced.swap(false, Ordering::AcqRel);
        if same_bin && same_codec && !announce_again {
            return;
        }
        let result = match (same_bin, same_codec) {
            (true, true) => Ok(()),
            (true, false) => {
                // New configuration goes through the same decoder.
                self.push_caps(&plan.codec);
                Ok(())
            }
            (false, _) => self.exchange(&plan),
        };
        let announced = result.and_then(|()| {
            self.output()
                .ok_or_else(|| Error::construction("the codec bin has no src pad"))
        });
        match announced {
            Ok(pad) => owner.media_ready(self, &plan.codec, &pad),
            Err(error) => {
                owner.receive_failed(self, error.within(format_args!("receiving {}", plan.codec)))
            }
        }
    }

    fn exchange(&self, plan: &ReceivePlan) -> Result<()> {
        let conference = self
            .conference
            .upgrade()
            .ok_or_else(|| Error::disposed("the conference"))?;
        if let Some(old) = self.current.lock().take() {
            unlink(&self.rtp_pad, &old.bin);
            discard(&old.bin, &self.worker);
        }
        let made = self.bins_made.fetch_add(1, Ordering::Relaxed);
        let name = match made {
            0 => self.name.clone(),
            n => format!("{}_{n}", self.name),
        };
        let bin = codec_bin::receive_bin(&name, plan, self.defaults)?;
        conference.add(&bin)?;
        if let Err(error) = self.link(&bin) {
            discard(&bin, &self.worker);
            return Err(error);
        }
        *self.current.lock() = Some(Current {
            bin,
            plan: plan.clone(),
        });
        self.push_caps(&plan.codec);
        Ok(())
    }

    fn link(&self, bin: &gst::Bin) -> Result<()> {
        bin.sync_state_with_parent()?;
        self.rtp_pad.link(&static_pad(bin, "sink")?)?;
        Ok(())
    }

    /// Sends the caps of `codec` to the depayloader, before the buffer that waits.
    fn push_caps(&self, codec: &Codec) {
        let caps = match self.rtp_pad.current_caps() {
            Some(caps) => with_codec(&caps, codec),
            None => pt_map_caps(codec),
        };
        self.rtp_pad.push_event(gst::event::Caps::new(&caps));
    }

    /// The engine knows the session's codecs; the configuration is this peer's.
    fn complete_caps(&self, event: &mut gst::Event) {
        let Some(codec) = self.codec() else {
            return;
        };
        let caps = match event.view() {
            gst::EventView::Caps(caps) => with_codec(caps.caps(), &codec),
            _ => return,
        };
        *event = gst::event::Caps::builder(&caps)
            .seqnum(event.seqnum())
            .build();
    }

    /// Takes everything down: the pad is gone or not wanted any more.
    pub fn dismantle(&self) {
        self.set_receiving(false);
        let Some(current) = self.current.lock().take() else {
            return;
        };
        unlink(&self.rtp_pad, &current.bin);
        discard(&current.bin, &self.worker);
    }
}

fn unlink(rtp_pad: &gst::Pad, bin: &gst::Bin) {
    if let Some(sink) = bin.static_pad("sink")
        && sink.peer().as_ref() == Some(rtp_pad)
    {
        let _ = rtp_pad.unlink(&sink);
    }
}

/// `caps` with the fields of `codec`, its own values winning.
fn with_codec(caps: &gst::CapsRef, codec: &Codec) -> gst::Caps {
    let mut caps = caps.to_owned();
    let ours = pt_map_caps(codec);
    if let (Some(s), Some(ours)) = (caps.make_mut().structure_mut(0), ours.structure(0)) {
        for (name, value) in ours.iter() {
            s.set_value(name, value.clone());
        }
    }
    caps
}
