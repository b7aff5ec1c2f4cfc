// SPDX-License-Identifier: MPL-2.0
//! The rules of negotiation, on made-up machines.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::blueprint::Stage;
use crate::{CodecId, StreamDirection};

const ALICE: StreamId = StreamId(0);
const BOB: StreamId = StreamId(1);

fn pt(number: u8) -> CodecId {
    PayloadType::new(number).unwrap().into()
}

fn audio(id: CodecId, name: &str, rate: u32) -> Codec {
    Codec::new(id, name, MediaType::Audio, rate)
}

fn blueprint(codec: Codec) -> Arc<Blueprint> {
    let raw = gst::Caps::new_empty_simple("audio/x-raw");
    Arc::new(Blueprint {
        codec,
        rtp_caps: gst::Caps::new_any(),
        input_caps: raw.clone(),
        output_caps: raw,
        send: vec![Stage::one("pay"), Stage::one("enc")],
        receive: vec![Stage::one("depay"), Stage::one("dec")],
    })
}

/// A machine with Opus, PCMU, PCMA, and Speex at any rate.
fn machine() -> Arc<[Arc<Blueprint>]> {
    gst::init().unwrap();
    [
        audio(pt(0), "PCMU", 8000),
        audio(pt(8), "PCMA", 8000),
        audio(CodecId::Any, "OPUS", 48000).with_channels(2),
        audio(CodecId::Any, "SPEEX", 0),
    ]
    .map(blueprint)
    .into()
}

fn session() -> Negotiator {
    Negotiator::new(MediaType::Audio, machine(), Vec::new())
        .unwrap()
        .0
}

fn offer(codecs: &[Codec]) -> Vec<(i32, &str)> {
    codecs
        .iter()
        .map(|c| (c.id.number(), c.encoding_name.as_str()))
        .collect()
}

fn codecs(session: &Negotiator) -> Vec<Codec> {
    session.codecs().unwrap()
}

#[test]
fn discovered_codecs_get_static_or_dynamic_payload_types() {
    let list = codecs(&session());
    assert_eq!(offer(&list), [(0, "PCMU"), (8, "PCMA"), (96, "OPUS")]);
}

#[test]
fn preferences_come_first_and_can_disable_reserve_and_number() {
    let mut s = session();
    let outcome = s
        .set_codec_preferences(Some(vec![
            audio(pt(96), "reserve-pt", 0),
            audio(pt(118), "PCMA", 8000),
            audio(CodecId::Any, "SPEEX", 16000),
            audio(CodecId::Disable, "pcmu", 0),
        ]))
        .unwrap();
    assert!(outcome.codecs_changed);
    assert_eq!(outcome.refused, []);
    assert_eq!(
        offer(&codecs(&s)),
        [(118, "PCMA"), (97, "SPEEX"), (98, "OPUS")]
    );
    assert_eq!(s.codec_preferences().unwrap().len(), 4);
}

#[test]
fn no_preferences_restore_the_defaults() {
    let mut s = session();
    let before = codecs(&s);
    s.set_codec_preferences(Some(vec![audio(CodecId::Disable, "PCMU", 0)]))
        .unwrap();
    s.set_codec_preferences(None).unwrap();
    assert_eq!(codecs(&s), before);
    assert_eq!(s.codec_preferences(), None);
}

#[test]
fn the_own_list_as_preferences_changes_nothing() {
    let mut s = session();
    let before = s.codecs_without_config();
    let outcome = s.set_codec_preferences(Some(before.clone())).unwrap();
    assert!(!outcome.codecs_changed);
    assert_eq!(s.codecs_without_config(), before);
}

#[test]
fn refused_preferences_are_listed_with_their_reason() {
    let mut s = session();
    let outcome = s
        .set_codec_preferences(Some(vec![
            audio(CodecId::Any, "NOSUCH", 8000),
            audio(CodecId::Any, "SPEEX", 0),
            audio(CodecId::Any, "PCMU", 16000),
            Codec::new(CodecId::Any, "PCMU", MediaType::Video, 8000),
            audio(CodecId::Any, "PCMU", 8000).with_param("farstream-send-profile", "x"),
        ]))
        .unwrap();
    let rules: Vec<_> = outcome.refused.iter().map(|r| r.mismatch.rule).collect();
    assert_eq!(
        rules,
        [
            Rule::NotInstalled,
            Rule::ClockRateMissing,
            Rule::ClockRate,
            Rule::Media,
            Rule::NotImplemented
        ]
    );
    assert!(outcome.refused.iter().all(|r| r.side == Side::Local));
}

#[test]
fn preferences_that_leave_nothing_are_refused_and_change_nothing() {
    let mut s = session();
    let before = codecs(&s);
    let error = s
        .set_codec_preferences(Some(
            ["PCMU", "PCMA", "OPUS"]
                .map(|name| audio(CodecId::Disable, name, 0))
                .into(),
        ))
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoCodecsLeft);
    assert_eq!(codecs(&s), before);
    assert_eq!(s.codec_preferences(), None, "the old preferences stay");
}

#[test]
fn remote_payload_type_wins_with_one_stream() {
    let mut s = session();
    let outcome = s
        .set_remote_codecs(ALICE, vec![audio(pt(118), "pcmu", 8000)])
        .unwrap();
    assert!(outcome.codecs_changed);
    assert_eq!(outcome.streams_changed, [ALICE]);
    assert_eq!(offer(&codecs(&s)), [(118, "pcmu")]);
    let again = s
        .set_remote_codecs(ALICE, vec![audio(pt(118), "pcmu", 8000)])
        .unwrap();
    assert!(!again.codecs_changed && again.streams_changed.is_empty());
}

#[test]
fn remote_order_decides_and_unknown_codecs_are_refused() {
    let mut s = session();
    let outcome = s
        .set_remote_codecs(
            ALICE,
            vec![
                audio(pt(97), "EVS", 16000),
                audio(pt(98), "opus", 48000).with_channels(2),
                audio(pt(0), "PCMU", 0),
            ],
        )
        .unwrap();
    assert_eq!(offer(&codecs(&s)), [(98, "opus"), (0, "PCMU")]);
    assert_eq!(codecs(&s)[1].clock_rate, 8000, "completed from ours");
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(outcome.refused[0].side, Side::Remote);
    assert_eq!(outcome.refused[0].mismatch.theirs, "EVS");
}

#[test]
fn unusable_remote_lists_are_refused_and_change_nothing() {
    let mut s = session();
    let before = codecs(&s);
    for (list, code) in [
        (vec![], ErrorCode::InvalidArguments),
        (
            vec![audio(CodecId::Any, "PCMU", 8000)],
            ErrorCode::InvalidArguments,
        ),
        (
            vec![Codec::new(pt(96), "VP8", MediaType::Video, 90000)],
            ErrorCode::InvalidArguments,
        ),
        (
            vec![audio(pt(96), "EVS", 16000)],
            ErrorCode::NegotiationFailed,
        ),
    ] {
        assert_eq!(s.set_remote_codecs(ALICE, list).unwrap_err().code(), code);
        assert_eq!(codecs(&s), before);
        assert_eq!(s.remote_codecs(ALICE), None);
    }
}

#[test]
fn refused_remote_list_keeps_the_earlier_one() {
    let mut s = session();
    let good = vec![audio(pt(8), "PCMA", 8000)];
    s.set_remote_codecs(ALICE, good.clone()).unwrap();
    s.set_remote_codecs(ALICE, vec![audio(pt(96), "EVS", 16000)])
        .unwrap_err();
    assert_eq!(s.remote_codecs(ALICE).unwrap(), good);
}

#[test]
fn payload_types_offered_before_stay_receivable() {
    let mut s = session();
    s.set_remote_codecs(ALICE, vec![audio(pt(8), "PCMA", 8000)])
        .unwrap();
    let opus = s
        .receive_association(PayloadType::new(96).unwrap())
        .unwrap();
    assert_eq!(opus.state, State::ReceiveOnly);
    assert!(opus.codec.is_named("OPUS"));
    assert_eq!(offer(&codecs(&s)), [(8, "PCMA")], "but not announced");
}

#[test]
fn a_payload_type_the_peer_gave_to_another_codec_is_not_understood() {
    let mut s = session();
    s.set_remote_codecs(
        ALICE,
        vec![audio(pt(8), "PCMA", 8000), audio(pt(96), "EVS", 16000)],
    )
    .unwrap();
    assert!(
        s.receive_association(PayloadType::new(96).unwrap())
            .is_none()
    );
}

#[test]
fn several_peers_share_what_all_have_under_our_payload_types() {
    let mut s = session();
    s.set_remote_codecs(
        ALICE,
        vec![
            audio(pt(120), "OPUS", 48000),
            audio(pt(0), "PCMU", 8000),
            audio(pt(8), "PCMA", 8000),
        ],
    )
    .unwrap();
    s.set_remote_codecs(
        BOB,
        vec![audio(pt(8), "PCMA", 8000), audio(pt(111), "OPUS", 48000)],
    )
    .unwrap();
    assert_eq!(offer(&codecs(&s)), [(8, "PCMA"), (120, "OPUS")]);
    let error = s
        .set_remote_codecs(BOB, vec![audio(pt(3), "GSM", 8000)])
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NegotiationFailed);
    let outcome = s.remove_stream(BOB);
    assert!(outcome.codecs_changed, "PCMU comes back");
    assert_eq!(codecs(&s).len(), 3);
}

#[test]
fn packet_times_announce_ours_and_send_theirs() {
    let mut s = session();
    s.set_codec_preferences(Some(vec![
        audio(CodecId::Any, "PCMU", 8000).with_param("ptime", "10"),
    ]))
    .unwrap();
    s.set_remote_codecs(
        ALICE,
        vec![audio(pt(0), "PCMU", 8000).with_param("ptime", "30")],
    )
    .unwrap();
    let association = s.send_association(None).unwrap();
    assert_eq!(association.codec.param("ptime"), Some("10"));
    assert_eq!(association.send_codec.param("ptime"), Some("30"));
}

#[test]
fn feedback_needs_both_sides_and_trr_int_follows_the_peer() {
    let mut s = session();
    let mut wish = audio(CodecId::Any, "PCMU", 8000)
        .with_feedback("nack", "pli", "")
        .with_feedback("ccm", "fir", "");
    wish.trr_int = Some(7);
    s.set_codec_preferences(Some(vec![wish])).unwrap();
    let theirs = audio(pt(0), "PCMU", 8000)
        .with_feedback("NACK", "PLI", "")
        .with_feedback("nack", "", "");
    s.set_remote_codecs(ALICE, vec![theirs]).unwrap();
    let agreed = &codecs(&s)[0];
    assert_eq!(agreed.feedback.len(), 1);
    assert!(agreed.has_feedback("nack", "pli"));
    assert_eq!(agreed.trr_int, None);
}

#[test]
fn allowed_caps_restrict_and_can_leave_nothing() {
    let mut s = session();
    let none = gst::Caps::new_empty_simple("audio/x-nothing");
    let error = s.set_allowed_caps(Some(none), None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoCodecsLeft);
    assert!(s.allowed_caps().sink.to_string().contains("x-raw"));
    assert!(
        error.message().contains("allowed-caps"),
        "the rule is named: {error}"
    );
}

#[test]
fn a_reserved_payload_type_stays_with_a_peer_that_has_it() {
    let mut s = session();
    s.set_remote_codecs(ALICE, vec![audio(pt(96), "OPUS", 48000)])
        .unwrap();
    for _ in 0..2 {
        s.set_codec_preferences(Some(vec![audio(pt(96), "reserve-pt", 0)]))
            .unwrap();
        assert_eq!(offer(&codecs(&s)), [(96, "OPUS")]);
    }
}

#[test]
fn configuration_is_learned_kept_and_resent() {
    gst::init().unwrap();
    let vorbis = blueprint(audio(CodecId::Any, "VORBIS", 44100));
    let (mut s, _) = Negotiator::new(MediaType::Audio, [vorbis].into(), Vec::new()).unwrap();
    assert_eq!(s.codecs(), None, "configuration is not known yet");
    assert_eq!(s.codecs_without_config().len(), 1);
    let number = s.association_needing_config().unwrap().payload().unwrap();
    let caps = gst::Structure::builder("application/x-rtp")
        .field("configuration", "AAAA")
        .field("payload", 96)
        .build();
    assert!(s.learn_config(number, &caps));
    assert!(!s.learn_config(number, &caps), "nothing new");
    let first = codecs(&s);
    assert_eq!(first[0].param("configuration"), Some("AAAA"));

    let theirs = audio(pt(105), "VORBIS", 44100).with_param("configuration", "BBBB");
    s.set_remote_codecs(ALICE, vec![theirs]).unwrap();
    assert_eq!(codecs(&s)[0].param("configuration"), Some("AAAA"), "ours");
    let decode = s
        .receive_codec(Some(ALICE), PayloadType::new(105).unwrap())
        .unwrap();
    assert_eq!(decode.param("configuration"), Some("BBBB"), "theirs");

    assert_eq!(codecs_need_resend(&first, &first), []);
    let mut second = first.clone();
    second[0].remove_param("configuration");
    assert_eq!(codecs_need_resend(&first, &second), second);
}

#[test]
fn send_codec_wish_may_leave_out_details() {
    let mut s = session();
    s.set_remote_codecs(ALICE, codecs(&session())).unwrap();
    assert!(s.send_association(None).unwrap().codec.is_named("PCMU"));
    let wish = audio(CodecId::Any, "opus", 0);
    let chosen = s.send_association(Some(&wish)).unwrap();
    assert!(chosen.codec.is_named("OPUS"));
    let gone = audio(CodecId::Any, "EVS", 0);
    assert!(
        s.send_association(Some(&gone))
            .unwrap()
            .codec
            .is_named("PCMU"),
        "falls back to the first"
    );
}

#[test]
fn header_extensions_take_the_peers_ids() {
    let ext = |id, uri: &str| HeaderExtension {
        id,
        direction: StreamDirection::BOTH,
        uri: uri.into(),
    };
    let mut s = session();
    let outcome = s
        .set_header_extension_preferences(vec![ext(4096, "urn:a"), ext(2, "urn:b")])
        .unwrap();
    assert!(outcome.header_extensions_changed);
    assert_eq!(s.header_extensions(), [ext(1, "urn:a"), ext(2, "urn:b")]);
    s.set_remote_header_extensions(ALICE, vec![ext(9, "urn:a")])
        .unwrap();
    assert_eq!(s.header_extensions().len(), 2, "no codecs from Alice yet");
    s.set_remote_codecs(ALICE, vec![audio(pt(0), "PCMU", 8000)])
        .unwrap();
    assert_eq!(s.header_extensions(), [ext(9, "urn:a")]);
}

#[test]
fn what_the_user_does_not_mention_stays_with_the_defaults() {
    let defaults = vec![
        audio(CodecId::Any, "OPUS", 48000).with_feedback("nack", "", ""),
        audio(CodecId::Disable, "PCMU", 0),
        audio(CodecId::Disable, "PCMA", 0),
    ];
    let (mut s, _) = Negotiator::new(MediaType::Audio, machine(), defaults).unwrap();
    assert_eq!(offer(&codecs(&s)), [(96, "OPUS")]);
    s.set_codec_preferences(Some(vec![
        audio(CodecId::Any, "PCMA", 8000),
        audio(CodecId::Any, "OPUS", 48000),
    ]))
    .unwrap();
    assert_eq!(
        offer(&codecs(&s)),
        [(8, "PCMA"), (96, "OPUS")],
        "PCMU stays off"
    );
    assert!(codecs(&s)[1].has_feedback("nack", ""));
    assert_eq!(s.codec_preferences().unwrap().len(), 2, "as given");
    assert!(s.codec_preferences().unwrap()[1].feedback.is_empty());
}

#[test]
fn default_preferences_parse_and_name_each_codec_once() {
    gst::init().unwrap();
    for media in [MediaType::Audio, MediaType::Video] {
        let list = default_preferences(media).unwrap();
        assert!(list.len() > 5);
        for (i, a) in list.iter().enumerate() {
            assert!(list[i + 1..].iter().all(|b| a != b), "{a}");
        }
    }
}

#[test]
fn a_machine_without_codecs_says_so() {
    let error = Negotiator::new(MediaType::Video, [].into(), Vec::new()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoCodecs);
}

fn any_remote() -> impl Strategy<Value = Vec<Codec>> {
    let name = prop_oneof![
        Just("PCMU"),
        Just("PCMA"),
        Just("opus"),
        Just("Speex"),
        Just("EVS")
    ];
    let rate = prop_oneof![Just(0u32), Just(8000), Just(16000), Just(48000)];
    let param = prop::option::of(("p[ab]", "[0-9]{1,2}"));
    prop::collection::vec((0u8..128, name, rate, 0u32..3, param), 1..6).prop_map(|list| {
        list.into_iter()
            .map(|(id, name, rate, channels, param)| {
                let codec = audio(pt(id), name, rate).with_channels(channels);
                match param {
                    Some((name, value)) => codec.with_param(&name, &value),
                    None => codec,
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn nothing_is_agreed_on_that_the_peer_did_not_offer(remote in any_remote()) {
        let mut s = session();
        if s.set_remote_codecs(ALICE, remote.clone()).is_ok() {
            for codec in codecs(&s) {
                prop_assert!(remote.iter().any(|r| r.id == codec.id && r.is_named(&codec.encoding_name)));
            }
        }
    }

    #[test]
    fn negotiating_the_result_again_changes_nothing(remote in any_remote()) {
        let mut s = session();
        if s.set_remote_codecs(ALICE, remote).is_ok() {
            let agreed = codecs(&s);
            s.set_remote_codecs(ALICE, agreed.clone()).unwrap();
            prop_assert_eq!(codecs(&s), agreed);
        }
    }

    #[test]
    fn both_ends_reach_lists_that_fit(remote in any_remote()) {
        let mut answerer = session();
        if answerer.set_remote_codecs(ALICE, remote).is_ok() {
            let answer = codecs(&answerer);
            let mut offerer = session();
            offerer.set_codec_preferences(Some(vec![audio(CodecId::Any, "SPEEX", 8000), audio(CodecId::Any, "SPEEX", 16000)])).unwrap();
            if offerer.set_remote_codecs(ALICE, answer.clone()).is_ok() {
                let ids = |list: &[Codec]| list.iter().map(|c| c.id).collect::<Vec<_>>();
                let ours = codecs(&offerer);
                prop_assert!(ids(&ours).iter().all(|id| ids(&answer).contains(id)));
            }
        }
    }
}
