// SPDX-License-Identifier: MPL-2.0
//! Gathering local candidates, the port rule, remote candidates, and the messages about them.

mod common;

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

use common::{Transmitter, line, own_ip, short};
use farstream::ErrorCode;
use gst::prelude::*;

fn refused(result: Result<(), glib::Error>, code: ErrorCode, reason: &str) {
    let error = result.expect_err(reason);
    assert!(error.matches(code), "{error}");
    assert!(error.message().contains(reason), "{reason}: {error}");
}

#[test]
fn each_component_has_one_host_candidate() {
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000);
    let messages = transmitter.messages();
    assert_eq!(
        short(&messages),
        [
            "gathering 1",
            "gathering 2",
            "candidate 1",
            "candidate 2",
            "local-candidates-prepared",
            "connecting 1",
            "connecting 2",
        ]
    );
    assert_eq!(
        line(&messages[2], "candidate"),
        format!("candidate:1 1 UDP 2130706431 {ip} 5000 typ host")
    );
    assert_eq!(
        line(&messages[3], "candidate"),
        format!("candidate:1 2 UDP 2130706430 {ip} 5001 typ host")
    );
    let candidate = messages[2].get::<gst::Structure>("candidate").unwrap();
    assert_eq!(candidate.get::<u32>("port").unwrap(), 5000);
    assert_eq!(candidate.get::<&str>("type").unwrap(), "host");
}

#[test]
fn without_a_wish_rtp_takes_an_even_port_and_rtcp_the_next_one() {
    let transmitter = Transmitter::default();
    transmitter.gather().unwrap();
    let lines = transmitter.local_lines();
    let field = |line: &String, n: usize| line.split(' ').nth(n).unwrap().to_owned();
    let ports: Vec<u16> = lines.iter().map(|l| field(l, 5).parse().unwrap()).collect();
    assert!(ports[0] >= 7078 && ports[0].is_multiple_of(2), "{ports:?}");
    assert_eq!(ports[1], ports[0] + 1);
    // The wildcard is no address that anyone can send to.
    let ip: std::net::IpAddr = field(&lines[0], 4).parse().unwrap();
    assert!(!ip.is_unspecified());
    UdpSocket::bind((ip, 0)).expect("an address of this machine");
}

#[test]
fn an_occupied_rtcp_port_moves_the_pair() {
    let ip = own_ip();
    let _occupied = UdpSocket::bind((ip, 5001)).unwrap();
    let transmitter = Transmitter::on(ip, 5000);
    assert_eq!(transmitter.local_ports(), [5002, 5003]);
}

#[test]
fn a_wanted_port_in_use_moves_two_up_and_the_candidate_says_so() {
    let ip = own_ip();
    let _occupied = UdpSocket::bind((ip, 5000)).unwrap();
    let transmitter = Transmitter::on(ip, 5000);
    assert_eq!(transmitter.local_ports(), [5002, 5003]);
    let transmitter = Transmitter::at(ip, 5000);
    transmitter.element.set_property("rtcp-mux", true);
    transmitter.gather().unwrap();
    assert_eq!(transmitter.local_ports(), [5004]);
}

#[test]
fn preferred_candidates_decide_for_their_component() {
    let ip = own_ip();
    let other = own_ip();
    let with = |text: String| {
        let transmitter = Transmitter::default();
        transmitter
            .element
            .set_property("preferred-local-candidates", text);
        transmitter.gather().map(|()| transmitter.local_lines())
    };
    let lines = with(format!(
        "candidate:x 2 UDP 7 {other} 6100 typ srflx,{ip}:6000"
    ))
    .unwrap();
    assert_eq!(
        lines,
        [
            format!("candidate:1 1 UDP 2130706431 {ip} 6000 typ host"),
            format!("candidate:2 2 UDP 2130706430 {other} 6100 typ host"),
        ]
    );
    // Port 0 is any port, and RTCP follows.
    let lines = with(format!("{ip}:0")).unwrap();
    let field = |line: &String, n: usize| line.split(' ').nth(n).unwrap().to_owned();
    let ports: Vec<u16> = lines.iter().map(|l| field(l, 5).parse().unwrap()).collect();
    assert_eq!(ports[1], ports[0] + 1);
    assert!(lines.iter().all(|line| field(line, 4) == ip.to_string()));
}

#[test]
fn invalid_wishes_are_refused_and_gathering_can_be_tried_again() {
    let transmitter = Transmitter::default();
    let element = &transmitter.element;
    for (preferred, reason) in [
        ("candidate:1 1 TCP 1 127.0.0.1 5 typ host", "UDP"),
        ("candidate:1 3 UDP 1 127.0.0.1 5 typ host", "component"),
        ("candidate:1 0 UDP 1 127.0.0.1 5 typ host", "component"),
        ("127.0.0.1:5\n127.0.0.1:7", "at most one"),
        ("candidate:1 1 UDP 1 localhost 5 typ host", "host names"),
        ("localhost:5", "host names"),
        ("224.0.0.1:5", "group"),
        ("rubbish", "candidate 1"),
    ] {
        element.set_property("preferred-local-candidates", preferred);
        refused(transmitter.gather(), ErrorCode::InvalidArguments, reason);
    }
    element.set_property("preferred-local-candidates", "127.0.0.1:5");
    element.set_property("local-port", 5u32);
    let clash = transmitter.gather();
    refused(clash, ErrorCode::InvalidArguments, "local-port");

    element.set_property("preferred-local-candidates", None::<String>);
    element.set_property("local-address", "localhost");
    let name = transmitter.gather();
    refused(name, ErrorCode::InvalidArguments, "local-address");
    element.set_property("local-address", "192.0.2.77");
    let foreign = transmitter.gather();
    refused(foreign, ErrorCode::Network, "192.0.2.77");
    transmitter.assert_no_messages();

    element.set_property("local-address", own_ip().to_string());
    element.set_property("local-port", 5000u32);
    transmitter.gather().unwrap();
    assert_eq!(transmitter.local_ports(), [5000, 5001]);
}

#[test]
fn the_end_of_the_port_numbers_is_an_error() {
    let ip = own_ip();
    let transmitter = Transmitter::at(ip, 65535);
    refused(transmitter.gather(), ErrorCode::Network, "lower port");
    let _occupied = UdpSocket::bind((ip, 65535)).unwrap();
    transmitter.element.set_property("rtcp-mux", true);
    refused(transmitter.gather(), ErrorCode::Network, "in use");
}

#[test]
fn a_second_gathering_already_exists() {
    let transmitter = Transmitter::on(own_ip(), 5000);
    transmitter.messages();
    let again = transmitter.gather();
    refused(again, ErrorCode::AlreadyExists, "gathered before");
    transmitter.assert_no_messages();
}

#[test]
fn a_pair_is_announced_only_when_it_is_new() {
    let transmitter = Transmitter::on(own_ip(), 5000);
    let add = |lines: &[&str]| {
        transmitter.messages();
        transmitter.add(lines).unwrap();
        short(&transmitter.messages())
    };
    let rtp = "candidate:1 1 UDP 1 127.0.0.1 6000 typ host";
    let rtcp = "candidate:1 2 UDP 1 127.0.0.1 6001 typ host";
    assert_eq!(add(&[]), [""; 0]);
    assert_eq!(add(&[rtp]), ["pair 1", "ready 1"]);
    assert_eq!(add(&[rtp]), [""; 0]);
    assert_eq!(add(&[rtcp, rtp]), ["pair 2", "ready 2"]);
    let moved = "candidate:1 1 UDP 1 127.0.0.1 6002 typ host";
    assert_eq!(add(&[moved]), ["pair 1"]);
    assert_eq!(add(&[rtp, moved]), [""; 0], "the last one counts");
    let force = transmitter
        .element
        .emit_by_name("force-remote-candidates", &[&glib::StrV::from([rtp])]);
    common::nothing(force).unwrap();
    let messages = transmitter.messages();
    assert_eq!(short(&messages), ["pair 1"]);
    assert_eq!(line(&messages[0], "remote-candidate"), rtp);
    let local = line(&messages[0], "local-candidate");
    assert!(local.contains(" 5000 typ host"), "{local}");
}

#[test]
fn remote_candidates_may_come_before_gathering() {
    let transmitter = Transmitter::at(own_ip(), 5000);
    transmitter.add(&["127.0.0.1:6000"]).unwrap();
    transmitter.assert_no_messages();
    transmitter.gather().unwrap();
    let messages = short(&transmitter.messages());
    assert_eq!(
        messages[4..],
        [
            "local-candidates-prepared",
            "pair 1",
            "ready 1",
            "pair 2",
            "ready 2"
        ]
    );
}

#[test]
fn the_short_form_says_where_rtcp_goes_unless_that_was_said() {
    let transmitter = Transmitter::on(own_ip(), 5000);
    let remotes = |lines: &[&str]| {
        transmitter.messages();
        transmitter.add(lines).unwrap();
        let messages = transmitter.messages();
        let pairs = messages
            .iter()
            .filter(|s| s.name() == "new-active-candidate-pair");
        pairs
            .map(|s| {
                let candidate = s.get::<gst::Structure>("remote-candidate").unwrap();
                let get = |field| candidate.get::<u32>(field).unwrap();
                (get("component"), get("port"))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(remotes(&["127.0.0.1:6000"]), [(1, 6000), (2, 6001)]);
    let rtcp = "candidate:1 2 UDP 1 127.0.0.1 7001 typ host";
    assert_eq!(remotes(&[rtcp]), [(2, 7001)]);
    assert_eq!(remotes(&["127.0.0.1:6002"]), [(1, 6002)]);
    let last = transmitter.add(&["127.0.0.1:65535"]);
    assert!(last.is_ok(), "RTCP has its own port");
    let other = Transmitter::default();
    let last = other.add(&["127.0.0.1:65535"]);
    refused(last, ErrorCode::InvalidArguments, "RTCP");
}

#[test]
fn one_bad_remote_candidate_refuses_the_list() {
    let transmitter = Transmitter::on(own_ip(), 5000);
    transmitter.messages();
    for (bad, reason) in [
        ("candidate:1 1 TCP 1 127.0.0.1 5 typ host", "UDP"),
        ("candidate:1 3 UDP 1 127.0.0.1 5 typ host", "component"),
        ("candidate:1 1 UDP 1 localhost 5 typ host", "host names"),
        ("localhost:5", "host names"),
        ("127.0.0.1:0", "port"),
        (
            "candidate:1 1 UDP 1 224.0.0.1 5 typ multicast ttl 1",
            "multicast",
        ),
        ("candidate:1 1 UDP 1 ::1 5 typ host", "local-address"),
        ("[::1]:5", "local-address"),
    ] {
        let result = transmitter.add(&["candidate:1 2 UDP 1 127.0.0.1 6001 typ host", bad]);
        refused(result, ErrorCode::InvalidArguments, reason);
    }
    transmitter.assert_no_messages();
    transmitter.add(&["127.0.0.1:6000"]).unwrap();
    let pairs = short(&transmitter.messages());
    assert_eq!(pairs, ["pair 1", "ready 1", "pair 2", "ready 2"]);
}

#[test]
fn the_family_of_an_earlier_remote_decides_whether_gathering_succeeds() {
    let transmitter = Transmitter::at(own_ip(), 5000);
    transmitter.add(&["[::1]:6000"]).unwrap();
    let gathered = transmitter.gather();
    refused(gathered, ErrorCode::InvalidArguments, "local-address");
    transmitter.assert_no_messages();
    if UdpSocket::bind("[::1]:0").is_err() {
        return; // no IPv6 here
    }
    transmitter.element.set_property("local-address", "::1");
    transmitter.element.set_property("local-port", 0u32);
    transmitter.gather().unwrap();
    assert!(short(&transmitter.messages()).contains(&"ready 2".into()));
}

#[test]
fn rtcp_mux_leaves_one_component() {
    let transmitter = Transmitter::at(own_ip(), 5000);
    transmitter.element.set_property("rtcp-mux", true);
    transmitter.gather().unwrap();
    transmitter.add(&["127.0.0.1:65535"]).unwrap();
    assert_eq!(
        short(&transmitter.messages()),
        [
            "gathering 1",
            "candidate 1",
            "local-candidates-prepared",
            "connecting 1",
            "pair 1",
            "ready 1"
        ]
    );
    let rtcp = transmitter.add(&["candidate:1 2 UDP 1 127.0.0.1 5 typ host"]);
    refused(rtcp, ErrorCode::InvalidArguments, "rtcp-mux");
}

#[test]
fn a_message_handler_may_call_back_and_messages_stay_in_order() {
    let transmitter = Transmitter::at(own_ip(), 5000);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    let weak = transmitter.element.downgrade();
    transmitter.bus.set_sync_handler(move |_, message| {
        let s = message.structure().unwrap();
        record.lock().unwrap().push(s.to_owned());
        if s.name() == "new-local-candidate" {
            let element = weak.upgrade().unwrap();
            let lines = glib::StrV::from(["127.0.0.1:6000"]);
            let error = element.emit_by_name("add-remote-candidates", &[&lines]);
            common::nothing(error).unwrap();
        }
        gst::BusSyncReply::Drop
    });
    transmitter.gather().unwrap();
    assert_eq!(
        short(&seen.lock().unwrap()),
        [
            "gathering 1",
            "gathering 2",
            "candidate 1",
            "candidate 2",
            "local-candidates-prepared",
            "connecting 1",
            "connecting 2",
            "pair 1",
            "ready 1",
            "pair 2",
            "ready 2"
        ]
    );
}

#[test]
fn one_of_many_threads_gathers() {
    let transmitter = Transmitter::at(own_ip(), 5000);
    let gathered = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| transmitter.gather().is_ok()))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap().then_some(()))
            .count()
    });
    assert_eq!(gathered, 1);
    assert_eq!(transmitter.local_ports(), [5000, 5001]);
}
