// SPDX-License-Identifier: MPL-2.0
//! Transmitters that share sockets: who joins, who gets which packet, and what stays when one goes.

mod common;

use std::net::{Ipv4Addr, UdpSocket};

use common::{Collector, PATIENCE, Transmitter, own_ip, peer, received};
use gst::prelude::*;

fn in_group(group: &str, ip: Ipv4Addr, port: u32) -> Transmitter {
    let transmitter = Transmitter::at(ip, port);
    transmitter.element.set_property("socket-group", group);
    transmitter.gather().unwrap();
    transmitter
}

fn candidate(component: u32, socket: &UdpSocket) -> String {
    let address = socket.local_addr().unwrap();
    format!(
        "candidate:1 {component} UDP 1 {} {} typ host",
        address.ip(),
        address.port()
    )
}

/// The next packet, and whether its source was unknown.
fn next(collector: &Collector) -> (Vec<u8>, bool) {
    let buffer = collector.buffer();
    let unknown = gst::meta::CustomMeta::is_registered("FsSourceUnknown")
        && gst::meta::CustomMeta::from_buffer(&buffer, "FsSourceUnknown").is_ok();
    let data = buffer.map_readable().unwrap().to_vec();
    (data, unknown)
}

#[test]
fn equal_groups_and_ports_share_the_sockets_of_all_components() {
    let ip = own_ip();
    let occupied = UdpSocket::bind((ip, 5000)).unwrap();
    let first = in_group("g", ip, 5000);
    assert_eq!(first.local_ports(), [5002, 5003]);
    drop(occupied);
    // What counts is what was asked for.
    let second = in_group("g", ip, 5000);
    assert_eq!(second.local_ports(), [5002, 5003]);
    let mux = Transmitter::at(ip, 5000);
    mux.element.set_property("socket-group", "g");
    mux.element.set_property("rtcp-mux", true);
    mux.gather().unwrap();
    assert_eq!(mux.local_ports(), [5002]);
}

#[test]
fn others_do_not_share() {
    let ip = own_ip();
    let first = in_group("g", ip, 5000);
    assert_eq!(first.local_ports(), [5000, 5001]);
    assert_eq!(in_group("other", ip, 5000).local_ports(), [5002, 5003]);
    assert_eq!(Transmitter::on(ip, 5000).local_ports(), [5002, 5003]);
    assert_eq!(in_group("g", ip, 5010).local_ports(), [5010, 5011]);
    assert_eq!(in_group("g", own_ip(), 5000).local_ports(), [5000, 5001]);
    // No port asked for: no reason to share.
    let any = [(); 2].map(|()| in_group("g", ip, 0));
    let ports = [&any[0], &any[1]].map(Transmitter::local_ports);
    assert_ne!(ports[0], ports[1]);
}

#[test]
fn a_preferred_candidate_with_a_port_is_shared_too() {
    let ip = own_ip();
    let ports = [(); 2].map(|()| {
        let transmitter = Transmitter::default();
        transmitter.element.set_property("socket-group", "g");
        transmitter.element.set_property(
            "preferred-local-candidates",
            format!("{ip}:5000,candidate:1 2 UDP 1 {ip} 6000 typ host"),
        );
        transmitter.gather().unwrap();
        (transmitter.local_ports(), transmitter)
    });
    assert_eq!(ports[0].0, [5000, 6000]);
    assert_eq!(ports[1].0, [5000, 6000]);
}

#[test]
fn packets_go_by_their_source() {
    let ip = own_ip();
    let [a, b] = [(); 2].map(|()| in_group("g", ip, 5000).play());
    let [of_a, of_b, stranger] = [(); 3].map(|()| peer(ip));
    a.add(&[&candidate(1, &of_a)]).unwrap();
    b.add(&[&candidate(1, &of_b)]).unwrap();
    let [at_a, at_b] = [&a, &b].map(|transmitter| transmitter.collector(1));
    let send = |from: &UdpSocket| {
        let name = from.local_addr().unwrap().to_string();
        from.send_to(name.as_bytes(), (ip, 5000)).unwrap();
        name.into_bytes()
    };
    for _ in 0..20 {
        let data = send(&of_b);
        assert_eq!(next(&at_b), (data, false));
        let data = send(&of_a);
        assert_eq!(next(&at_a), (data, false));
        let data = send(&stranger);
        assert_eq!(next(&at_a), (data, true), "the oldest gets it, marked");
    }
    // Another remote of b: what was its own is nobody's now.
    b.add(&[&candidate(1, &stranger)]).unwrap();
    let data = send(&of_b);
    assert_eq!(next(&at_a), (data, true));
    let data = send(&stranger);
    assert_eq!(next(&at_b), (data, false));
    // The same remote twice tells nothing, until one goes.
    a.add(&[&candidate(1, &stranger)]).unwrap();
    let data = send(&stranger);
    assert_eq!(next(&at_a), (data, true));
    drop(a);
    wait_until(|| {
        send(&stranger);
        let item = at_b.items.recv_timeout(PATIENCE);
        item.is_ok()
    });
    at_a.assert_silent();
}

#[test]
fn both_send_from_the_shared_port() {
    let ip = own_ip();
    for component in [1, 2u16] {
        let both = [(); 2].map(|()| in_group("g", ip, 5000).play());
        for transmitter in &both {
            let socket = peer(ip);
            let line = candidate(component.into(), &socket);
            transmitter.add(&[&line]).unwrap();
            transmitter.feeder(component.into()).send(b"x");
            let (_, source) = socket.recv_from(&mut [0; 10]).unwrap();
            assert_eq!(source.port(), 4999 + component);
        }
    }
}

#[test]
fn when_one_holder_goes_the_others_keep_the_socket() {
    let ip = own_ip();
    let a = in_group("g", ip, 5000);
    let b = in_group("g", ip, 5000).play();
    let remote = peer(ip);
    b.add(&[&candidate(1, &remote)]).unwrap();
    let at_b = b.collector(1);
    drop(a);
    let feeder = b.feeder(1);
    feeder.send(b"there");
    assert_eq!(received(&remote), b"there");
    remote.send_to(b"and back", (ip, 5000)).unwrap();
    assert_eq!(at_b.packet(), b"and back");
    // A third one still joins; after the last one the port is free.
    let c = in_group("g", ip, 5000);
    assert_eq!(c.local_ports(), [5000, 5001]);
    drop((b, c));
    drop((at_b, feeder));
    for port in [5000, 5001] {
        wait_until(|| UdpSocket::bind((ip, port)).is_ok());
    }
    assert_eq!(in_group("g", ip, 5000).local_ports(), [5000, 5001]);
}

/// An I/O thread that holds the element for a moment may end it a little later than the test does.
fn wait_until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn joining_and_leaving_while_packets_flow() {
    let ip = own_ip();
    let keeper = in_group("g", ip, 5000).play();
    let remote = peer(ip);
    keeper.add(&[&candidate(1, &remote)]).unwrap();
    let collector = keeper.collector(1);
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                remote.send_to(b"x", (ip, 5000)).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        });
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let other = in_group("g", ip, 5000).play();
                    let _collector = other.collector(1);
                    assert_eq!(other.local_ports(), [5000, 5001]);
                }
            });
        }
        for _ in 0..1000 {
            assert_eq!(next(&collector), (b"x".to_vec(), false));
        }
        drop(stop);
    });
}
