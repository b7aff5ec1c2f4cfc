// SPDX-License-Identifier: MPL-2.0
//! The judge of sound passes what codecs do and fails what calls must not do.

use std::path::{Path, PathBuf};

use gst::prelude::*;

use super::*;
use crate::judge::AUDIO_RATE;
use crate::media::{OTHER_SPEECH, SPEECH, speak, write_wav};

const SECOND: usize = AUDIO_RATE as usize;

/// What `speech.wav` and another speech sound like.
fn speeches(test: &str) -> (PathBuf, Vec<f32>, Vec<f32>) {
    crate::isolation::init();
    let dir = crate::isolation::scratch_dir(&format!("judge-audio-{test}"));
    let read = |name: &str, text: &str| {
        let path = dir.join(name);
        speak(text, &path).unwrap();
        read_audio(&path).unwrap()
    };
    let speech = read("speech.wav", SPEECH);
    let other = read("other.wav", OTHER_SPEECH);
    (dir, speech, other)
}

/// `samples` through the elements `codec`, which take and give raw audio.
fn through(dir: &Path, samples: &[f32], codec: &str) -> Vec<f32> {
    let (from, to) = (dir.join("from.wav"), dir.join("to.wav"));
    write_wav(&from, AUDIO_RATE, samples).unwrap();
    let text = format!(
        "filesrc name=from ! wavparse ! audioconvert ! audioresample ! {codec} ! \
         audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000 ! wavenc ! filesink name=to"
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    for (name, path) in [("from", &from), ("to", &to)] {
        let element = pipeline.by_name(name).unwrap();
        element.set_property("location", path);
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(message.unwrap().type_(), gst::MessageType::Eos, "{codec}");
    pipeline.set_state(gst::State::Null).unwrap();
    read_audio(&to).unwrap()
}

fn noise(length: usize) -> Vec<f32> {
    let mut state = 5u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.3
    })
    .take(length)
    .collect()
}

#[track_caller]
fn assert_fails(what: &str, sent: &[f32], received: &[f32]) -> AudioReport {
    let report = compare(sent, received);
    println!("{what}: {report}");
    for least in [AudioThresholds::default(), AudioThresholds::spectral()] {
        let verdict = report.verdict(&least);
        assert!(verdict.is_err(), "{what} passed: {report}");
        println!("  {}", verdict.unwrap_err());
    }
    report
}

#[track_caller]
fn assert_codec(test: &str, codec: &str) {
    let (dir, speech, _) = speeches(test);
    let received = through(&dir, &speech[SECOND..], codec);
    let report = compare(&speech, &received);
    println!("{test}: {report}");
    let verdict = report.verdict(&AudioThresholds::default());
    assert_eq!(verdict, Ok(()), "{codec}: {report}");
    assert!((report.lag + 1.0).abs() < 0.06, "{report}");
}

#[test]
fn opus_passes() {
    assert_codec(
        "opus",
        "audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=32000 audio-type=voice ! opusdec",
    );
}

#[test]
fn pcmu_passes() {
    let codec = "audio/x-raw,rate=8000 ! mulawenc ! rtppcmupay ! rtppcmudepay ! mulawdec";
    assert_codec("pcmu", codec);
}

#[test]
fn pcma_passes() {
    assert_codec("pcma", "audio/x-raw,rate=8000 ! alawenc ! alawdec");
}

#[test]
fn g722_passes() {
    let codec = "audio/x-raw,rate=16000,channels=1 ! avenc_g722 ! avdec_g722";
    assert_codec("g722", codec);
}

#[test]
fn speex_passes() {
    for rate in [8000, 16_000] {
        let codec = format!("audio/x-raw,rate={rate},channels=1 ! speexenc ! speexdec");
        assert_codec(&format!("speex-{rate}"), &codec);
    }
}

#[test]
fn gsm_passes_by_its_spectrum() {
    let (dir, speech, _) = speeches("gsm");
    let received = through(&dir, &speech, "audio/x-raw,rate=8000 ! gsmenc ! gsmdec");
    let report = compare(&speech, &received);
    println!("{report}");
    assert_eq!(
        report.verdict(&AudioThresholds::spectral()),
        Ok(()),
        "{report}"
    );
}

#[test]
fn tones_pass() {
    crate::isolation::init();
    let dir = crate::isolation::scratch_dir("judge-audio-tones");
    let media = crate::media::make(&dir, &crate::media::Picture::default()).unwrap();
    let tones = read_audio(&media.tones).unwrap();
    let received = through(
        &dir,
        &tones[SECOND..],
        "audio/x-raw,rate=8000 ! mulawenc ! mulawdec",
    );
    let report = compare(&tones, &received);
    println!("{report}");
    assert_eq!(
        report.verdict(&AudioThresholds::default()),
        Ok(()),
        "{report}"
    );
    let heard = crate::media::tone_numbers(&received, AUDIO_RATE);
    assert_eq!(heard, (10..80).collect::<Vec<_>>());
}

#[test]
fn the_original_is_perfect() {
    let (_, speech, _) = speeches("original");
    let report = compare(&speech, &speech);
    assert_eq!(report.verdict(&AudioThresholds::default()), Ok(()));
    assert!(report.correlation > 0.999 && report.likeness > 0.999);
    assert_eq!((report.coverage, report.purity), (1.0, 1.0), "{report}");
    assert_eq!(
        (report.lag, report.lag_spread, report.gain),
        (0.0, 0.0, 0.0)
    );
}

#[test]
fn silence_fails() {
    let (_, speech, _) = speeches("silence");
    assert_fails("silence", &speech, &vec![0.0; speech.len()]);
    assert_fails("nothing", &speech, &[]);
}

#[test]
fn noise_fails() {
    let (_, speech, _) = speeches("noise");
    let report = assert_fails("noise", &speech, &noise(speech.len()));
    assert!(report.coverage < 0.2 && report.purity < 0.2, "{report}");
}

#[test]
fn another_speech_fails() {
    let (_, speech, other) = speeches("other");
    let report = assert_fails("other", &speech, &other);
    assert!(report.coverage < 0.3, "{report}");
}

#[test]
fn reversed_speech_fails() {
    let (_, mut speech, _) = speeches("reversed");
    let sent = speech.clone();
    speech.reverse();
    assert_fails("reversed", &sent, &speech);
}

#[test]
fn shuffled_speech_fails() {
    let (_, speech, _) = speeches("shuffled");
    let chunks: Vec<_> = speech.chunks(SECOND).collect();
    let order = [3, 0, 5, 1, 6, 2, 4, 7];
    let shuffled: Vec<f32> = order.iter().flat_map(|i| chunks[*i]).copied().collect();
    let report = assert_fails("shuffled", &speech, &shuffled);
    assert!(report.out_of_order > 5, "{report}");
}

#[test]
fn a_hole_fails_wherever_it_is() {
    let (_, speech, _) = speeches("hole");
    for start in [3 * SECOND, 5 * SECOND] {
        let mut silent = speech.clone();
        silent[start..start + SECOND * 3 / 2].fill(0.0);
        assert_fails("silent hole", &speech, &silent);
        let mut noisy = speech.clone();
        let hole = &mut noisy[start..start + SECOND * 3 / 2];
        hole.copy_from_slice(&noise(SECOND * 3 / 2));
        assert_fails("noisy hole", &speech, &noisy);
        let cut = [&speech[..start], &speech[start + SECOND * 3 / 2..]].concat();
        assert_fails("cut", &speech, &cut);
    }
}

#[test]
fn speech_that_comes_twice_fails() {
    let (_, speech, _) = speeches("twice");
    let twice = [&speech[..4 * SECOND], &speech[2 * SECOND..]].concat();
    let report = assert_fails("twice", &speech, &twice);
    assert!(report.repeated > 2, "{report}");
    let echo = [&speech[..], &speech[..]].concat();
    assert_fails("all twice", &speech, &echo);
}

#[test]
fn a_stuck_buffer_fails() {
    let (_, speech, _) = speeches("stuck");
    let buffer = &speech[4 * SECOND..4 * SECOND + SECOND / 50];
    let stuck: Vec<f32> = speech[..4 * SECOND]
        .iter()
        .chain(buffer.iter().cycle())
        .take(speech.len())
        .copied()
        .collect();
    assert_fails("stuck", &speech, &stuck);
}

#[test]
fn the_wrong_rate_fails() {
    let (_, speech, _) = speeches("rate");
    // 16 kHz played as 8 kHz and the other way round.
    let slow: Vec<f32> = speech.iter().flat_map(|s| [*s, *s]).collect();
    let fast: Vec<f32> = speech.iter().step_by(2).copied().collect();
    assert_fails("slow", &speech, &slow);
    assert_fails("fast", &speech, &fast);
}

#[test]
fn distorted_speech_fails() {
    let (_, speech, _) = speeches("distorted");
    let quiet: Vec<f32> = speech.iter().map(|s| s * 0.3).collect();
    assert_fails("quiet", &speech, &quiet);
    let hidden: Vec<f32> = speech
        .iter()
        .zip(noise(speech.len()))
        .map(|(s, n)| s + n)
        .collect();
    assert_fails("in noise", &speech, &hidden);
    // Every second 20 ms lost.
    let mut holes = speech.clone();
    for chunk in holes.chunks_mut(SECOND / 50).step_by(2) {
        chunk.fill(0.0);
    }
    assert_fails("half the packets", &speech, &holes);
}

#[test]
fn a_jitter_buffer_that_adapts_passes() {
    let (_, speech, _) = speeches("adapts");
    // 40 ms of silence put in, 20 ms taken out.
    let received = [
        &[0.0; SECOND / 3][..],
        &speech[..3 * SECOND],
        &[0.0; SECOND / 25],
        &speech[3 * SECOND..6 * SECOND],
        &speech[6 * SECOND + SECOND / 50..],
    ]
    .concat();
    let report = compare(&speech, &received);
    println!("{report}");
    assert_eq!(
        report.verdict(&AudioThresholds::default()),
        Ok(()),
        "{report}"
    );
    assert!((0.01..0.1).contains(&report.lag_spread), "{report}");
}

#[test]
fn silence_cannot_be_compared_with_anything() {
    let (dir, speech, _) = speeches("nothing-sent");
    assert_eq!(compare(&vec![0.0; 5 * SECOND], &speech).pieces, 0);
    let path = dir.join("silence.wav");
    write_wav(&path, AUDIO_RATE, &vec![0.0; 5 * SECOND]).unwrap();
    let error = compare_files(&path, &path).unwrap_err();
    assert!(error.to_string().contains("nothing to hear"), "{error}");
}
