// SPDX-License-Identifier: MPL-2.0
//! A `src` pad and the one stream of packets and events that leaves it.
//!
//! Packets come from an I/O thread, EOS from the application's. Whoever finds nobody pushing pushes
//! for all, so the pad never sees two threads at once and nobody waits for downstream but the one
//! who pushes.

use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use gst::event::{Segment, StreamStart};
use gst::prelude::*;
use parking_lot::{Condvar, Mutex};

use super::serial::Serial;

/// As many packets wait while another thread pushes an event; more than that are thrown away.
const MAX_WAITING: usize = 64;
/// Within this time a thread that has begun to push is in the pad or beyond, wherever it stays
/// then.
const BEGINS: Duration = Duration::from_millis(100);

/// What leaves the pad.
#[derive(Debug)]
pub enum Item {
    Packet(gst::Buffer),
    Event(gst::Event),
}

#[derive(Debug)]
pub struct Source {
    pub pad: gst::Pad,
    stream_start: gst::Event,
    flow: Mutex<Flow>,
    /// The one at work is done.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Flow {
    queue: Serial<Item>,
    /// Who pushes now.
    worker: Option<ThreadId>,
}

impl Source {
    /// `stream_start` is sent first.
    pub fn new(pad: gst::Pad, stream_start: gst::Event) -> Self {
        Self {
            pad,
            stream_start,
            flow: Mutex::default(),
            idle: Condvar::new(),
        }
    }

    /// Pushes `item`, or leaves it to the thread that is pushing now. Downstream's answer does not
    /// matter: a peer sends on whether anybody listens or not. The caller holds no lock.
    pub fn deliver(&self, item: Item) {
        {
            let mut flow = self.flow.lock();
            if matches!(item, Item::Packet(_)) && flow.queue.len() >= MAX_WAITING {
                return;
            }
            if !flow.queue.add([item]) {
                return;
            }
            flow.worker = Some(thread::current().id());
        }
        while let Some(item) = self.next() {
            self.push(item);
        }
    }

    fn next(&self) -> Option<Item> {
        let mut flow = self.flow.lock();
        let item = flow.queue.next();
        if item.is_none() {
            flow.worker = None;
            self.idle.notify_all();
        }
        item
    }

    /// Before the pad is activated again: forgets what waits, and lets a push that began before
    /// end, or get so far that the pad has refused it. Otherwise it could slip into the newly
    /// active pad ahead of the events that must come first. Does not wait for downstream, nor for
    /// this thread itself.
    pub fn restart(&self) {
        let deadline = Instant::now() + BEGINS;
        let mut flow = self.flow.lock();
        flow.queue.clear();
        while flow
            .worker
            .is_some_and(|worker| worker != thread::current().id())
        {
            if self.idle.wait_until(&mut flow, deadline).timed_out() {
                return;
            }
        }
    }

    fn push(&self, item: Item) {
        if !self.start() {
            return;
        }
        match item {
            Item::Packet(packet) => {
                if let Err(error) = self.pad.push(packet) {
                    gst::trace!(super::CAT, obj = self.pad, "packet not taken: {error}");
                }
            }
            Item::Event(event) => {
                self.pad.push_event(event);
            }
        }
    }

    /// Sends what must come first, if it has not. False if the pad is not active. The pad knows
    /// best what it has sent: it forgets that whenever it is deactivated.
    fn start(&self) -> bool {
        let started = || self.pad.sticky_event::<StreamStart>(0).is_some();
        if !started() {
            self.pad.push_event(self.stream_start.clone());
        }
        let has_segment = || self.pad.sticky_event::<Segment>(0).is_some();
        if started() && !has_segment() {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.pad.push_event(Segment::new(&segment));
        }
        started() && has_segment()
    }
}
