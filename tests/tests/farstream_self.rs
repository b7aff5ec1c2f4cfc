// SPDX-License-Identifier: MPL-2.0
//! Two endpoints of the original Farstream in a call: proves that the judges and
//! that endpoint are right before our elements meet them.

use std::path::PathBuf;

use tests::judge::audio::AudioThresholds;
use tests::judge::video::VideoThresholds;
use tests::media::{OTHER_SPEECH, Picture, SPEECH, speak};
use tests::peer::{Call, Outcome, Peer, run};
use tests::{farstream, isolation, judge};

/// What the two send: not the same, so that nobody passes by hearing himself.
struct Sent {
    dir: PathBuf,
    speech: [PathBuf; 2],
    picture: [PathBuf; 2],
}

fn sent(test: &str) -> Sent {
    let dir = isolation::scratch_dir(&format!("farstream-{test}"));
    let file = |name: &str| dir.join(name);
    let speech = [file("a-speech.wav"), file("b-speech.wav")];
    for (text, path) in [SPEECH, OTHER_SPEECH].into_iter().zip(&speech) {
        speak(text, path).unwrap();
    }
    let picture = [file("a-picture.y4m"), file("b-picture.y4m")];
    for (path, (width, height)) in picture.iter().zip([(320, 240), (352, 288)]) {
        let picture = Picture {
            width,
            height,
            ..Picture::default()
        };
        picture.write(path).unwrap();
    }
    Sent {
        dir,
        speech,
        picture,
    }
}

/// Runs the call of two peers, each with its own further arguments.
fn call(sent: &Sent, audio: bool, video: bool, args: [&[&str]; 2]) -> Outcome {
    let peers = ["a", "b"].map(|name| {
        let index = usize::from(name == "b");
        let mut command = farstream::peer().unwrap();
        command.arg("--record").arg(sent.dir.join(name));
        if audio {
            command.arg("--audio").arg(&sent.speech[index]);
        }
        if video {
            command.arg("--video").arg(&sent.picture[index]);
        }
        command.args(args[index]);
        Peer::new(name, command)
    });
    let outcome = run(peers, Call::new(&sent.dir)).unwrap();
    outcome.assert_clean();
    outcome
}

/// A call in which both send and receive with one codec per medium.
fn both_ways(test: &str, audio: Option<&str>, video: Option<&str>) {
    isolation::init();
    if farstream::skip() {
        return;
    }
    let sent = sent(test);
    let mut args = Vec::new();
    for codec in [audio, video].into_iter().flatten() {
        args.extend(["--codec", codec]);
    }
    let answer = [&args[..], &["--answer"]].concat();
    let outcome = call(&sent, audio.is_some(), video.is_some(), [&args, &answer]);
    for (media, codec) in [("audio", audio), ("video", video)] {
        let Some(codec) = codec else { continue };
        for peer in &outcome.peers {
            for key in ["received-codec", "sent-codec"] {
                let used = peer.report(&format!("{media}.{key}")).unwrap();
                assert!(used.starts_with(codec), "{}: {key} is {used}", peer.name);
            }
        }
    }
    for (name, from) in [("a", 1), ("b", 0)] {
        if audio.is_some() {
            let received = sent.dir.join(name).with_extension("wav");
            let least = AudioThresholds::default();
            judge::audio::assert_same(&sent.speech[from], &received, &least);
            // The judge can tell the two apart, so nobody heard himself.
            let own = judge::audio::compare_files(&sent.speech[1 - from], &received);
            assert!(own.unwrap().verdict(&least).is_err());
        }
        if video.is_some() {
            let received = sent.dir.join(name).with_extension("mkv");
            let least = VideoThresholds::strict();
            judge::video::assert_same(&sent.picture[from], &received, &least);
        }
    }
}

#[test]
fn pcmu() {
    both_ways("pcmu", Some("PCMU"), None);
}

#[test]
fn pcma() {
    both_ways("pcma", Some("PCMA"), None);
}

#[test]
fn opus() {
    both_ways("opus", Some("OPUS"), None);
}

#[test]
fn speex_wideband() {
    both_ways("speex-16000", Some("SPEEX/16000"), None);
}

#[test]
fn speex_narrowband() {
    both_ways("speex-8000", Some("SPEEX/8000"), None);
}

#[test]
fn vp8() {
    both_ways("vp8", None, Some("VP8"));
}

#[test]
fn h264() {
    both_ways("h264", None, Some("H264"));
}

#[test]
fn sound_and_picture() {
    both_ways("both", Some("OPUS"), Some("VP8"));
}

#[test]
fn one_way() {
    isolation::init();
    if farstream::skip() {
        return;
    }
    let sent = sent("one-way");
    let send = ["--codec", "PCMU", "--direction", "send"];
    let receive = ["--codec", "PCMU", "--direction", "recv", "--seconds", "9"];
    let outcome = call(&sent, true, false, [&send, &receive]);
    let [sender, receiver] = &outcome.peers;
    assert_eq!(sender.report("audio.packets-received"), Some("0"));
    assert_eq!(sender.report("audio.received-codec"), Some("none"));
    assert_eq!(receiver.report("audio.packets-sent"), Some("0"));
    assert!(!sent.dir.join("a.wav").exists());
    let received = sent.dir.join("b.wav");
    judge::audio::assert_same(&sent.speech[0], &received, &AudioThresholds::default());
}

#[test]
fn codecs_that_do_not_meet_are_an_error() {
    isolation::init();
    if farstream::skip() {
        return;
    }
    let sent = sent("no-codec");
    let peers = [("a", "PCMU"), ("b", "PCMA")].map(|(name, codec)| {
        let mut command = farstream::peer().unwrap();
        command.arg("--audio").arg(&sent.speech[0]);
        command.args(["--codec", codec]);
        Peer::new(name, command)
    });
    let outcome = run(peers, Call::new(&sent.dir)).unwrap();
    let failed = outcome.peers.iter().filter(|peer| !peer.is_clean());
    assert!(failed.count() > 0, "{outcome}");
    let error = outcome.peers.iter().find_map(|peer| peer.state("error"));
    assert!(error.is_some(), "{outcome}");
}
