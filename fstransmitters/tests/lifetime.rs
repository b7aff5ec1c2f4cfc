// SPDX-License-Identifier: MPL-2.0
//! Sockets over state changes, and the end of an element at awkward moments. These tests count the
//! descriptors and threads of the process, so they run one after the other.

mod common;

use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use common::{PATIENCE, Transmitter, own_ip, peer, received};
use gst::prelude::*;

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many sockets this process has open; a bus has some, too. (/proc/net/udp would tell UDP apart,
/// but skips lines while other processes open and close sockets.)
fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

fn threads(of_name: impl Fn(&str) -> bool) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|entry| {
            let path: &Path = &entry.unwrap().path();
            std::fs::read_to_string(path.join("comm")).ok()
        })
        .filter(|name| of_name(name))
        .count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn ports_stay_over_null_and_media_resumes() {
    let _alone = alone();
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000);
    let remote = peer(ip);
    let address = remote.local_addr().unwrap().to_string();
    transmitter.add(&[&address]).unwrap();
    let feeder = transmitter.feeder(1);
    let collector = transmitter.collector(1);
    for _ in 0..3 {
        transmitter.state(gst::State::Playing);
        feeder.pad.push_event(gst::event::StreamStart::new("again"));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        feeder.pad.push_event(gst::event::Segment::new(&segment));
        feeder.send(b"there");
        let mut data = [0; 10];
        let (_, source) = remote.recv_from(&mut data).unwrap();
        assert_eq!(source, (ip, 5000).into());
        remote.send_to(b"back", source).unwrap();
        // stream-start and segment again, as the pad has forgotten them.
        assert_eq!(collector.event().type_(), gst::EventType::StreamStart);
        assert_eq!(collector.event().type_(), gst::EventType::Segment);
        assert_eq!(collector.packet(), b"back");
        transmitter.state(gst::State::Null);
        assert!(UdpSocket::bind((ip, 5000)).is_err(), "still ours");
        remote.send_to(b"into the void", source).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_end_of_the_element_closes_its_sockets_at_once() {
    let _alone = alone();
    common::init();
    let ip = own_ip();
    let transmitter = Transmitter::at(ip, 5000);
    let bus = transmitter.bus.clone();
    let before = sockets();
    transmitter.gather().unwrap();
    assert_eq!(sockets(), before + 2);
    bus.set_flushing(true); // messages keep their source
    let weak = transmitter.element.downgrade();
    drop(transmitter);
    assert!(weak.upgrade().is_none());
    assert_eq!(sockets(), before);
    for port in [5000, 5001] {
        UdpSocket::bind((ip, port)).unwrap();
    }
}

#[test]
fn many_transmitters_leave_nothing_behind() {
    let _alone = alone();
    let ip = own_ip();
    let cycle = || {
        let transmitter = Transmitter::on(ip, 5000).play();
        transmitter.add(&["127.0.0.1:9"]).unwrap();
        assert_eq!(transmitter.local_ports(), [5000, 5001]);
        let (feeder, _collector) = (transmitter.feeder(1), transmitter.collector(1));
        feeder.send(b"x");
    };
    cycle();
    let counts = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap().count();
        (fds, threads(|name| name.starts_with("fs-udp-io-")))
    };
    let (fds, io_threads) = counts();
    assert!((1..=4).contains(&io_threads), "{io_threads}");
    for _ in 0..200 {
        cycle();
    }
    // Not more than before. It may be less: an I/O thread may have had a last reference then.
    wait_until("the descriptors are closed", || counts().0 <= fds);
    assert_eq!(counts().1, io_threads);
}

#[test]
fn many_sockets_need_no_more_threads_and_idle_ones_no_cpu() {
    let _alone = alone();
    let ip = own_ip();
    let transmitters: Vec<_> = (0..100)
        .map(|n| Transmitter::on(ip, 5000 + 4 * n).play())
        .collect();
    let io = |name: &str| name.starts_with("fs-udp-io-");
    assert!(threads(io) <= 4);
    let cpu = || {
        let ticks = |path: &Path| {
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            let (name, fields) = stat.rsplit_once(") ")?;
            if !name.contains("fs-udp-io-") {
                return None;
            }
            let fields: Vec<u64> = fields
                .split(' ')
                .skip(11)
                .take(2)
                .map(|f| f.parse().unwrap())
                .collect();
            Some(fields.iter().sum::<u64>())
        };
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|task| ticks(&task.unwrap().path()))
            .sum::<u64>()
    };
    std::thread::sleep(Duration::from_millis(50));
    let before = cpu();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(cpu(), before, "ticks of 10 ms");
    drop(transmitters);
}

/// A transmitter whose first packet runs `act` on its I/O thread, in a pad probe.
fn on_first_packet(
    transmitter: &Transmitter,
    act: impl FnOnce(gst::Pad) + Send + 'static,
) -> mpsc::Receiver<()> {
    let (done, when_done) = mpsc::channel();
    let act = Mutex::new(Some((act, done)));
    let src = transmitter.element.static_pad("src_1").unwrap();
    src.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        let thread = std::thread::current();
        assert!(thread.name().unwrap().starts_with("fs-udp-io-"));
        let act = act.lock().unwrap().take();
        if let Some((act, done)) = act {
            act(pad.clone());
            done.send(()).ok();
        }
        gst::PadProbeReturn::Ok
    });
    when_done
}

#[test]
fn null_from_within_a_push_does_not_deadlock() {
    let _alone = alone();
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let collector = transmitter.collector(1);
    let weak = transmitter.element.downgrade();
    let done = on_first_packet(&transmitter, move |_| {
        let element = weak.upgrade().unwrap();
        element.set_state(gst::State::Null).unwrap();
    });
    let sender = peer(ip);
    sender.send_to(b"x", (ip, 5000)).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    transmitter.state(gst::State::Playing);
    collector.items.try_iter().count();
    sender.send_to(b"again", (ip, 5000)).unwrap();
    assert_eq!(collector.packet(), b"again");
}

#[test]
fn a_pad_may_be_released_from_within_its_push() {
    let _alone = alone();
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let _collector = transmitter.collector(1);
    let weak = transmitter.element.downgrade();
    let done = on_first_packet(&transmitter, move |pad| {
        weak.upgrade().unwrap().release_request_pad(&pad);
    });
    let sender = peer(ip);
    sender.send_to(b"x", (ip, 5000)).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    let collector = transmitter.collector(1);
    sender.send_to(b"new pad", (ip, 5000)).unwrap();
    assert_eq!(collector.packet(), b"new pad");
}

#[test]
fn eos_and_signals_from_within_a_push_do_not_deadlock() {
    let _alone = alone();
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let collector = transmitter.collector(1);
    let weak = transmitter.element.downgrade();
    let done = on_first_packet(&transmitter, move |_| {
        let element = weak.upgrade().unwrap();
        let lines = glib::StrV::from(["127.0.0.1:9"]);
        let error = element.emit_by_name("add-remote-candidates", &[&lines]);
        common::nothing(error).unwrap();
        element.set_property("tos", 8u32);
        assert!(element.send_event(gst::event::Eos::new()));
    });
    peer(ip).send_to(b"last", (ip, 5000)).unwrap();
    done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(collector.packet(), b"last");
    assert_eq!(collector.event().type_(), gst::EventType::Eos);
}

#[test]
fn the_last_reference_may_go_within_a_push() {
    let _alone = alone();
    common::init();
    let before = sockets();
    for _ in 0..20 {
        let ip = own_ip();
        let mut transmitter = Transmitter::on(ip, 5000).play();
        let collector = transmitter.collector(1);
        let weak = transmitter.element.downgrade();
        let last = Arc::new(Mutex::new(None));
        let taken = last.clone();
        let done = on_first_packet(&transmitter, move |_| {
            let element: gst::Element = taken.lock().unwrap().take().unwrap();
            element.set_state(gst::State::Null).unwrap();
        });
        // Messages keep their source.
        transmitter.bus.set_flushing(true);
        let other = Transmitter::default().element.clone();
        *last.lock().unwrap() = Some(std::mem::replace(&mut transmitter.element, other));
        peer(ip).send_to(b"x", (ip, 5000)).unwrap();
        done.recv_timeout(PATIENCE).unwrap();
        drop((collector, transmitter));
        wait_until("the element is finalized", || weak.upgrade().is_none());
        wait_until("the sockets are closed", || sockets() == before);
    }
}

#[test]
fn a_flood_survives_pads_coming_and_going_states_and_the_end() {
    let _alone = alone();
    let ip = own_ip();
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let flood = {
        let (stop, sent) = (stop.clone(), sent.clone());
        std::thread::spawn(move || {
            let socket = peer(ip);
            while !stop.load(Ordering::Relaxed) {
                for port in [5000, 5001] {
                    socket.send_to(&[0; 200], (ip, port)).ok();
                }
                sent.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let got = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(3);
    let mut elements = 0;
    while Instant::now() < end {
        let transmitter = Transmitter::on(ip, 5000).play();
        elements += 1;
        for round in 0..20 {
            let pads: Vec<_> = ["src_1", "src_2"]
                .into_iter()
                .map(|name| {
                    let got = got.clone();
                    let sink = gst::Pad::builder(gst::PadDirection::Sink)
                        .chain_function(move |_, _, _| {
                            got.fetch_add(1, Ordering::Relaxed);
                            Ok(gst::FlowSuccess::Ok)
                        })
                        .build();
                    sink.set_active(true).unwrap();
                    let src = transmitter.element.request_pad_simple(name).unwrap();
                    src.link(&sink).unwrap();
                    (src, sink)
                })
                .collect();
            std::thread::sleep(Duration::from_millis(1));
            if round % 5 == 0 {
                transmitter.state(gst::State::Null);
                transmitter.state(gst::State::Playing);
            }
            for (src, sink) in &pads {
                if round % 2 == 0 {
                    src.unlink(sink).unwrap();
                }
                transmitter.element.release_request_pad(src);
            }
        }
        transmitter.assert_no_errors();
        let weak = transmitter.element.downgrade();
        drop(transmitter);
        wait_until("the element is finalized", || weak.upgrade().is_none());
        wait_until("the port is free", || UdpSocket::bind((ip, 5000)).is_ok());
    }
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    let (got, sent) = (got.load(Ordering::Relaxed), sent.load(Ordering::Relaxed));
    println!("{elements} elements, {sent} pairs of packets sent, {got} packets received");
    assert!(got > 1000 && elements > 3, "{got} {elements}");
}

#[test]
fn a_blocked_pad_does_not_block_the_element() {
    let _alone = alone();
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let collector = transmitter.collector(1);
    let src = transmitter.element.static_pad("src_1").unwrap();
    src.add_probe(
        gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
        |_, _| gst::PadProbeReturn::Ok,
    );
    let remote = peer(ip);
    remote.send_to(b"blocked", (ip, 5000)).unwrap();
    wait_until("the push waits", || src.is_blocking());
    let address = remote.local_addr().unwrap().to_string();
    transmitter.add(&[&address]).unwrap();
    transmitter.feeder(1).send(b"sending goes on");
    assert_eq!(received(&remote), b"sending goes on");
    assert!(transmitter.element.send_event(gst::event::Eos::new()));
    transmitter.state(gst::State::Null);
    wait_until("the push is over", || !src.is_blocking());
    drop(collector);
}

#[test]
fn states_changed_by_several_threads_and_by_the_push_itself_do_not_deadlock() {
    let _alone = alone();
    let ip = own_ip();
    let transmitter = Transmitter::on(ip, 5000).play();
    let _collector = transmitter.collector(1);
    let src = transmitter.element.static_pad("src_1").unwrap();
    let weak = transmitter.element.downgrade();
    let within = Arc::new(AtomicUsize::new(0));
    let count = within.clone();
    src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if let Some(element) = weak.upgrade() {
            for state in [gst::State::Null, gst::State::Playing] {
                element.set_state(state).ok();
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
    let end = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let sender = peer(ip);
            while Instant::now() < end {
                sender.send_to(b"x", (ip, 5000)).unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        for state in [gst::State::Playing, gst::State::Null] {
            let element = &transmitter.element;
            scope.spawn(move || {
                while Instant::now() < end {
                    element.set_state(state).unwrap();
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
        }
    });
    assert!(within.load(Ordering::Relaxed) > 10);
    transmitter.assert_no_errors();
}
