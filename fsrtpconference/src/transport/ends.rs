// SPDX-License-Identifier: MPL-2.0
//! The two elements between an RTP session and its transports: [`Outlet`] takes what the
//! session sends and gives it to every transport, [`Inlet`] takes what any of them
//! receives and gives it to the session.
//!
//! They end the bin's graph, one like a sink and the other like a source. Transports hang
//! on them without being linked: a transmitter has pads both ways, so that linking it would
//! close a loop through the session, which GstBin cannot sort.

use std::sync::{Arc, LazyLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::RwLock;

use super::{Component, Transport};

static TEMPLATES: LazyLock<[Vec<gst::PadTemplate>; 2]> = LazyLock::new(|| {
    let caps = gst::Caps::new_any();
    let always = |name: &str, direction| {
        gst::PadTemplate::builder(name, direction, gst::PadPresence::Always, &caps)
            .build()
            .ok()
    };
    [gst::PadDirection::Sink, gst::PadDirection::Src].map(|direction| {
        ["rtp", "rtcp"]
            .into_iter()
            .filter_map(|name| always(name, direction))
            .collect()
    })
});

mod outlet {
    use super::*;

    #[derive(Default)]
    pub struct Outlet {
        pub transports: RwLock<Arc<[Arc<Transport>]>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Outlet {
        const NAME: &'static str = "GstFsRtpOutlet";
        type Type = super::Outlet;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for Outlet {
        fn constructed(&self) {
            self.parent_constructed();
            let obj = self.obj();
            obj.set_element_flags(gst::ElementFlags::SINK);
            for (template, component) in TEMPLATES[0].iter().zip(Component::ALL) {
                let pad = gst::Pad::builder_from_template(template)
                    .chain_function(move |_, parent, buffer| {
                        Self::each(parent, |t| t.send(component, buffer.clone()))
                    })
                    .chain_list_function(move |_, parent, list| {
                        Self::each(parent, |t| t.send_list(component, list.clone()))
                    })
                    .event_function(move |_, parent, event| {
                        Self::event(parent, component, &event);
                        true
                    })
                    .build();
                let _ = obj.add_pad(&pad);
            }
        }
    }

    impl GstObjectImpl for Outlet {}

    impl ElementImpl for Outlet {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            &TEMPLATES[0]
        }

        /// Events for the pipeline's sources (LATENCY above all, by which the session
        /// learns when packets leave) go up the way media comes.
        fn send_event(&self, event: gst::Event) -> bool {
            let pad = self.obj().static_pad(Component::Rtp.name());
            match pad {
                Some(pad) if event.is_upstream() => pad.push_event(event),
                _ => self.parent_send_event(event),
            }
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            let pad = self.obj().static_pad(Component::Rtp.name());
            pad.is_some_and(|pad| pad.peer_query(query))
        }
    }

    impl Outlet {
        fn transports(parent: Option<&gst::Object>) -> Arc<[Arc<Transport>]> {
            parent
                .and_then(|parent| parent.downcast_ref::<super::Outlet>())
                .map(|outlet| outlet.imp().transports.read().clone())
                .unwrap_or_default()
        }

        /// One participant that cannot be reached never stops the others.
        fn each(
            parent: Option<&gst::Object>,
            send: impl Fn(&Transport),
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            for transport in Self::transports(parent).iter() {
                send(transport);
            }
            Ok(gst::FlowSuccess::Ok)
        }

        fn event(parent: Option<&gst::Object>, component: Component, event: &gst::Event) {
            for transport in Self::transports(parent).iter() {
                transport.send_event(component, event.clone());
            }
            if let (gst::EventView::Eos(_), Component::Rtp, Some(parent)) =
                (event.view(), component, parent)
                && let Some(outlet) = parent.downcast_ref::<super::Outlet>()
            {
                outlet.post_eos(event.seqnum());
            }
        }
    }
}

glib::wrapper! {
    /// Gives what a session sends to all its transports.
    pub struct Outlet(ObjectSubclass<outlet::Outlet>)
        @extends gst::Element, gst::Object;
}

impl Outlet {
    /// An outlet of this name, without transports.
    pub fn new(name: &str) -> Self {
        glib::Object::builder().property("name", name).build()
    }

    /// What a sink does at its end, so that a pipeline can end.
    fn post_eos(&self, seqnum: gst::Seqnum) {
        let message = gst::message::Eos::builder()
            .src(self)
            .seqnum(seqnum)
            .build();
        let _ = self.post_message(message);
    }

    /// The application ends the pipeline, and no source is there that would say so.
    pub fn end(&self, eos: &gst::Event) {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        for transport in self.imp().transports.read().clone().iter() {
            for event in [
                gst::event::StreamStart::new("nothing"),
                gst::event::Segment::new(&segment),
                eos.clone(),
            ] {
                transport.send_event(Component::Rtp, event);
            }
        }
        self.post_eos(eos.seqnum());
    }

    /// Sends to this one too from now on.
    pub fn add(&self, transport: &Arc<Transport>) {
        for component in Component::ALL {
            if let Some(pad) = self.static_pad(component.name()) {
                pad.sticky_events_foreach(|event| {
                    transport.send_event(component, event.clone());
                    std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
                });
            }
        }
        let mut transports = self.imp().transports.write();
        *transports = transports.iter().chain([transport]).cloned().collect();
    }

    /// Does not send to this one any more.
    pub fn remove(&self, transport: &Arc<Transport>) {
        let mut transports = self.imp().transports.write();
        *transports = transports
            .iter()
            .filter(|other| !Arc::ptr_eq(other, transport))
            .cloned()
            .collect();
    }
}

mod inlet {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    pub struct Inlet {
        /// Whether each pad has had its stream-start and segment.
        pub started: [AtomicBool; 2],
        /// Whether the user ended it with an EOS event.
        pub ended: AtomicBool,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Inlet {
        const NAME: &'static str = "GstFsRtpInlet";
        type Type = super::Inlet;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for Inlet {
        fn constructed(&self) {
            self.parent_constructed();
            let obj = self.obj();
            obj.set_element_flags(gst::ElementFlags::SOURCE);
            for template in &TEMPLATES[1] {
                let pad = gst::Pad::builder_from_template(template)
                    .query_function(|pad, parent, query| match query.view_mut() {
                        gst::QueryViewMut::Latency(latency) => {
                            latency.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                            true
                        }
                        _ => gst::Pad::query_default(pad, parent, query),
                    })
                    // Nothing upstream understands events.
                    .event_function(|_, _, _| true)
                    .build();
                let _ = obj.add_pad(&pad);
            }
        }
    }

    impl GstObjectImpl for Inlet {}

    impl ElementImpl for Inlet {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            &TEMPLATES[1]
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::ReadyToPaused {
                self.ended.store(false, Ordering::Release);
                for started in &self.started {
                    started.store(false, Ordering::Release);
                }
            }
            let success = self.parent_change_state(transition)?;
            Ok(match transition {
                gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                    gst::StateChangeSuccess::NoPreroll
                }
                _ => success,
            })
        }

        fn send_event(&self, event: gst::Event) -> bool {
            let gst::EventView::Eos(_) = event.view() else {
                return self.parent_send_event(event);
            };
            self.ended.store(true, Ordering::Release);
            let obj = self.obj();
            Component::ALL.into_iter().all(|component| {
                obj.static_pad(component.name()).is_some_and(|pad| {
                    let _streaming = pad.stream_lock();
                    obj.start(component, &pad);
                    pad.push_event(event.clone())
                })
            })
        }
    }
}

glib::wrapper! {
    /// Gives what any transport receives to its session.
    pub struct Inlet(ObjectSubclass<inlet::Inlet>)
        @extends gst::Element, gst::Object;
}

impl Inlet {
    /// An inlet of this name.
    pub fn new(name: &str) -> Self {
        glib::Object::builder().property("name", name).build()
    }

    /// A packet was received, by any thread.
    pub fn push(&self, component: Component, buffer: gst::Buffer) {
        self.with_pad(component, |pad| {
            let _ = pad.push(buffer);
        });
    }

    /// Packets were received, by any thread.
    pub fn push_list(&self, component: Component, list: gst::BufferList) {
        self.with_pad(component, |pad| {
            let _ = pad.push_list(list);
        });
    }

    /// Whatever the session makes of a packet, the next one may still come.
    fn with_pad(&self, component: Component, push: impl FnOnce(&gst::Pad)) {
        use std::sync::atomic::Ordering;
        if self.imp().ended.load(Ordering::Acquire) {
            return;
        }
        if let Some(pad) = self.static_pad(component.name()) {
            // Transports have threads of their own; a pad has one stream.
            let _streaming = pad.stream_lock();
            self.start(component, &pad);
            push(&pad);
        }
    }

    /// Sends what must come before the first packet, once.
    fn start(&self, component: Component, pad: &gst::Pad) {
        use std::sync::atomic::Ordering;
        if pad.pad_flags().contains(gst::PadFlags::FLUSHING)
            || self.imp().started[component.index()].swap(true, Ordering::AcqRel)
        {
            return;
        }
        let id = pad.create_stream_id(self, Some(component.name()));
        let caps = gst::Caps::new_empty_simple(match component {
            Component::Rtp => "application/x-rtp",
            Component::Rtcp => "application/x-rtcp",
        });
        pad.push_event(gst::event::StreamStart::new(&id));
        pad.push_event(gst::event::Caps::new(&caps));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.push_event(gst::event::Segment::new(&segment));
    }
}
