// SPDX-License-Identifier: MPL-2.0
//! Bad input of every kind: the documented error code, a text that says what was
//! expected, and nothing changed. Warnings of GLib abort these tests.

use std::net::UdpSocket;

use gst::prelude::*;
use tests::call::{Endpoint, call, caps, eventually, pair_with, show, structure};
use tests::isolation;

/// Codes of the domain `fs-error`.
mod code {
    pub const CONSTRUCTION: i32 = 1;
    pub const INVALID_ARGUMENTS: i32 = 100;
    pub const NETWORK: i32 = 101;
    pub const NOT_IMPLEMENTED: i32 = 102;
    pub const NEGOTIATION_FAILED: i32 = 103;
    pub const NO_CODECS_LEFT: i32 = 106;
    pub const DISPOSED: i32 = 108;
    pub const ALREADY_EXISTS: i32 = 109;
}

/// The value of every property that an application can read and that does not change
/// by itself.
fn snapshot(object: &gst::Object) -> Vec<String> {
    let moving = ["stats", "sink-pad", "name", "parent"];
    object
        .list_properties()
        .iter()
        .filter(|pspec| pspec.flags().contains(glib::ParamFlags::READABLE))
        .filter(|pspec| !moving.contains(&pspec.name()))
        .map(|pspec| {
            format!(
                "{}: {}",
                pspec.name(),
                show(&object.property_value(pspec.name()))
            )
        })
        .collect()
}

struct Fixture {
    endpoint: Endpoint,
    before: [Vec<String>; 2],
}

impl Fixture {
    fn new() -> Self {
        isolation::init();
        let endpoint = Endpoint::new(&["audio"]);
        let before = Self::look(&endpoint);
        Self { endpoint, before }
    }

    fn look(endpoint: &Endpoint) -> [Vec<String>; 2] {
        let leg = endpoint.leg("audio");
        [snapshot(&leg.session), snapshot(&leg.stream)]
    }

    fn session(&self) -> &gst::Object {
        &self.endpoint.leg("audio").session
    }

    fn stream(&self) -> &gst::Object {
        &self.endpoint.leg("audio").stream
    }

    /// The call must fail with this code, a text that has all these words, and no effect.
    #[track_caller]
    fn refused(&self, result: Result<(), glib::Error>, code: i32, words: &[&str]) {
        let error = result.expect_err("must be refused");
        assert_eq!(error.domain().as_str(), "fs-error");
        let text = error.message();
        assert_eq!(error.code(), code, "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
        assert_eq!(Self::look(&self.endpoint), self.before, "{text}");
    }

    /// Setting a property must be refused on the bus, with a warning beside, and no effect.
    #[track_caller]
    fn refused_on_bus(&self, code: i32, words: &[&str]) {
        let error = self
            .endpoint
            .log
            .named("farstream-error")
            .pop()
            .expect("farstream-error");
        let number = error.value("error-no").unwrap();
        let (_, value) = glib::EnumValue::from_value(number).unwrap();
        let text = error.get::<String>("error-msg").unwrap();
        assert_eq!(value.value(), code, "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
        assert_eq!(Self::look(&self.endpoint), self.before, "{text}");
        self.endpoint.log.clear();
    }
}

#[test]
fn an_unknown_media_type_makes_no_session() {
    let f = Fixture::new();
    for media in ["smell", "", "AUDIO "] {
        let session: Option<gst::Object> =
            f.endpoint.conference.emit_by_name("new-session", &[&media]);
        assert_eq!(session, None);
        f.refused_on_bus(
            code::INVALID_ARGUMENTS,
            &["audio, video or application", media],
        );
    }
    let session: Option<gst::Object> = f
        .endpoint
        .conference
        .emit_by_name("new-session", &[&None::<String>]);
    assert_eq!(session, None);
}

#[test]
fn streams_need_a_participant_of_ours_and_a_direction() {
    let f = Fixture::new();
    let none: Option<gst::Object> = None;
    let foreign = gst::Pipeline::new().upcast::<gst::Object>();
    for (participant, direction, word) in [
        (none, "both", "participant"),
        (Some(foreign), "both", "participant"),
        (
            Some(f.endpoint.participant.clone()),
            "sideways",
            "direction",
        ),
    ] {
        let stream: Option<gst::Object> = f
            .session()
            .emit_by_name("new-stream", &[&participant, &direction]);
        assert_eq!(stream, None);
        f.refused_on_bus(code::INVALID_ARGUMENTS, &[word]);
    }
}

#[test]
fn malformed_codec_caps_are_refused_wherever_they_come_in() {
    let f = Fixture::new();
    for (text, word) in [
        ("ANY", "ANY"),
        ("audio/x-raw", "application/x-rtp"),
        ("application/x-rtp,payload=96", "encoding-name"),
        ("application/x-rtp,encoding-name=PCMU,payload=128", "127"),
        ("application/x-rtp,encoding-name=PCMU,payload=-3", "-3"),
        (
            "application/x-rtp,encoding-name=PCMU,payload=[0,3]",
            "payload",
        ),
        (
            "application/x-rtp,encoding-name=PCMU,clock-rate=-8000",
            "clock-rate",
        ),
        ("application/x-rtp,encoding-name=PCMU,media=smell", "media"),
        (
            "application/x-rtp,encoding-name=PCMU,mode={20,(fraction)1/2}",
            "mode",
        ),
    ] {
        let bad = caps(text);
        f.refused(
            call(f.stream(), "set-remote-codecs", &[&bad]),
            code::INVALID_ARGUMENTS,
            &[word],
        );
        f.refused(
            call(f.session(), "set-codec-preferences", &[&bad]),
            code::INVALID_ARGUMENTS,
            &[word],
        );
        f.refused(
            call(f.session(), "set-send-codec", &[&bad]),
            code::INVALID_ARGUMENTS,
            &[word],
        );
        f.stream().set_property("remote-codecs", &bad);
        f.refused_on_bus(code::INVALID_ARGUMENTS, &["remote-codecs", word]);
        f.session().set_property("codec-preferences", &bad);
        f.refused_on_bus(code::INVALID_ARGUMENTS, &["codec-preferences", word]);
    }
}

#[test]
fn remote_codecs_must_be_complete_and_of_this_media() {
    let f = Fixture::new();
    let set = |text: &str| call(f.stream(), "set-remote-codecs", &[&caps(text)]);
    f.refused(set("EMPTY"), code::INVALID_ARGUMENTS, &["at least one"]);
    f.refused(
        set("application/x-rtp,encoding-name=OPUS"),
        code::INVALID_ARGUMENTS,
        &["payload type"],
    );
    f.refused(
        set("application/x-rtp,media=video,encoding-name=VP8,payload=96"),
        code::INVALID_ARGUMENTS,
        &["media audio"],
    );
    f.refused(
        call(f.stream(), "set-remote-codecs", &[&None::<gst::Caps>]),
        code::INVALID_ARGUMENTS,
        &["null"],
    );
}

#[test]
fn unknown_codecs_fail_the_negotiation_and_say_which() {
    let f = Fixture::new();
    let unknown = caps("application/x-rtp,encoding-name=EVS,payload=96,clock-rate=16000");
    f.refused(
        call(f.stream(), "set-remote-codecs", &[&unknown]),
        code::NEGOTIATION_FAILED,
        &["EVS", "encoding-name"],
    );
    f.refused(
        call(f.session(), "set-send-codec", &[&unknown]),
        code::INVALID_ARGUMENTS,
        &["EVS", "PCMU"],
    );
}

#[test]
fn preferences_and_allowed_caps_that_leave_nothing_are_refused() {
    let f = Fixture::new();
    let mut all_off = gst::Caps::new_empty();
    for s in f.endpoint.leg("audio").codecs().iter() {
        let mut s = s.to_owned();
        s.set("payload", -2);
        all_off.make_mut().append_structure(s);
    }
    f.refused(
        call(f.session(), "set-codec-preferences", &[&all_off]),
        code::NO_CODECS_LEFT,
        &["preferences"],
    );
    let foreign = Some(caps("audio/x-unheard-of"));
    let none: Option<gst::Caps> = None;
    f.refused(
        call(f.session(), "set-allowed-caps", &[&foreign, &none]),
        code::NO_CODECS_LEFT,
        &["allowed-caps", "audio/x-unheard-of"],
    );
    f.session().set_property("allowed-src-caps", &foreign);
    f.refused_on_bus(code::NO_CODECS_LEFT, &["allowed-src-caps"]);
}

#[test]
fn bad_candidates_are_refused_before_and_after_the_transmitter() {
    let f = Fixture::new();
    let check = |f: &Fixture| {
        for signal in ["add-remote-candidates", "force-remote-candidates"] {
            for (line, word) in [
                ("", "RFC 8839"),
                ("nonsense", "RFC 8839"),
                ("example.org:5000", "host names"),
                ("127.0.0.1:70000", "127.0.0.1:70000"),
                ("candidate:1 1 UDP 1 127.0.0.1", "port"),
                ("candidate:1 0 UDP 1 127.0.0.1 5000 typ host", "component"),
                ("candidate:1 1 DCCP 1 127.0.0.1 5000 typ host", "transport"),
            ] {
                let lines = vec!["127.0.0.1:5000".to_owned(), line.to_owned()];
                f.refused(
                    call(f.stream(), signal, &[&lines]),
                    code::INVALID_ARGUMENTS,
                    &["candidate 2", word],
                );
            }
        }
        f.stream()
            .set_property("remote-candidates", "127.0.0.1:5000,nonsense");
        f.refused_on_bus(
            code::INVALID_ARGUMENTS,
            &["remote-candidates", "candidate 2"],
        );
    };
    check(&f);

    f.endpoint.leg("audio").connect();
    let f = Fixture {
        before: Fixture::look(&f.endpoint),
        ..f
    };
    check(&f);
    for (line, word) in [
        (
            "candidate:1 1 UDP 1 example.org 5000 typ host",
            "IP address",
        ),
        ("candidate:1 3 UDP 1 127.0.0.1 5000 typ host", "component"),
        ("candidate:1 1 TCP 1 127.0.0.1 5000 typ host", "UDP"),
        ("candidate:1 1 UDP 1 127.0.0.1 0 typ host", "port"),
        ("candidate:1 1 UDP 1 ::1 5000 typ host", "IPv6"),
    ] {
        f.refused(
            call(
                f.stream(),
                "add-remote-candidates",
                &[&vec![line.to_owned()]],
            ),
            code::INVALID_ARGUMENTS,
            &[word],
        );
    }
}

#[test]
fn transmitters_are_refused_by_name_property_and_value() {
    let f = Fixture::new();
    let set = |name: &str, properties: &str| {
        call(
            f.stream(),
            "set-transmitter",
            &[&name, &structure(properties)],
        )
    };
    f.refused(
        set("pigeon", "p"),
        code::CONSTRUCTION,
        &["pigeon", "rawudp"],
    );
    f.refused(set("", "p"), code::CONSTRUCTION, &["rawudp"]);
    f.refused(
        set("rawudp", "p,feather=1"),
        code::INVALID_ARGUMENTS,
        &["feather", "local-port"],
    );
    f.refused(
        set("rawudp", "p,sending=true"),
        code::INVALID_ARGUMENTS,
        &["sending"],
    );
    f.refused(
        set("rawudp", "p,local-port=70000"),
        code::INVALID_ARGUMENTS,
        &["70000"],
    );
    f.refused(
        set("rawudp", "p,local-port=-1"),
        code::INVALID_ARGUMENTS,
        &["-1"],
    );
    f.refused(
        set("rawudp", "p,local-port=many"),
        code::INVALID_ARGUMENTS,
        &["many"],
    );
    f.refused(
        set("rawudp", "p,local-address=(string)example.org"),
        code::INVALID_ARGUMENTS,
        &["example.org"],
    );
    // An address of nobody here (RFC 5737).
    f.refused(
        set("rawudp", "p,local-address=(string)192.0.2.1"),
        code::NETWORK,
        &["192.0.2.1"],
    );
    f.stream().set_property("transmitter", "pigeon");
    f.refused_on_bus(code::CONSTRUCTION, &["pigeon"]);

    // After all that it still works, once.
    f.endpoint.leg("audio").connect();
    let again = set("rawudp", "p");
    assert_eq!(again.unwrap_err().code(), code::ALREADY_EXISTS);
    f.endpoint.dispose();
}

#[test]
fn a_port_in_use_moves_on_by_two_and_the_candidate_tells() {
    let f = Fixture::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let properties = structure(&format!(
        "p,local-address=(string)127.0.0.1,local-port=(uint){port}"
    ));
    let stream = f.stream();
    call(stream, "set-transmitter", &[&"rawudp", &properties]).unwrap();
    let ports: Vec<u32> = f
        .endpoint
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
    assert!(ports[0] >= u32::from(port) + 2, "{ports:?}");
    assert_eq!((ports[0] - u32::from(port)) % 2, 0, "parity is kept");
    assert_eq!(ports[1], ports[0] + 1);
    f.endpoint.dispose();
}

#[test]
fn what_comes_later_says_so() {
    let f = Fixture::new();
    let parameters = structure("FarstreamSRTP,cipher=aes-128-icm");
    f.refused(
        call(f.session(), "set-encryption-parameters", &[&parameters]),
        code::NOT_IMPLEMENTED,
        &["not implemented"],
    );
    f.refused(
        call(f.stream(), "set-decryption-parameters", &[&parameters]),
        code::NOT_IMPLEMENTED,
        &["not implemented"],
    );
    assert!(
        !f.session()
            .emit_by_name::<bool>("start-telephony-event", &[&1u32, &8u32])
    );
    f.refused_on_bus(code::NOT_IMPLEMENTED, &["telephony"]);
    assert!(
        !f.session()
            .emit_by_name::<bool>("stop-telephony-event", &[])
    );
    f.session().set_property("send-bitrate", 64_000u32);
    f.refused_on_bus(code::NOT_IMPLEMENTED, &["send-bitrate"]);
    f.session()
        .set_property("encryption-parameters", &parameters);
    f.refused_on_bus(code::NOT_IMPLEMENTED, &["encryption-parameters"]);
    f.stream().set_property("send-rtcp-mux", true);
    f.refused_on_bus(code::NOT_IMPLEMENTED, &["send-rtcp-mux"]);
    f.stream().set_property("require-encryption", true);
    f.refused_on_bus(code::NOT_IMPLEMENTED, &["require-encryption"]);
}

#[test]
fn after_destroy_everything_answers_disposed() {
    let f = Fixture::new();
    let (session, stream) = (f.session().clone(), f.stream().clone());
    let codecs = f.endpoint.leg("audio").codecs();
    let lines = vec!["127.0.0.1:5000".to_owned()];
    let none: Option<gst::Structure> = None;
    let no_caps: Option<gst::Caps> = None;
    let check_stream = || {
        for result in [
            call(&stream, "set-transmitter", &[&"rawudp", &none]),
            call(&stream, "add-remote-candidates", &[&lines]),
            call(&stream, "force-remote-candidates", &[&lines]),
            call(&stream, "set-remote-codecs", &[&codecs]),
            call(&stream, "set-remote-codecs", &[&no_caps]),
            call(&stream, "set-decryption-parameters", &[&none]),
            call(&stream, "add-id", &[&1u32]),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.code(), code::DISPOSED, "{error}");
            assert!(error.message().contains("stream_0"), "{error}");
        }
        assert_eq!(stream.property::<Option<gst::Caps>>("remote-codecs"), None);
    };
    stream.emit_by_name::<()>("destroy", &[]);
    stream.emit_by_name::<()>("destroy", &[]);
    check_stream();
    stream.set_property("direction", stream.property_value("direction"));

    session.emit_by_name::<()>("destroy", &[]);
    session.emit_by_name::<()>("destroy", &[]);
    check_stream();
    for result in [
        call(&session, "set-send-codec", &[&codecs]),
        call(&session, "set-codec-preferences", &[&codecs]),
        call(&session, "set-codec-preferences", &[&no_caps]),
        call(&session, "set-allowed-caps", &[&no_caps, &no_caps]),
        call(&session, "set-encryption-parameters", &[&none]),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), code::DISPOSED, "{error}");
        assert!(error.message().contains("session_0"), "{error}");
    }
    let participant = &f.endpoint.participant;
    let new: Option<gst::Object> = session.emit_by_name("new-stream", &[participant, &"both"]);
    assert_eq!(new, None);
    let resend: Option<gst::Caps> = session.emit_by_name("codecs-need-resend", &[&codecs, &codecs]);
    assert_eq!(resend, None);
    assert!(!session.emit_by_name::<bool>("start-telephony-event", &[&1u32, &8u32]));
    assert!(!session.emit_by_name::<bool>("stop-telephony-event", &[]));
    assert_eq!(session.property::<Option<gst::Caps>>("codecs"), None);
    assert_eq!(session.property::<Option<gst::Pad>>("sink-pad"), None);
    session.set_property("tos", 3u32);
    f.endpoint.dispose();
}

#[test]
fn pads_of_a_wrong_name_or_media_are_not_given() {
    isolation::init();
    let conference = gst::ElementFactory::make("fsrtpconference")
        .build()
        .unwrap();
    let audio = conference.request_pad_simple("audio_sink_0").unwrap();
    assert_eq!(audio.name(), "audio_sink_0");
    assert!(
        conference.request_pad_simple("video_sink_0").is_none(),
        "0 is audio"
    );
    assert!(conference.request_pad_simple("video_src_0").is_none());
    assert!(conference.request_pad_simple("audio_src_0").is_some());
    assert!(
        conference
            .request_pad_simple("video_sink_%u")
            .is_some_and(|p| p.name() == "video_sink_1")
    );
    conference.release_request_pad(&audio);
}

#[test]
fn hostile_packets_are_dropped_counted_and_told_once_a_second() {
    isolation::init();
    let (a, b) = pair_with(&["audio"], Some("PCMU"));
    a.play();
    b.play();
    assert!(a.hears(5) && b.hears(5));
    let port = |component: u32| {
        a.log
            .named("farstream-new-local-candidate")
            .iter()
            .map(|s| s.get::<gst::Structure>("candidate").unwrap())
            .find(|c| c.get::<u32>("component").unwrap() == component)
            .and_then(|c| u16::try_from(c.get::<u32>("port").unwrap()).ok())
            .unwrap()
    };
    let attacker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut unknown_payload = vec![0x80, 127, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    unknown_payload.extend([0; 160]);
    let packets: [&[u8]; 8] = [
        b"",
        b"x",
        &[0x80],
        &[0; 12],
        // An extension longer than the packet, more CSRCs than bytes, padding beyond the start.
        &[
            0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff,
        ],
        &[0x8f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 255],
        &unknown_payload,
    ];
    for _ in 0..50 {
        for packet in packets {
            attacker.send_to(packet, ("127.0.0.1", port(1))).unwrap();
            attacker.send_to(packet, ("127.0.0.1", port(2))).unwrap();
        }
    }
    assert!(
        a.log
            .wait("farstream-packets-dropped", |s| s.get::<&str>("reason")
                == Ok("malformed"))
    );
    assert!(a.log.wait("farstream-packets-dropped", |s| {
        s.get::<&str>("reason") == Ok("unknown-payload-type")
            && s.get::<u32>("payload") == Ok(127)
            && s.get::<&str>("remedy").is_ok_and(|text| !text.is_empty())
    }));
    assert!(
        a.log.named("farstream-packets-dropped").len() <= 6,
        "rate-limited"
    );
    assert!(a.hears(10) && b.hears(10), "the call goes on");
    assert!(eventually(|| a.leg("audio").received.pads() == 1));
    assert_eq!(a.log.complaints(), Vec::<String>::new());
    a.dispose();
    b.dispose();
}
