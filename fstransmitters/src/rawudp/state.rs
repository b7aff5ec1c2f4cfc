// SPDX-License-Identifier: MPL-2.0
//! What a transmitter knows, behind its one lock: properties, sockets, remotes and pads, and what
//! follows when one of them changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use farstream::{COMPONENT_RTP, Candidate, Error, Result, StreamState};

use super::drops::Drops;
use super::notices::Notice;
use super::remotes::{Family, Remotes};
use super::serial::Serial;
use super::shared::Membership;
use super::source::Source;

/// The properties.
#[derive(Clone, Debug)]
pub struct Settings {
    pub components: u32,
    pub rtcp_mux: bool,
    pub sending: bool,
    pub tos: u8,
    pub preferred_local_candidates: Option<String>,
    pub local_address: Option<String>,
    pub local_port: u16,
    pub socket_group: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            components: 2,
            rtcp_mux: false,
            sending: true,
            tos: 0,
            preferred_local_candidates: None,
            local_address: None,
            local_port: 0,
            socket_group: None,
        }
    }
}

impl Settings {
    /// How many components there are in truth.
    pub fn count(&self) -> u32 {
        if self.rtcp_mux { 1 } else { self.components }
    }
}

/// How far `gather-candidates` has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    NotYet,
    /// Some thread opens sockets.
    UnderWay,
    Done,
}

/// A component that has its socket.
pub struct Component {
    pub membership: Arc<Membership>,
    pub local: Candidate,
    /// The remote that is in use and was announced.
    pub remote: Option<SocketAddr>,
}

#[derive(Default)]
pub struct State {
    pub settings: Settings,
    pub phase: Phase,
    /// Component 1 first; empty until they are gathered.
    pub components: Vec<Component>,
    pub remotes: Remotes,
    pub sinks: BTreeMap<u32, gst::Pad>,
    pub sources: BTreeMap<u32, Arc<Source>>,
    /// All `src` pads belong together.
    pub group: Option<gst::GroupId>,
    pub outbox: Serial<Notice>,
    pub drops: Drops,
    /// PAUSED or PLAYING: received packets are passed on.
    pub running: bool,
    pub playing: bool,
    /// Running time when PLAYING was left.
    pub paused_at: gst::ClockTime,
    /// EOS came on `sink_1`.
    pub sent_all: Option<gst::Seqnum>,
    /// EOS was sent on the `src` pads; nothing comes after it.
    pub ended: bool,
}

impl State {
    /// Where packets of a component go now, if anywhere.
    pub fn destination(&self, component: u32) -> Option<(Arc<Membership>, SocketAddr)> {
        if component == COMPONENT_RTP && !self.settings.sending {
            return None;
        }
        let index = usize::try_from(component).ok()?.checked_sub(1)?;
        let component = self.components.get(index)?;
        Some((component.membership.clone(), component.remote?))
    }

    /// Takes in remote candidates, or changes nothing.
    pub fn add_remotes(&mut self, candidates: &[Candidate]) -> Result<Vec<Notice>> {
        let remotes = self.remotes.with(candidates, self.settings.count())?;
        remotes.check_families(
            (1..)
                .zip(&self.components)
                .map(|(number, component)| (number, family(&component.membership))),
        )?;
        self.remotes = remotes;
        Ok(self.update_pairs())
    }

    /// The sockets are open: tells what they are and begins to use the remotes known by now. On
    /// failure nothing has changed.
    pub fn gathered(&mut self, sockets: Vec<(Membership, Candidate)>) -> Result<Vec<Notice>> {
        self.remotes.check_families(
            (1..)
                .zip(&sockets)
                .map(|(number, (membership, _))| (number, family(membership))),
        )?;
        self.components = sockets
            .into_iter()
            .map(|(membership, local)| Component {
                membership: Arc::new(membership),
                local,
                remote: None,
            })
            .collect();
        self.phase = Phase::Done;
        self.apply_tos();

        let numbers = || 1..=self.settings.count();
        let mut notices: Vec<_> = numbers()
            .map(|number| Notice::State(number, StreamState::Gathering))
            .collect();
        notices.extend(
            self.components
                .iter()
                .map(|c| Notice::Local(c.local.clone())),
        );
        notices.push(Notice::Prepared);
        notices.extend(
            numbers()
                .filter(|number| self.remotes.get(*number).is_none())
                .map(|number| Notice::State(number, StreamState::Connecting)),
        );
        notices.extend(self.update_pairs());
        Ok(notices)
    }

    /// Sets the type of service of all sockets. A system that refuses it sends without.
    pub fn apply_tos(&self) {
        for component in &self.components {
            if let Err(error) = component.membership.set_tos(self.settings.tos) {
                gst::warning!(
                    super::CAT,
                    "cannot set type of service {} on {}: {error}",
                    self.settings.tos,
                    component.membership.address()
                );
            }
        }
    }

    /// An error for properties that decide about sockets, once there are any.
    pub fn check_changeable(&self) -> Result<()> {
        if self.phase == Phase::NotYet {
            return Ok(());
        }
        Err(Error::invalid(
            "it can be set only before gather-candidates; the sockets stay as they are",
        ))
    }

    /// Compares the remotes in use with those known, and puts the new ones to use.
    fn update_pairs(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (number, component) in (1..).zip(&mut self.components) {
            let remote = self.remotes.get(number);
            let address = remote.as_ref().map(|remote| remote.address);
            if address == component.remote {
                continue;
            }
            let before = std::mem::replace(&mut component.remote, address);
            component.membership.set_remote(address);
            match remote {
                Some(remote) => {
                    notices.push(Notice::Pair(component.local.clone(), remote.candidate));
                    if before.is_none() {
                        notices.push(Notice::State(number, StreamState::Ready));
                    }
                }
                // RTCP followed RTP, which is now elsewhere.
                None => notices.push(Notice::State(number, StreamState::Connecting)),
            }
        }
        notices
    }
}

fn family(membership: &Membership) -> Family {
    Family::of(membership.address().ip())
}
