// SPDX-License-Identifier: MPL-2.0
//! What the tests of the element share: a transmitter with its bus, pads to feed and to collect,
//! and addresses that no other test uses.

#![allow(dead_code)] // each test file is its own program and uses a part

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, mpsc};
use std::time::Duration;

use gst::prelude::*;

pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for what must not come.
pub const SILENCE: Duration = Duration::from_millis(150);

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        fstransmitters::plugin_register_static().unwrap();
    });
}

/// A loopback address of this test's own, so that it may use any port while others run.
pub fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let pid = std::process::id();
    let next = NEXT.fetch_add(1, Ordering::Relaxed) as u8;
    Ipv4Addr::new(127, 1 + (pid >> 8) as u8 % 250, pid as u8, next)
}

/// A transmitter that a test drives.
pub struct Transmitter {
    pub element: gst::Element,
    pub bus: gst::Bus,
}

impl Default for Transmitter {
    fn default() -> Self {
        init();
        let element = gst::ElementFactory::make("fsrawudptransmitter")
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        Self { element, bus }
    }
}

impl Drop for Transmitter {
    fn drop(&mut self) {
        self.state(gst::State::Null);
        self.element.set_bus(None);
    }
}

impl Transmitter {
    /// One that has gathered on an address of its own.
    pub fn on(ip: Ipv4Addr, port: u32) -> Self {
        let this = Self::at(ip, port);
        this.gather().unwrap();
        this
    }

    /// One that is to gather on this address.
    pub fn at(ip: Ipv4Addr, port: u32) -> Self {
        let this = Self::default();
        this.element.set_property("local-address", ip.to_string());
        this.element.set_property("local-port", port);
        this
    }

    pub fn gather(&self) -> Result<(), glib::Error> {
        nothing(self.element.emit_by_name("gather-candidates", &[]))
    }

    pub fn add(&self, lines: &[&str]) -> Result<(), glib::Error> {
        let lines = glib::StrV::from(lines);
        nothing(
            self.element
                .emit_by_name("add-remote-candidates", &[&lines]),
        )
    }

    pub fn state(&self, state: gst::State) {
        self.element.set_state(state).unwrap();
    }

    pub fn play(self) -> Self {
        self.state(gst::State::Playing);
        self
    }

    /// All element messages since the last call.
    pub fn messages(&self) -> Vec<gst::Structure> {
        std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Element]))
            .map(|message| message.structure().unwrap().to_owned())
            .collect()
    }

    pub fn assert_no_messages(&self) {
        let messages = self.messages();
        assert!(messages.is_empty(), "{messages:?}");
    }

    pub fn assert_no_errors(&self) {
        let error = self.bus.pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
    }

    /// The local candidates on the bus, as lines; takes all messages away.
    pub fn local_lines(&self) -> Vec<String> {
        self.messages()
            .iter()
            .filter(|s| s.name() == "new-local-candidate")
            .map(|s| line(s, "candidate"))
            .collect()
    }

    /// The ports of the local candidates; takes all messages away.
    pub fn local_ports(&self) -> Vec<u16> {
        self.local_lines()
            .iter()
            .map(|line| line.split(' ').nth(5).unwrap().parse().unwrap())
            .collect()
    }

    /// A pad from which packets are sent.
    pub fn feeder(&self, component: u32) -> Feeder {
        let sink = self
            .element
            .request_pad_simple(&format!("sink_{component}"));
        let (sender, events) = mpsc::channel();
        let sender = Mutex::new(sender);
        let pad = gst::Pad::builder(gst::PadDirection::Src)
            .event_function(move |_, _, event| {
                sender.lock().unwrap().send(event).ok();
                true
            })
            .build();
        pad.set_active(true).unwrap();
        pad.link(&sink.unwrap()).unwrap();
        pad.push_event(gst::event::StreamStart::new("test"));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.push_event(gst::event::Segment::new(&segment));
        Feeder { pad, events }
    }

    /// What is received for a component.
    pub fn collector(&self, component: u32) -> Collector {
        let (sender, items) = mpsc::channel();
        let sender = Mutex::new(sender);
        let events = Mutex::new(sender.lock().unwrap().clone());
        let pad = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                sender.lock().unwrap().send(Item::Packet(buffer)).ok();
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(move |_, _, event| {
                events.lock().unwrap().send(Item::Event(event)).ok();
                true
            })
            .build();
        pad.set_active(true).unwrap();
        let src = self.element.request_pad_simple(&format!("src_{component}"));
        src.unwrap().link(&pad).unwrap();
        Collector { pad, items }
    }
}

/// What an action signal says.
pub fn nothing(error: Option<glib::Error>) -> Result<(), glib::Error> {
    error.map_or(Ok(()), Err)
}

/// The line of a candidate in a message.
pub fn line(message: &gst::StructureRef, field: &str) -> String {
    let candidate = message.get::<gst::Structure>(field).unwrap();
    candidate.get::<String>("line").unwrap()
}

/// Messages in short: their name, and component and state where they have them.
pub fn short(messages: &[gst::Structure]) -> Vec<String> {
    let component = |line: String| line.split(' ').nth(1).unwrap().to_owned();
    messages
        .iter()
        .map(|s| match s.name().as_str() {
            "component-state-changed" => format!(
                "{} {}",
                s.get::<&str>("state").unwrap(),
                s.get::<u32>("component").unwrap()
            ),
            "new-local-candidate" => format!("candidate {}", component(line(s, "candidate"))),
            "new-active-candidate-pair" => {
                format!("pair {}", component(line(s, "remote-candidate")))
            }
            name => name.to_owned(),
        })
        .collect()
}

pub struct Feeder {
    pub pad: gst::Pad,
    pub events: mpsc::Receiver<gst::Event>,
}

impl Feeder {
    pub fn send(&self, packet: &[u8]) {
        let buffer = gst::Buffer::from_slice(packet.to_vec());
        assert_eq!(self.pad.push(buffer), Ok(gst::FlowSuccess::Ok));
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.pad.set_active(false).unwrap();
    }
}

#[derive(Debug)]
pub enum Item {
    Packet(gst::Buffer),
    Event(gst::Event),
}

pub struct Collector {
    pub pad: gst::Pad,
    pub items: mpsc::Receiver<Item>,
}

impl Collector {
    /// The next packet, events aside.
    pub fn buffer(&self) -> gst::Buffer {
        loop {
            if let Item::Packet(buffer) = self.items.recv_timeout(PATIENCE).unwrap() {
                return buffer;
            }
        }
    }

    pub fn packet(&self) -> Vec<u8> {
        self.buffer().map_readable().unwrap().to_vec()
    }

    pub fn event(&self) -> gst::Event {
        match self.items.recv_timeout(PATIENCE).unwrap() {
            Item::Event(event) => event,
            Item::Packet(buffer) => panic!("expected an event, got {buffer:?}"),
        }
    }

    /// Nothing comes any more, events aside.
    pub fn assert_silent(&self) {
        while let Ok(item) = self.items.recv_timeout(SILENCE) {
            assert!(matches!(item, Item::Event(_)), "{item:?}");
        }
    }
}

/// A peer without GStreamer.
pub fn peer(ip: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub fn received(peer: &UdpSocket) -> Vec<u8> {
    let mut packet = vec![0; 65536];
    let size = peer.recv(&mut packet).unwrap();
    packet.truncate(size);
    packet
}

/// Nothing comes any more.
pub fn assert_silent(peer: &UdpSocket) {
    peer.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(peer.recv(&mut [0; 100]).is_err());
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
}
