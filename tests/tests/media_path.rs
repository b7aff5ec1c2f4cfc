// SPDX-License-Identifier: MPL-2.0
//! The media path within a call: which codec is sent, who hears whom, which pad media
//! comes out of.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gst::prelude::*;
use tests::call::{Endpoint, Leg, call, caps, eventually, introduce, pair, pair_with, structure};
use tests::isolation;

fn pads_of(conference: &gst::Element, prefix: &str) -> Vec<String> {
    conference
        .src_pads()
        .iter()
        .map(|pad| pad.name().to_string())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

fn codec_names(list: &gst::Caps) -> Vec<String> {
    list.iter()
        .map(|s| s.get::<String>("encoding-name").unwrap())
        .collect()
}

/// Counts the buffers that pass a pad.
fn count(pad: &gst::Pad) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        gst::PadProbeReturn::Ok
    });
    count
}

#[test]
fn the_first_codec_both_have_is_sent_and_received() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(5) && b.hears(5));
    let current: gst::Caps = a.leg("audio").session.property("current-send-codec");
    assert_eq!(codec_names(&current), ["OPUS"]);
    let received: gst::Caps = b.leg("audio").stream.property("current-recv-codecs");
    assert_eq!(codec_names(&received), ["OPUS"]);
    a.dispose();
    b.dispose();
}

#[test]
fn a_send_codec_chosen_before_data_is_the_only_one_sent() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    let wish = caps("application/x-rtp,encoding-name=pcma");
    call(&a.leg("audio").session, "set-send-codec", &[&wish]).unwrap();
    let read: gst::Caps = a.leg("audio").session.property("send-codec");
    assert_eq!(codec_names(&read), ["pcma"]);
    a.play();
    b.play();
    assert!(b.hears(5));
    let received: gst::Caps = b.leg("audio").stream.property("current-recv-codecs");
    assert_eq!(codec_names(&received), ["PCMA"]);
    a.dispose();
    b.dispose();
}

#[test]
fn switching_the_send_codec_mid_call_opens_a_second_pad_and_loses_little() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10));
    let wish = caps("application/x-rtp,encoding-name=PCMU");
    call(&a.leg("audio").session, "set-send-codec", &[&wish]).unwrap();
    assert!(eventually(|| b.leg("audio").received.pads() == 2));
    assert!(b.hears(20), "the new codec is heard");
    assert!(a.log.wait("farstream-send-codec-changed", |s| {
        codec_names(&s.get::<gst::Caps>("codec").unwrap()) == ["PCMU"]
    }));
    assert!(b.log.wait("farstream-recv-codecs-changed", |s| {
        codec_names(&s.get::<gst::Caps>("codecs").unwrap()) == ["PCMU", "OPUS"]
    }));
    // One SSRC, and sequence numbers go on: the receiver sees one unbroken stream.
    let names = pads_of(&b.conference, "src_0_");
    let sources: Vec<_> = names.iter().map(|n| n.split('_').nth(2)).collect();
    assert_eq!(sources.len(), 2);
    assert_eq!(sources[0], sources[1]);
    std::thread::sleep(Duration::from_secs(1));
    let stats: gst::Structure = b.leg("audio").stream.property("stats");
    let lost: i64 = stats.get("packets-lost").unwrap();
    assert!(lost <= 1, "{stats}");
    a.dispose();
    b.dispose();
}

#[test]
fn with_a_stable_pad_everything_comes_out_there() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    let stable = b.conference.request_pad_simple("audio_src_0").unwrap();
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()
        .unwrap();
    b.pipeline.add(&sink).unwrap();
    stable.link(&sink.static_pad("sink").unwrap()).unwrap();
    let buffers = count(&stable);
    a.play();
    b.play();
    assert!(eventually(|| buffers.load(Ordering::SeqCst) > 10));
    let wish = caps("application/x-rtp,encoding-name=PCMU");
    call(&a.leg("audio").session, "set-send-codec", &[&wish]).unwrap();
    assert!(b.log.wait("farstream-recv-codecs-changed", |s| {
        codec_names(&s.get::<gst::Caps>("codecs").unwrap())[0] == "PCMU"
    }));
    let before = buffers.load(Ordering::SeqCst);
    assert!(eventually(|| buffers.load(Ordering::SeqCst) > before + 10));
    let rate = |pad: &gst::Pad| {
        let caps = pad.current_caps()?;
        caps.structure(0)?.get::<i32>("rate").ok()
    };
    assert_eq!(
        rate(&stable),
        Some(8000),
        "the decoder of the new codec feeds it"
    );
    assert_eq!(pads_of(&b.conference, "src_0_"), [""; 0]);
    assert_eq!(b.leg("audio").received.pads(), 0);

    // Released, the source gets a pad of its own.
    b.conference.release_request_pad(&stable);
    assert!(eventually(|| !pads_of(&b.conference, "src_0_").is_empty()));
    assert!(b.hears(5));
    // Requested again, it takes over.
    let stable = b.conference.request_pad_simple("audio_src_0").unwrap();
    let buffers = count(&stable);
    assert!(eventually(|| buffers.load(Ordering::SeqCst) > 5));
    assert!(eventually(|| pads_of(&b.conference, "src_0_").is_empty()));
    a.dispose();
    b.dispose();
}

fn set_direction(leg: &Leg, nick: &str) {
    leg.stream.set_property_from_str("direction", nick);
}

#[test]
fn directions_decide_who_is_heard() {
    isolation::init();
    for (direction, a_hears, b_hears) in [("send", false, true), ("recv", true, false)] {
        let (a, b) = pair(&["audio"]);
        set_direction(a.leg("audio"), direction);
        a.play();
        b.play();
        let (hearing, deaf) = if a_hears { (&a, &b) } else { (&b, &a) };
        assert!(hearing.hears(30), "{direction}");
        assert_ne!(a_hears, b_hears);
        assert_eq!(deaf.leg("audio").received.buffers(), 0, "{direction}");
        a.dispose();
        b.dispose();
    }
}

#[test]
fn turning_to_send_only_ends_receiving_and_nothing_else() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(20) && b.hears(20));
    set_direction(a.leg("audio"), "send");
    std::thread::sleep(Duration::from_millis(50));
    let heard = a.leg("audio").received.buffers();
    assert!(b.hears(30));
    assert_eq!(a.leg("audio").received.buffers(), heard, "not one more");
    set_direction(a.leg("audio"), "both");
    assert!(a.hears(10), "and back");
    assert_eq!(a.log.complaints(), Vec::<String>::new());
    a.dispose();
    b.dispose();
}

/// A conference in the middle whose only session has a stream to each of two others.
fn three_way(properties: &str) -> [Endpoint; 3] {
    let mut middle = Endpoint::new(&["audio"]);
    let mut ends = Vec::new();
    for number in 0..2 {
        let end = Endpoint::new(&["audio"]);
        if number == 1 {
            let session = middle.leg("audio").session.clone();
            let other = middle
                .conference
                .emit_by_name::<Option<gst::Object>>("new-participant", &[])
                .unwrap();
            let stream = session
                .emit_by_name::<Option<gst::Object>>("new-stream", &[&other, &"both"])
                .unwrap();
            assert_eq!(stream.name(), "stream_1");
            middle.replace_stream("audio", stream);
        }
        call(
            &middle.leg("audio").stream,
            "set-transmitter",
            &[&"rawudp", &structure(properties)],
        )
        .unwrap();
        end.leg("audio").connect();
        tests::call::know(&middle, &end, "audio");
        ends.push(end);
    }
    let [b, c] = <[Endpoint; 2]>::try_from(ends).ok().unwrap();
    [middle, b, c]
}

#[test]
fn three_parties_share_one_session_and_one_encoder() {
    isolation::init();
    let [a, b, c] = three_way("p,local-address=(string)127.0.0.1");
    for end in [&a, &b, &c] {
        end.play();
    }
    assert!(b.hears(10) && c.hears(10), "both hear the middle");
    assert!(
        eventually(|| a.leg("audio").received.pads() == 2),
        "one pad each"
    );
    assert!(a.hears(30));
    let encoders = a
        .conference
        .downcast_ref::<gst::Bin>()
        .unwrap()
        .iterate_recurse()
        .into_iter()
        .flatten()
        .filter(|e| e.factory().is_some_and(|f| f.name() == "opusenc"))
        .count();
    assert_eq!(encoders, 1);
    assert_eq!(a.log.complaints(), Vec::<String>::new());

    // One leaves; the other stays.
    let left = a.leg("audio").stream.clone();
    left.emit_by_name::<()>("destroy", &[]);
    c.stop();
    assert!(b.hears(10));
    for end in [a, b, c] {
        end.dispose();
    }
}

#[test]
fn streams_that_ask_for_one_port_share_its_socket_and_are_told_apart() {
    isolation::init();
    let port = {
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port() & !1
    };
    let properties = format!("p,local-address=(string)127.0.0.1,local-port=(uint){port}");
    let [a, b, c] = three_way(&properties);
    let ports: Vec<u32> = a
        .log
        .named("farstream-new-local-candidate")
        .iter()
        .map(|s| {
            s.get::<gst::Structure>("candidate")
                .unwrap()
                .get("port")
                .unwrap()
        })
        .collect();
    assert_eq!(ports.len(), 4);
    assert_eq!(ports[..2], ports[2..], "two streams, one pair of sockets");
    for end in [&a, &b, &c] {
        end.play();
    }
    assert!(b.hears(10) && c.hears(10));
    assert!(eventually(|| a.leg("audio").received.pads() == 2));
    // Each stream received its own peer's source.
    let proxy = a.conference.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    for name in ["stream_0", "stream_1"] {
        let stream = proxy.child_by_name(name).unwrap();
        let received: gst::Caps = stream.property("current-recv-codecs");
        assert_eq!(codec_names(&received), ["OPUS"], "{name}");
    }
    for end in [a, b, c] {
        end.dispose();
    }
}

#[test]
fn configuration_is_discovered_while_media_flows() {
    isolation::init();
    let endpoint = Endpoint::new(&["audio"]);
    let session = &endpoint.leg("audio").session;
    let wish = caps("application/x-rtp,encoding-name=VORBIS,clock-rate=44100");
    call(session, "set-codec-preferences", &[&wish]).unwrap();
    assert_eq!(session.property::<Option<gst::Caps>>("codecs"), None);
    let without: gst::Caps = session.property("codecs-without-config");
    assert_eq!(codec_names(&without)[0], "VORBIS");
    endpoint.play();
    assert!(eventually(|| session
        .property::<Option<gst::Caps>>("codecs")
        .is_some()));
    let codecs: gst::Caps = session.property("codecs");
    let vorbis = codecs.structure(0).unwrap();
    assert!(vorbis.get::<&str>("configuration").unwrap().len() > 100);
    assert!(endpoint.log.named("farstream-codecs-changed").len() >= 3);
    let discovery = || {
        let bin = endpoint.conference.downcast_ref::<gst::Bin>().unwrap();
        bin.children()
            .iter()
            .any(|e| e.name().contains("discovery"))
    };
    assert!(
        eventually(|| !discovery()),
        "and the encoder used for it is gone"
    );
    assert_eq!(endpoint.log.complaints(), Vec::<String>::new());
    endpoint.dispose();
}

#[test]
fn vorbis_and_theora_are_decoded_with_the_configuration_of_the_peer() {
    isolation::init();
    for (media, codec, rate) in [("audio", "VORBIS", 44100), ("video", "THEORA", 90000)] {
        let (a, b) = (Endpoint::new(&[media]), Endpoint::new(&[media]));
        let wish = caps(&format!(
            "application/x-rtp,media={media},encoding-name={codec},clock-rate={rate}"
        ));
        for end in [&a, &b] {
            call(&end.leg(media).session, "set-codec-preferences", &[&wish]).unwrap();
            end.play();
        }
        let known = |end: &Endpoint| {
            let session = &end.leg(media).session;
            session.property::<Option<gst::Caps>>("codecs").is_some()
        };
        assert!(eventually(|| known(&a) && known(&b)), "{codec}");
        introduce(&a, &b, media);
        assert!(a.hears(10) && b.hears(10), "{codec}");
        let current: gst::Caps = b.leg(media).stream.property("current-recv-codecs");
        assert_eq!(codec_names(&current), [codec]);
        a.dispose();
        b.dispose();
    }
}

#[test]
fn without_default_preferences_everything_installed_is_offered() {
    isolation::init();
    let names = |defaults: bool| {
        let conference = gst::ElementFactory::make("fsrtpconference")
            .property("default-preferences", defaults)
            .build()
            .unwrap();
        let session = conference
            .emit_by_name::<Option<gst::Object>>("new-session", &[&"video"])
            .unwrap();
        codec_names(&session.property::<gst::Caps>("codecs-without-config"))
    };
    let with = names(true);
    assert_eq!(&with[..2], ["VP8", "H264"]);
    assert!(!with.contains(&"THEORA".to_owned()), "{with:?}");
    assert!(names(false).contains(&"THEORA".to_owned()));
}

#[test]
fn requesting_pads_makes_and_releasing_them_ends_sessions() {
    isolation::init();
    let conference = gst::ElementFactory::make("fsrtpconference")
        .build()
        .unwrap();
    let proxy = conference.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    let request = |name: &str| conference.request_pad_simple(name).unwrap();
    let first = request("audio_sink_%u");
    let second = request("audio_sink_%u");
    assert_eq!(
        (first.name().as_str(), second.name().as_str()),
        ("audio_sink_0", "audio_sink_1")
    );
    let video = request("video_src_%u");
    assert_eq!(video.name(), "video_src_2");
    let stable = request("audio_src_0");
    for name in [
        "session_0",
        "session_1",
        "session_2",
        "stream_0",
        "stream_2",
        "participant_0",
    ] {
        assert!(proxy.child_by_name(name).is_some(), "{name}");
    }
    let direction = |name: &str| {
        let stream = proxy.child_by_name(name).unwrap();
        let value = stream.property_value("direction").transform::<u32>();
        value.unwrap().get::<u32>().unwrap()
    };
    assert_eq!(direction("stream_0"), 3, "both");
    assert_eq!(direction("stream_2"), 2, "only the src pad was requested");

    conference.release_request_pad(&first);
    assert!(
        proxy.child_by_name("session_0").is_some(),
        "its src pad is still there"
    );
    conference.release_request_pad(&stable);
    assert!(proxy.child_by_name("session_0").is_none());
    assert!(proxy.child_by_name("stream_0").is_none());
    assert!(conference.static_pad("audio_sink_0").is_none());
    let again = request("audio_sink_%u");
    assert_eq!(again.name(), "audio_sink_0", "the lowest free number");
    conference.release_request_pad(&second);
    conference.release_request_pad(&video);
    conference.release_request_pad(&again);
    assert!(
        proxy.child_by_name("participant_0").is_none(),
        "nobody holds it any more"
    );
}

#[test]
fn properties_set_by_gst_launch_before_the_objects_exist_take_effect() {
    isolation::init();
    let line = "fsrtpconference name=c \
        session_0::codec-preferences=\"application/x-rtp,encoding-name=PCMA\" \
        session_0::tos=46 participant_0::cname=me@here \
        stream_0::direction=recv stream_0::transmitter=rawudp \
        stream_0::transmitter-properties=\"p,local-address=127.0.0.1\" \
        stream_0::remote-candidates=127.0.0.1:9 \
        stream_0::remote-codecs=\"application/x-rtp,encoding-name=PCMA,payload=8\" \
        audiotestsrc is-live=true ! c.audio_sink_0";
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Bin>()
        .unwrap();
    let conference = pipeline.by_name("c").unwrap();
    let proxy = conference.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    let session = proxy.child_by_name("session_0").unwrap();
    let stream = proxy.child_by_name("stream_0").unwrap();
    let participant = proxy.child_by_name("participant_0").unwrap();
    assert_eq!(
        codec_names(&session.property::<gst::Caps>("codecs")),
        ["PCMA"]
    );
    assert_eq!(session.property::<u32>("tos"), 46);
    assert_eq!(participant.property::<String>("cname"), "me@here");
    assert_eq!(stream.property::<String>("transmitter"), "rawudp");
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut names = Vec::new();
    while let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(500)) {
        assert_ne!(message.type_(), gst::MessageType::Warning, "{message:?}");
        if let Some(s) = message.structure() {
            names.push(s.name().to_string());
        }
    }
    assert!(
        names
            .iter()
            .any(|n| n == "farstream-new-active-candidate-pair"),
        "{names:?}"
    );
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn type_of_service_reaches_the_transmitter_and_the_wire_stays_up() {
    isolation::init();
    let (a, b) = pair_with(&["audio"], Some("PCMU"));
    a.leg("audio").session.set_property("tos", 184u32);
    let transmitter_tos = || {
        let bin = a.conference.downcast_ref::<gst::Bin>().unwrap();
        let transmitter = bin
            .children()
            .into_iter()
            .find(|e| {
                e.factory()
                    .is_some_and(|f| f.name() == "fsrawudptransmitter")
            })
            .unwrap();
        transmitter.property::<u32>("tos")
    };
    assert_eq!(transmitter_tos(), 184);
    a.play();
    b.play();
    assert!(a.hears(5) && b.hears(5));
    a.leg("audio").session.set_property("tos", 0u32);
    assert_eq!(transmitter_tos(), 0);
    assert!(a.hears(5) && b.hears(5));
    a.dispose();
    b.dispose();
}
