// SPDX-License-Identifier: MPL-2.0
//! The action signals: gathering candidates and learning remote ones, and saying what became of it.

use std::sync::{Arc, LazyLock};

use farstream::candidate::candidates_from_lines;
use farstream::{COMPONENT_RTP, Candidate, Error, ErrorCode, Result};
use glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::imp::RawUdpTransmitter;
use super::local::{Interface, Request, announced, host_candidates};
use super::notices::Notice;
use super::shared::{self, Membership, Receiver};
use super::state::{Phase, Settings};

pub fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        let list = &[glib::StrV::static_type()];
        vec![
            action("gather-candidates", &[], |element, _| element.gather()),
            action(
                "add-remote-candidates",
                list,
                RawUdpTransmitter::add_remotes,
            ),
            // The same: there are no checks that forcing could leave out.
            action(
                "force-remote-candidates",
                list,
                RawUdpTransmitter::add_remotes,
            ),
        ]
    });
    &SIGNALS
}

/// An action signal that returns a GError or null. It must not panic: that would end the process.
fn action(
    name: &str,
    parameters: &[glib::Type],
    run: impl Fn(&RawUdpTransmitter, &[glib::Value]) -> Result<()> + Send + Sync + 'static,
) -> Signal {
    Signal::builder(name)
        .action()
        .param_types(parameters.iter().copied())
        .return_type::<glib::Error>()
        .class_handler(move |values| {
            let element = values
                .first()
                .and_then(|value| value.get::<super::RawUdpTransmitter>().ok());
            let result = match &element {
                Some(element) => run(element.imp(), values.get(1..).unwrap_or_default()),
                None => Err(Error::invalid("expected a transmitter, got null")),
            };
            Some(result.err().map(glib::Error::from).to_value())
        })
        .build()
}

/// The strings of the first argument.
fn lines(arguments: &[glib::Value]) -> Result<Vec<String>> {
    let expected = || Error::invalid("expected a list of candidate lines, got null");
    let value = arguments.first().ok_or_else(expected)?;
    // The bindings give an empty list for null, too; what they print tells the two apart.
    if format!("{value:?}").ends_with(") NULL") {
        return Err(expected());
    }
    let list: glib::StrV = value.get().map_err(|_| expected())?;
    list.iter()
        .map(|line| {
            String::from_utf8(line.as_bytes().to_vec())
                .map_err(|_| Error::invalid("expected candidate lines in UTF-8"))
        })
        .collect()
}

/// Takes the packets of one component to its pad.
struct ToPad {
    element: glib::WeakRef<super::RawUdpTransmitter>,
    component: u32,
}

impl Receiver for ToPad {
    fn packet(&self, packet: &[u8], known: bool) {
        if let Some(element) = self.element.upgrade() {
            element.imp().receive(self.component, packet, known);
        }
    }
}

impl RawUdpTransmitter {
    fn gather(&self) -> Result<()> {
        let settings = {
            let mut state = self.state.lock();
            if state.phase != Phase::NotYet {
                return Err(Error::new(
                    ErrorCode::AlreadyExists,
                    "the candidates were gathered before; make a new transmitter for new ones",
                ));
            }
            state.phase = Phase::UnderWay;
            state.settings.clone()
        };
        // Without the lock: packets may come as soon as a socket is open.
        let opened = self.open(&settings);
        let mut state = self.state.lock();
        match opened.and_then(|sockets| state.gathered(sockets)) {
            Ok(notices) => {
                let ours = state.outbox.add(notices);
                drop(state);
                self.post_notices(ours);
                Ok(())
            }
            Err(error) => {
                state.phase = Phase::NotYet;
                Err(error)
            }
        }
    }

    fn open(&self, settings: &Settings) -> Result<Vec<(Membership, Candidate)>> {
        let request = Request {
            components: settings.count(),
            preferred: settings.preferred_local_candidates.as_deref(),
            address: settings.local_address.as_deref(),
            port: settings.local_port,
        };
        let wanted = request.wanted()?;
        let interfaces = if wanted.iter().any(|wanted| wanted.ip.is_unspecified()) {
            self.interfaces()
        } else {
            Vec::new()
        };
        let element = self.obj().downgrade();
        let memberships = shared::open(settings.socket_group.as_deref(), &wanted, |component| {
            Arc::new(ToPad {
                element: element.clone(),
                component,
            })
        })?;
        let addresses = memberships
            .iter()
            .map(|membership| announced(membership.address(), &interfaces))
            .collect::<Result<Vec<_>>>()?;
        let candidates = host_candidates(&addresses);
        Ok(memberships.into_iter().zip(candidates).collect())
    }

    fn interfaces(&self) -> Vec<Interface> {
        match if_addrs::get_if_addrs() {
            Ok(interfaces) => interfaces
                .into_iter()
                .filter(if_addrs::Interface::is_oper_up)
                .map(|interface| Interface {
                    ip: interface.ip(),
                    name: interface.name,
                })
                .collect(),
            Err(error) => {
                gst::warning!(
                    CAT,
                    imp = self,
                    "cannot list the network interfaces: {error}"
                );
                Vec::new()
            }
        }
    }

    fn add_remotes(&self, arguments: &[glib::Value]) -> Result<()> {
        let lines = lines(arguments)?;
        let candidates = candidates_from_lines(lines.iter().map(String::as_str))?;
        let (ours, rtp_moved) = {
            let mut state = self.state.lock();
            let notices = state.add_remotes(&candidates)?;
            let rtp_moved = notices.iter().any(
                |notice| matches!(notice, Notice::Pair(local, _) if local.component == COMPONENT_RTP),
            );
            (
                state.outbox.add(notices),
                rtp_moved && state.settings.sending,
            )
        };
        self.post_notices(ours);
        if rtp_moved {
            self.request_key_frame();
        }
        Ok(())
    }

    /// A new receiver understands nothing before the next key frame.
    pub(super) fn request_key_frame(&self) {
        let structure = gst::Structure::builder("GstForceKeyUnit")
            .field("running-time", gst::ClockTime::NONE)
            .field("all-headers", true)
            .field("count", 0u32)
            .build();
        let sink = self.state.lock().sinks.get(&COMPONENT_RTP).cloned();
        if let Some(sink) = sink {
            sink.push_event(gst::event::CustomUpstream::new(structure));
        }
    }

    /// Posts messages, after those that other threads post now. The caller holds no lock.
    pub(super) fn say(&self, notices: impl IntoIterator<Item = Notice>) {
        let ours = self.state.lock().outbox.add(notices);
        self.post_notices(ours);
    }

    /// The second half of [`say`](Self::say), for those who added to the outbox themselves.
    fn post_notices(&self, ours: bool) {
        if !ours {
            return;
        }
        loop {
            let notice = self.state.lock().outbox.next();
            let Some(notice) = notice else { return };
            gst::debug!(CAT, imp = self, "{notice:?}");
            let obj = self.obj();
            let message = gst::message::Element::builder(notice.structure()).src(&*obj);
            self.post(message.build());
        }
    }
}
