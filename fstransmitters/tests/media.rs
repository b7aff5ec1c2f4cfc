// SPDX-License-Identifier: MPL-2.0
//! Packets: that they arrive whole and in order, with what around them, and what stops them.

mod common;

use std::io::Read;
use std::time::Duration;

use common::{
    Collector, Feeder, Item, PATIENCE, SILENCE, Transmitter, assert_silent, own_ip, peer, received,
};
use gst::prelude::*;

/// Two transmitters that know one another.
fn pair() -> (Transmitter, Transmitter) {
    let [left, right] = [(); 2].map(|()| Transmitter::on(own_ip(), 5000));
    let know = |one: &Transmitter, other: &Transmitter| {
        let lines = other.local_lines();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        one.add(&lines).unwrap();
    };
    know(&left, &right);
    know(&right, &left);
    (left.play(), right.play())
}

/// Packet `number` of a flow, of a size and content of its own.
fn packet(flow: u8, number: usize) -> Vec<u8> {
    let mut packet = vec![flow; 12 + number * 7 % 1400];
    packet[..8].copy_from_slice(&(number as u64).to_be_bytes());
    packet
}

#[test]
fn packets_of_both_components_flow_both_ways_whole_and_in_order() {
    const COUNT: usize = 2000;
    let (left, right) = pair();
    let flows: Vec<(Feeder, Collector)> = [(&left, &right), (&right, &left)]
        .into_iter()
        .flat_map(|(from, to)| [1, 2].map(|n| (from.feeder(n), to.collector(n))))
        .collect();
    std::thread::scope(|scope| {
        for (flow, (feeder, collector)) in flows.iter().enumerate() {
            let flow = flow as u8;
            let (credit, granted) = std::sync::mpsc::sync_channel(50);
            let pad = feeder.pad.clone();
            scope.spawn(move || {
                for number in 0..COUNT {
                    // No more under way than the socket's buffer holds.
                    credit.send(()).unwrap();
                    let buffer = gst::Buffer::from_slice(packet(flow, number));
                    pad.push(buffer).unwrap();
                }
            });
            let pad = &collector.pad;
            let items = &collector.items;
            let mut next = 0;
            while next < COUNT {
                if let Item::Packet(buffer) = items.recv_timeout(PATIENCE).unwrap() {
                    let data = buffer.map_readable().unwrap();
                    assert!(data.as_slice() == packet(flow, next), "packet {next}");
                    next += 1;
                    granted.recv().unwrap();
                }
            }
            assert!(pad.is_linked());
        }
    });
    for (_, collector) in &flows {
        collector.assert_silent();
    }
    assert!(
        common::short(&left.messages())
            .iter()
            .all(|m| m != "packets-dropped")
    );
}

#[test]
fn stream_start_and_segment_come_first_and_no_caps() {
    let (left, right) = pair();
    let feeder = left.feeder(1);
    let collectors = [1, 2].map(|n| right.collector(n));
    feeder.send(b"one");
    left.feeder(2).send(b"two");
    let ids = collectors.map(|collector| {
        let event = collector.event();
        let gst::EventView::StreamStart(start) = event.view() else {
            panic!("{event:?}")
        };
        let id = start.stream_id().to_owned();
        let event = collector.event();
        let gst::EventView::Segment(segment) = event.view() else {
            panic!("{event:?}")
        };
        assert_eq!(segment.segment().format(), gst::Format::Time);
        collector.packet();
        assert_eq!(collector.pad.current_caps(), None);
        id
    });
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn buffers_carry_the_running_time_of_their_arrival() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000);
    let pipeline = gst::Pipeline::new();
    pipeline.add(&transmitter.element).unwrap();
    let collector = transmitter.collector(1);
    pipeline.set_state(gst::State::Playing).unwrap();
    let sender = peer(ip);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(20));
        let before = pipeline.current_running_time().unwrap();
        sender.send_to(b"now", (ip, 5000)).unwrap();
        let buffer = collector.buffer();
        let after = pipeline.current_running_time().unwrap();
        let pts = buffer.pts().unwrap();
        assert!((before..=after).contains(&pts), "{before} {pts} {after}");
        assert_eq!(buffer.dts(), buffer.pts());
    }
    // In PAUSED running time stands still.
    pipeline.set_state(gst::State::Paused).unwrap();
    let stopped = [(); 2].map(|()| {
        std::thread::sleep(Duration::from_millis(20));
        sender.send_to(b"paused", (ip, 5000)).unwrap();
        collector.buffer().pts().unwrap()
    });
    assert_eq!(stopped[0], stopped[1]);
    pipeline.set_state(gst::State::Playing).unwrap();
    sender.send_to(b"again", (ip, 5000)).unwrap();
    assert!(collector.buffer().pts().unwrap() >= stopped[0]);
    pipeline.set_state(gst::State::Null).unwrap();
    pipeline.remove(&transmitter.element).unwrap();
}

#[test]
fn empty_and_largest_packets_are_carried() {
    let (left, right) = pair();
    let feeder = left.feeder(1);
    let collector = right.collector(1);
    let largest: Vec<u8> = (0..65507u32).map(|n| n as u8).collect();
    for data in [&[][..], &largest, &[7]] {
        feeder.send(data);
        assert!(collector.packet() == data);
    }
}

#[test]
fn packets_in_several_memories_and_lists_are_sent_in_order() {
    let (left, right) = pair();
    let feeder = left.feeder(1);
    let collector = right.collector(1);
    let mut list = gst::BufferList::new();
    for number in 0..50u8 {
        let mut buffer = gst::Buffer::from_slice([number]);
        let rest = gst::Memory::from_slice([number; 20]);
        buffer.get_mut().unwrap().append_memory(rest);
        list.get_mut().unwrap().add(buffer);
    }
    assert_eq!(feeder.pad.push_list(list), Ok(gst::FlowSuccess::Ok));
    for number in 0..50u8 {
        assert_eq!(collector.packet(), [number; 21]);
    }
}

#[test]
fn packets_without_a_destination_are_dropped_in_silence() {
    let transmitter = Transmitter::on(own_ip(), 5000).play();
    let feeder = transmitter.feeder(1);
    transmitter.messages();
    feeder.send(b"nowhere");
    let other = Transmitter::default().play();
    other.feeder(2).send(b"no socket either");
    transmitter.assert_no_messages();
    other.assert_no_messages();
}

#[test]
fn not_sending_stops_rtp_only() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let [rtp, rtcp] = [(); 2].map(|()| peer(ip));
    let line = |component: u32, peer: &std::net::UdpSocket| {
        let port = peer.local_addr().unwrap().port();
        format!("candidate:1 {component} UDP 1 {ip} {port} typ host")
    };
    transmitter.add(&[&line(1, &rtp), &line(2, &rtcp)]).unwrap();
    let feeders = [1, 2].map(|n| transmitter.feeder(n));
    let both = |data: &[u8]| feeders.iter().for_each(|feeder| feeder.send(data));
    both(b"a");
    assert_eq!(
        (received(&rtp), received(&rtcp)),
        (b"a".into(), b"a".into())
    );
    transmitter.element.set_property("sending", false);
    both(b"b");
    assert_eq!(received(&rtcp), b"b");
    assert_silent(&rtp);
    transmitter.element.set_property("sending", true);
    both(b"c");
    assert_eq!(
        (received(&rtp), received(&rtcp)),
        (b"c".into(), b"c".into())
    );
}

#[test]
fn a_new_destination_asks_for_a_key_frame() {
    let transmitter = Transmitter::on(own_ip(), 5000).play();
    let feeder = transmitter.feeder(1);
    let asked = || {
        feeder.events.try_iter().any(|event| {
            event.type_() == gst::EventType::CustomUpstream
                && event.structure().is_some_and(|s| {
                    s.name() == "GstForceKeyUnit" && s.get("all-headers") == Ok(true)
                })
        })
    };
    assert!(!asked());
    transmitter.add(&["127.0.0.1:9"]).unwrap();
    assert!(asked());
    transmitter.add(&["127.0.0.1:9"]).unwrap();
    assert!(!asked(), "nothing is new");
    transmitter.element.set_property("sending", false);
    transmitter.add(&["127.0.0.1:10"]).unwrap();
    assert!(!asked(), "nothing is sent");
    transmitter.element.set_property("sending", true);
    assert!(asked());
}

#[test]
fn type_of_service_is_on_the_packets_of_all_components_and_may_change() {
    use socket2::{Domain, Protocol, Socket, Type};
    let ip = own_ip();
    let transmitter = Transmitter::at(ip, 5000);
    transmitter.element.set_property("tos", 0x20u32);
    transmitter.gather().unwrap();
    let transmitter = transmitter.play();
    let destination = own_ip();
    // A raw socket sees the IP header.
    let Ok(mut raw) = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)) else {
        eprintln!("skipped: raw sockets need CAP_NET_RAW");
        return;
    };
    raw.bind(&std::net::SocketAddr::from((destination, 0)).into())
        .unwrap();
    raw.set_read_timeout(Some(PATIENCE)).unwrap();
    let feeders = [1, 2].map(|component| {
        let line = format!("candidate:1 {component} UDP 1 {destination} 9 typ host");
        transmitter.add(&[&line]).unwrap();
        transmitter.feeder(component)
    });
    let mut tos_of_next = || {
        let mut packet = [0; 100];
        // Before it was bound it took everybody's packets.
        loop {
            let size = raw.read(&mut packet).unwrap();
            if packet[..size][16..20] == destination.octets() {
                return packet[1];
            }
        }
    };
    feeders[0].send(b"as set before gathering");
    assert_eq!(tos_of_next(), 0x20);
    for tos in [0xb8, 0x88, 0] {
        transmitter.element.set_property("tos", u32::from(tos));
        for feeder in &feeders {
            feeder.send(b"x");
            assert_eq!(tos_of_next(), tos);
        }
    }
}

#[test]
fn packets_that_cannot_be_sent_are_counted_and_later_ones_go_on() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let receiver = peer(ip);
    let address = receiver.local_addr().unwrap().to_string();
    transmitter.add(&[&address]).unwrap();
    let feeder = transmitter.feeder(1);
    transmitter.messages();
    for _ in 0..10 {
        feeder.send(&vec![0; 65508]);
    }
    feeder.send(b"small");
    assert_eq!(received(&receiver), b"small");
    let first = transmitter.messages();
    assert_eq!(common::short(&first), ["packets-dropped"]);
    assert_eq!(first[0].get::<u64>("count").unwrap(), 1);
    assert!(first[0].get::<&str>("reason").unwrap().contains("65507"));
    assert!(!first[0].get::<&str>("remedy").unwrap().is_empty());
    // The rest is told with a later packet, even a good one.
    std::thread::sleep(Duration::from_secs(1));
    feeder.send(b"good");
    let second = transmitter.messages();
    assert_eq!(common::short(&second), ["packets-dropped"]);
    assert_eq!(second[0].get::<u64>("count").unwrap(), 9);
    feeder.send(b"good");
    transmitter.assert_no_messages();
}

#[test]
fn a_network_that_refuses_stops_nothing() {
    let transmitter = Transmitter::on("0.0.0.0".parse().unwrap(), 0).play();
    // Sending to all needs a permission that the socket does not ask for.
    transmitter.add(&["255.255.255.255:9"]).unwrap();
    let feeder = transmitter.feeder(1);
    transmitter.messages();
    for _ in 0..3 {
        feeder.send(b"x");
    }
    let messages = transmitter.messages();
    assert_eq!(common::short(&messages), ["packets-dropped"]);
    let receiver = peer("127.0.0.1".parse().unwrap());
    let address = receiver.local_addr().unwrap().to_string();
    transmitter.add(&[&address]).unwrap();
    feeder.send(b"works");
    assert_eq!(received(&receiver), b"works");
    // A port that nobody has open: the system may report it, the call goes on.
    drop(receiver);
    for _ in 0..3 {
        feeder.send(b"refused");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn packets_from_anybody_belong_to_the_only_holder_of_the_socket() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    transmitter.add(&["127.0.0.1:9"]).unwrap();
    let collector = transmitter.collector(1);
    peer(ip).send_to(b"stranger", (ip, 5000)).unwrap();
    let buffer = collector.buffer();
    assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 0);
}

#[test]
fn packets_that_nobody_takes_are_thrown_away() {
    let ip = own_ip();
    // A second holder of the socket sees when the packets before its own have been handled.
    let [transmitter, witness] = [(); 2].map(|()| {
        let transmitter = Transmitter::at(ip, 5000);
        transmitter.element.set_property("socket-group", "g");
        transmitter.gather().unwrap();
        transmitter
    });
    let witness = witness.play();
    let witnessed = witness.collector(1);
    let [sender, marker] = [(); 2].map(|()| peer(ip));
    for (transmitter, socket) in [(&transmitter, &sender), (&witness, &marker)] {
        let address = socket.local_addr().unwrap().to_string();
        transmitter.add(&[&address]).unwrap();
    }
    let send = |data: &[u8]| {
        sender.send_to(data, (ip, 5000)).unwrap();
        marker.send_to(data, (ip, 5000)).unwrap();
        assert_eq!(witnessed.packet(), data);
    };
    let collector = transmitter.collector(1);
    send(b"in NULL");
    transmitter.state(gst::State::Ready);
    send(b"in READY");
    transmitter.state(gst::State::Playing);
    send(b"first");
    let src = transmitter.element.static_pad("src_1").unwrap();
    src.unlink(&collector.pad).unwrap();
    send(b"not linked");
    src.link(&collector.pad).unwrap();
    collector.pad.set_active(false).unwrap();
    send(b"flushing");
    collector.pad.set_active(true).unwrap();
    send(b"last");
    assert_eq!(collector.packet(), b"first");
    assert_eq!(collector.packet(), b"last");
    transmitter.assert_no_errors();
}

#[test]
fn a_flow_error_does_not_end_reception() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let (sender, results) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            sender.lock().unwrap().send(buffer.size()).unwrap();
            Err(gst::FlowError::Error)
        })
        .build();
    pad.set_active(true).unwrap();
    let src = transmitter.element.request_pad_simple("src_1").unwrap();
    src.link(&pad).unwrap();
    let sender = peer(ip);
    for size in 1..5 {
        sender.send_to(&vec![0; size], (ip, 5000)).unwrap();
        assert_eq!(results.recv_timeout(PATIENCE).unwrap(), size);
    }
    transmitter.assert_no_errors();
}

#[test]
fn end_of_stream_on_rtp_is_told_like_a_sink_does() {
    let transmitter = Transmitter::on(own_ip(), 5000);
    let [rtp, rtcp] = [1, 2].map(|n| transmitter.feeder(n));
    let eos = || transmitter.bus.pop_filtered(&[gst::MessageType::Eos]);
    transmitter.state(gst::State::Paused);
    let event = gst::event::Eos::new();
    rtp.pad.push_event(event.clone());
    assert!(eos().is_none(), "not before PLAYING");
    transmitter.state(gst::State::Playing);
    assert_eq!(eos().unwrap().seqnum(), event.seqnum());
    assert!(eos().is_none());

    rtp.pad.push_event(gst::event::FlushStart::new());
    rtp.pad.push_event(gst::event::FlushStop::new(true));
    rtcp.pad.push_event(gst::event::Eos::new());
    assert!(eos().is_none(), "RTCP does not count");
    rtp.pad.push_event(event);
    assert!(eos().is_some());
}

#[test]
fn an_eos_event_sent_to_the_element_ends_reception_once() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000);
    let collectors = [1, 2].map(|n| transmitter.collector(n));
    let _feeder = transmitter.feeder(1);
    assert!(!transmitter.element.send_event(gst::event::Eos::new()));
    transmitter.state(gst::State::Playing);
    let sender = peer(ip);
    let eos_on = |collector: &Collector| {
        let mut types = Vec::new();
        while let Ok(item) = collector.items.recv_timeout(SILENCE) {
            match item {
                Item::Event(event) => types.push(event.type_()),
                Item::Packet(buffer) => panic!("{buffer:?}"),
            }
        }
        types
    };
    let eos = gst::event::Eos::new();
    assert!(transmitter.element.send_event(eos.clone()));
    assert!(transmitter.element.send_event(gst::event::Eos::new()));
    use gst::EventType::{Eos, Segment, StreamStart};
    for collector in &collectors {
        assert_eq!(eos_on(collector), [StreamStart, Segment, Eos]);
    }
    sender.send_to(b"late", (ip, 5000)).unwrap();
    collectors[0].assert_silent();
    let message = || transmitter.bus.pop_filtered(&[gst::MessageType::Eos]);
    assert!(message().is_none(), "something may still be sent");

    // A new start begins anew.
    transmitter.state(gst::State::Ready);
    transmitter.state(gst::State::Playing);
    sender.send_to(b"again", (ip, 5000)).unwrap();
    assert_eq!(collectors[0].packet(), b"again");
}

#[test]
fn without_anything_to_send_the_eos_event_ends_the_element() {
    let transmitter = Transmitter::on(own_ip(), 5000).play();
    let eos = gst::event::Eos::new();
    transmitter.element.send_event(eos.clone());
    let message = transmitter.bus.pop_filtered(&[gst::MessageType::Eos]);
    assert_eq!(message.unwrap().seqnum(), eos.seqnum());
}

#[test]
fn events_do_not_cross_from_one_side_to_the_other() {
    let (left, _right) = pair();
    let feeder = left.feeder(1);
    let collector = left.collector(1);
    let structure = gst::Structure::new_empty("x");
    let down = gst::event::CustomDownstream::new(structure.clone());
    assert!(feeder.pad.push_event(down));
    assert!(
        feeder
            .pad
            .push_event(gst::event::Gap::new(gst::ClockTime::ZERO, None))
    );
    let up = gst::event::CustomUpstream::new(structure.clone());
    collector.pad.push_event(up);
    assert!(
        !feeder
            .events
            .try_iter()
            .any(|e| e.type_() == gst::EventType::CustomUpstream)
    );
    assert!(
        !collector
            .pad
            .peer_query(&mut gst::query::Position::new(gst::Format::Time))
    );
    collector.assert_silent();
    // What the application sends goes where it is meant for.
    let down = gst::event::CustomDownstream::new(structure.clone());
    assert!(left.element.send_event(down));
    while collector.event().type_() != gst::EventType::CustomDownstream {}
    assert!(
        left.element
            .send_event(gst::event::CustomUpstream::new(structure))
    );
    let up = feeder.events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(up.type_(), gst::EventType::CustomUpstream);
    let latency = gst::event::Latency::new(gst::ClockTime::ZERO);
    assert!(left.element.send_event(latency));
}
