// SPDX-License-Identifier: MPL-2.0
//! Decides about every packet a stream's transport brings, before the engine sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use farstream::message;
use farstream::negotiation::StreamId;
use parking_lot::Mutex;

use super::drops::{Drops, Reason};
use super::inner::Inner;
use crate::transport::Gate;

/// The gate of one stream.
pub struct StreamGate {
    session: Weak<Inner>,
    stream: StreamId,
    /// The source of the last packet, and when it was looked up, so that most packets need
    /// no lock.
    last: AtomicU64,
    drops: Mutex<Drops>,
}

impl StreamGate {
    /// The gate for what `stream`'s transport brings.
    pub fn new(session: &Arc<Inner>, stream: StreamId) -> Self {
        Self {
            session: Arc::downgrade(session),
            stream,
            last: AtomicU64::new(0), // epochs begin at 1
            drops: Mutex::new(Drops::default()),
        }
    }

    fn drop_packet(&self, session: &Inner, reason: Reason) {
        let report = self.drops.lock().count(reason, Instant::now());
        let Some(report) = report else {
            return;
        };
        let name = {
            let state = session.state.lock();
            state
                .stream(self.stream)
                .and_then(|e| e.object.message_name())
        };
        if let Some(name) = name {
            session
                .context
                .post(message::packets_dropped(&name, &report));
            session.context.deliver();
        }
    }
}

impl Gate for StreamGate {
    fn rtp(&self, ssrc: u32, payload_type: u8, sure: bool) -> bool {
        let Some(session) = self.session.upgrade() else {
            return false;
        };
        if !session.payload_types.contains(payload_type) {
            self.drop_packet(&session, Reason::UnknownPayloadType(payload_type));
            return false;
        }
        let epoch = session.association_epoch.load(Ordering::Acquire);
        let known = u64::from(epoch) << 32 | u64::from(ssrc);
        if self.last.load(Ordering::Relaxed) != known {
            let admitted = {
                let associations = &mut session.state.lock().associations;
                if sure {
                    associations.learn(ssrc, self.stream).is_some()
                } else {
                    associations.admit_unknown(ssrc)
                }
            };
            if !admitted {
                self.drop_packet(&session, Reason::TooManySources);
                return false;
            }
            self.last.store(known, Ordering::Relaxed);
        }
        true
    }

    fn rtcp(&self, ssrc: u32, sure: bool) {
        if sure && let Some(session) = self.session.upgrade() {
            let _ = session.state.lock().associations.learn(ssrc, self.stream);
        }
    }

    fn malformed(&self) {
        if let Some(session) = self.session.upgrade() {
            self.drop_packet(&session, Reason::Malformed);
        }
    }
}
