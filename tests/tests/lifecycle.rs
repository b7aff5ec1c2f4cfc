// SPDX-License-Identifier: MPL-2.0
//! What happens around a call: endpoints stop and start, objects are destroyed at
//! inconvenient moments, media is added, pads are linked anew. No deadlock, no error on
//! the bus, no warning.

use std::time::Duration;

use gst::prelude::*;
use tests::call::{Endpoint, eventually, introduce, pair};
use tests::isolation;

fn assert_quiet(endpoint: &Endpoint) {
    assert_eq!(endpoint.log.complaints(), Vec::<String>::new());
}

#[test]
fn to_null_and_back_media_goes_on_at_both_ends() {
    isolation::init();
    let (a, b) = pair(&["audio", "video"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10), "the call begins");
    for round in 0..3 {
        a.stop();
        a.play();
        assert!(a.hears(10) && b.hears(10), "round {round}");
    }
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}

#[test]
fn a_session_destroyed_in_pad_added_ends_and_nothing_else_does() {
    isolation::init();
    let (a, b) = pair(&["audio", "video"]);
    let session = a.leg("audio").session.clone();
    a.leg("audio")
        .stream
        .connect("src-pad-added", false, move |_| {
            session.emit_by_name::<()>("destroy", &[]);
            None
        });
    a.play();
    b.play();
    assert!(eventually(|| a.leg("audio").received.pads() == 1));
    assert!(eventually(
        || a.leg("video").received.buffers() > 10 && b.leg("video").received.buffers() > 10
    ));
    assert_eq!(a.leg("audio").received.buffers(), 0);
    assert!(eventually(|| {
        let sink: Option<gst::Pad> = a.conference.static_pad("audio_sink_0");
        // It stays while the source is linked, and takes what comes.
        sink.is_some_and(|pad| pad.is_linked())
    }));
    // Once it is unlinked the pad goes.
    let source = &a.leg("audio").source;
    let _ = source.set_state(gst::State::Null);
    source.unlink(&a.conference);
    assert!(eventually(|| a
        .conference
        .static_pad("audio_sink_0")
        .is_none()));
    a.stop();
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}

#[test]
fn a_stream_destroyed_in_pad_added_ends_and_its_peer_hears_nothing_more() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    let stream = a.leg("audio").stream.downgrade();
    a.leg("audio")
        .stream
        .connect("src-pad-added", false, move |_| {
            if let Some(stream) = stream.upgrade() {
                stream.emit_by_name::<()>("destroy", &[]);
            }
            None
        });
    a.play();
    b.play();
    assert!(eventually(|| a.leg("audio").received.pads() == 1));
    std::thread::sleep(Duration::from_millis(500));
    let heard = b.leg("audio").received.buffers();
    std::thread::sleep(Duration::from_millis(500));
    assert!(b.leg("audio").received.buffers() <= heard + 1);
    assert_eq!(a.leg("audio").received.buffers(), 0);
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}

#[test]
fn a_session_added_in_the_middle_of_a_call_begins_at_once() {
    isolation::init();
    let (mut a, mut b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10));
    a.add("video");
    b.add("video");
    introduce(&a, &b, "video");
    assert!(a.hears(10) && b.hears(10), "audio and video");
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}

#[test]
fn a_peer_that_goes_and_comes_back_is_heard_again() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10));
    b.stop();
    std::thread::sleep(Duration::from_millis(300));
    b.play();
    assert!(a.hears(10) && b.hears(10));
    b.stop();
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}

#[test]
fn removing_the_peer_leaves_the_session_ready_for_another() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10));
    b.dispose();
    let leg = a.leg("audio").clone();
    leg.stream.emit_by_name::<()>("destroy", &[]);

    // The same session, a new stream, a new peer.
    let c = Endpoint::new(&["audio"]);
    let mut a = a;
    let stream = leg
        .session
        .emit_by_name::<Option<gst::Object>>("new-stream", &[&a.participant, &"both"])
        .expect("a second stream");
    a.replace_stream("audio", stream);
    introduce(&a, &c, "audio");
    c.play();
    assert!(a.hears(10), "we hear the new peer");
    assert!(c.hears(10), "the new peer hears us");
    assert_quiet(&a);
    assert_quiet(&c);
    a.dispose();
    c.dispose();
}

#[test]
fn pads_linked_anew_go_on() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10));

    // Another source on the sink pad.
    let old = a.leg("audio").source.clone();
    let sink: gst::Pad = a.leg("audio").session.property("sink-pad");
    old.unlink(&a.conference);
    let _ = old.set_state(gst::State::Null);
    a.pipeline.remove(&old).unwrap();
    let new = gst::ElementFactory::make("audiotestsrc")
        .property("is-live", true)
        .property("freq", 880f64)
        .build()
        .unwrap();
    a.pipeline.add(&new).unwrap();
    new.static_pad("src").unwrap().link(&sink).unwrap();
    new.sync_state_with_parent().unwrap();
    assert!(b.hears(10), "the new source is heard");

    // Another sink on the src pad, after a while without any.
    let pad = a
        .conference
        .src_pads()
        .into_iter()
        .find(|pad| pad.name().starts_with("src_0_"))
        .expect("the pad of the peer");
    let old = pad.peer().unwrap();
    pad.unlink(&old).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    pad.link(&old).unwrap();
    assert!(a.hears(10), "the sink is fed again");
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}

#[test]
fn a_source_that_ended_can_be_followed_by_another() {
    isolation::init();
    let (a, b) = pair(&["audio"]);
    a.play();
    b.play();
    assert!(a.hears(10) && b.hears(10));
    let old = a.leg("audio").source.clone();
    let sink: gst::Pad = a.leg("audio").session.property("sink-pad");
    assert!(old.send_event(gst::event::Eos::new()));
    std::thread::sleep(Duration::from_millis(300));
    let _ = old.set_state(gst::State::Null);
    a.pipeline.remove(&old).unwrap();
    let new = gst::ElementFactory::make("audiotestsrc")
        .property("is-live", true)
        .build()
        .unwrap();
    a.pipeline.add(&new).unwrap();
    new.static_pad("src").unwrap().link(&sink).unwrap();
    new.sync_state_with_parent().unwrap();
    assert!(b.hears(10), "the new source is heard");
    assert_quiet(&a);
    assert_quiet(&b);
    a.dispose();
    b.dispose();
}
