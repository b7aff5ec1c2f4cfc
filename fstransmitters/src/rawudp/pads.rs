// SPDX-License-Identifier: MPL-2.0
//! The pads: making them, and what their packets, events and queries do.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use farstream::{COMPONENT_RTP, Error, Result};
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::drops::Reason;
use super::imp::RawUdpTransmitter;
use super::notices::Notice;
use super::shared::Membership;
use super::source::{Item, Source};
use crate::io::MAX_PAYLOAD;

/// Marks packets that may belong to another participant.
const SOURCE_UNKNOWN: &str = "FsSourceUnknown";

pub fn templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        [
            ("sink_%u", gst::PadDirection::Sink),
            ("src_%u", gst::PadDirection::Src),
        ]
        .into_iter()
        .filter_map(|(name, direction)| {
            let caps = gst::Caps::new_any();
            gst::PadTemplate::new(name, direction, gst::PadPresence::Request, &caps).ok()
        })
        .collect()
    });
    &TEMPLATES
}

/// Packets are passed on as they come.
pub fn answer_latency(query: &mut gst::query::Latency) {
    query.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
}

/// The component that a pad is asked for: the one in its name, or the lowest that has none yet.
fn component(
    prefix: &str,
    name: Option<&str>,
    count: u32,
    taken: impl Fn(u32) -> bool,
) -> Result<u32> {
    let number = match name.filter(|name| !name.contains('%')) {
        Some(name) => name
            .strip_prefix(prefix)
            .and_then(|number| number.parse().ok())
            .filter(|number| format!("{prefix}{number}") == name),
        None => (1..=count).find(|number| !taken(*number)),
    };
    match number {
        Some(number) if taken(number) => {
            Err(Error::invalid(format!("{prefix}{number} exists already")))
        }
        Some(number) if (1..=count).contains(&number) => Ok(number),
        _ => Err(Error::invalid(format!(
            "expected a name from {prefix}1 to {prefix}{count}, got {}; the properties components \
             and rtcp-mux tell how many there are",
            name.unwrap_or("none, and all exist")
        ))),
    }
}

impl RawUdpTransmitter {
    pub(super) fn new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
    ) -> Result<gst::Pad> {
        let pad = {
            let mut state = self.state.lock();
            let count = state.settings.count();
            if template.direction() == gst::PadDirection::Sink {
                let number = component("sink_", name, count, |n| state.sinks.contains_key(&n))?;
                let pad = sink_pad(template, number);
                state.sinks.insert(number, pad.clone());
                pad
            } else {
                let number = component("src_", name, count, |n| state.sources.contains_key(&n))?;
                let group = *state.group.get_or_insert_with(gst::GroupId::next);
                let source = Arc::new(source(template, number, group));
                state.sources.insert(number, source.clone());
                source.pad.clone()
            }
        };
        // Always: the state may change right now.
        let added = pad.set_active(true).and_then(|()| self.obj().add_pad(&pad));
        if let Err(error) = added {
            let mut state = self.state.lock();
            state.sinks.retain(|_, sink| *sink != pad);
            state.sources.retain(|_, source| source.pad != pad);
            return Err(Error::new(
                farstream::ErrorCode::Internal,
                error.to_string(),
            ));
        }
        Ok(pad)
    }

    /// A packet came; its I/O thread calls this.
    pub(super) fn receive(&self, component: u32, packet: &[u8], known: bool) {
        let (source, paused_at) = {
            let state = self.state.lock();
            if !state.running || state.ended {
                return;
            }
            let Some(source) = state.sources.get(&component) else {
                return;
            };
            (source.clone(), (!state.playing).then_some(state.paused_at))
        };
        if !source.pad.is_linked() {
            return;
        }
        // In PAUSED running time stands still.
        let now = paused_at.or_else(|| self.obj().current_running_time());
        match buffer(packet, now, known) {
            Some(buffer) => source.deliver(Item::Packet(buffer)),
            None => gst::warning!(CAT, imp = self, "no memory for a packet"),
        }
    }

    /// Sends packets of one component. Nothing that the network does ever stops a call.
    fn send<'a>(&self, component: u32, packets: impl IntoIterator<Item = &'a gst::BufferRef>) {
        let (destination, unreported) = {
            let state = self.state.lock();
            (state.destination(component), state.drops.any())
        };
        let mut failed = Vec::new();
        if let Some((membership, address)) = destination {
            failed.extend(packets.into_iter().filter_map(|packet| {
                let reason = send_one(&membership, packet, address).err()?;
                gst::trace!(
                    CAT,
                    imp = self,
                    "component {component}, {address}: {reason:?}"
                );
                Some(reason)
            }));
        }
        if unreported || !failed.is_empty() {
            let report = {
                let mut state = self.state.lock();
                failed
                    .into_iter()
                    .for_each(|reason| state.drops.add(reason));
                state.drops.due(Instant::now())
            };
            if let Some(report) = report {
                self.say([Notice::Dropped(report)]);
            }
        }
    }

    fn sink_event(&self, component: u32, event: &gst::Event) {
        if component != COMPONENT_RTP {
            return;
        }
        match event.type_() {
            gst::EventType::Eos => self.sent_all(event.seqnum()),
            gst::EventType::StreamStart | gst::EventType::FlushStop => {
                self.state.lock().sent_all = None;
            }
            _ => {}
        }
    }
}

fn sink_pad(template: &gst::PadTemplate, number: u32) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .name(format!("sink_{number}"))
        .chain_function(move |_, parent, buffer| {
            RawUdpTransmitter::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |element| {
                    element.send(number, [&*buffer]);
                    Ok(gst::FlowSuccess::Ok)
                },
            )
        })
        .chain_list_function(move |_, parent, list| {
            RawUdpTransmitter::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |element| {
                    element.send(number, list.iter());
                    Ok(gst::FlowSuccess::Ok)
                },
            )
        })
        .event_function(move |_, parent, event| {
            RawUdpTransmitter::catch_panic_pad_function(
                parent,
                || false,
                |element| {
                    element.sink_event(number, &event);
                    true
                },
            )
        })
        // What comes in here does not come out at a src pad.
        .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
        .build()
}

fn source(template: &gst::PadTemplate, number: u32, group: gst::GroupId) -> Source {
    let pad = gst::Pad::builder_from_template(template)
        .name(format!("src_{number}"))
        .event_function(|_, _, event| {
            // Whoever sends these packets does not hear our events.
            event.type_() != gst::EventType::Seek
        })
        .query_function(|pad, parent, query| {
            if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
                answer_latency(latency);
                return true;
            }
            gst::Pad::query_default(pad, parent, query)
        })
        .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
        .build();
    let random: String = (0..4)
        .map(|_| format!("{:08x}", glib::random_int()))
        .collect();
    let stream_start = gst::event::StreamStart::builder(&format!("{random}/src_{number}"))
        .group_id(group)
        .build();
    Source::new(pad, stream_start)
}

fn send_one(
    membership: &Membership,
    packet: &gst::BufferRef,
    destination: std::net::SocketAddr,
) -> std::result::Result<(), Reason> {
    if packet.size() > MAX_PAYLOAD {
        return Err(Reason::TooLarge);
    }
    let data = packet.map_readable().map_err(|_| Reason::Unreadable)?;
    match membership.send(&data, destination) {
        // Closed: the element goes away.
        Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
        result => result.map_err(|error| Reason::from(&error)),
    }
}

fn buffer(packet: &[u8], time: Option<gst::ClockTime>, known: bool) -> Option<gst::Buffer> {
    let mut buffer = gst::Buffer::with_size(packet.len()).ok()?;
    let writable = buffer.get_mut()?;
    writable.copy_from_slice(0, packet).ok()?;
    writable.set_pts(time);
    writable.set_dts(time);
    if !known {
        mark_source_unknown(writable);
    }
    Some(buffer)
}

fn mark_source_unknown(buffer: &mut gst::BufferRef) {
    // Other plugins know the meta, too, and only one may register it.
    static REGISTERED: LazyLock<()> = LazyLock::new(|| {
        if !gst::meta::CustomMeta::is_registered(SOURCE_UNKNOWN) {
            gst::meta::CustomMeta::register_simple(SOURCE_UNKNOWN);
        }
    });
    LazyLock::force(&REGISTERED);
    if let Err(error) = gst::meta::CustomMeta::add(buffer, SOURCE_UNKNOWN) {
        gst::warning!(CAT, "{error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_are_named_after_their_component() {
        let taken = |number| number == 1;
        assert_eq!(component("src_", Some("src_2"), 2, taken), Ok(2));
        assert_eq!(component("src_", None, 2, taken), Ok(2));
        assert_eq!(component("src_", Some("src_%u"), 2, taken), Ok(2));
        for name in [
            "src_1", "src_0", "src_3", "src_02", "src_", "sink_2", "src_-1", "src_+2",
        ] {
            assert!(component("src_", Some(name), 2, taken).is_err(), "{name}");
        }
        assert!(component("src_", None, 1, taken).is_err());
    }
}
