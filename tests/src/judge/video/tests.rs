// SPDX-License-Identifier: MPL-2.0
//! The judge of pictures passes what codecs do and fails what calls must not do.

use std::fs;
use std::path::PathBuf;

use gst::prelude::*;

use super::*;
use crate::media::Picture;

/// A numbered file, and its frames.
fn picture(test: &str) -> (PathBuf, PathBuf, Vec<Frame>) {
    crate::isolation::init();
    let dir = crate::isolation::scratch_dir(&format!("judge-video-{test}"));
    let path = dir.join("sent.y4m");
    let picture = Picture {
        seconds: 4.0,
        ..Picture::default()
    };
    picture.write(&path).unwrap();
    let frames = read_video(&path, None)
        .unwrap()
        .collect::<io::Result<Vec<_>>>()
        .unwrap();
    assert_eq!(frames.len(), 60);
    (dir, path, frames)
}

/// The frames without the part that carries the number.
fn without_numbers(frames: &[Frame]) -> Vec<Frame> {
    let crop = |frame: &Frame| {
        let (w, rows) = (frame.width, 192);
        let chroma = frame.chroma.len() / 2;
        let kept = w / 2 * rows / 2;
        Frame {
            height: rows,
            luma: frame.luma[..w * rows].to_vec(),
            chroma: [&frame.chroma[..kept], &frame.chroma[chroma..chroma + kept]].concat(),
            ..*frame
        }
    };
    frames.iter().map(crop).collect()
}

/// Writes frames at 15 per second.
fn write<'a>(path: &Path, frames: impl IntoIterator<Item = &'a Frame>) {
    let mut bytes = Vec::new();
    for frame in frames {
        if bytes.is_empty() {
            let (w, h) = (frame.width, frame.height);
            bytes = format!("YUV4MPEG2 W{w} H{h} F15:1 Ip A1:1 C420jpeg\n").into_bytes();
        }
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend_from_slice(&frame.luma);
        bytes.extend_from_slice(&frame.chroma);
    }
    fs::write(path, bytes).unwrap();
}

/// `from` through the elements `codec`, without its first second.
fn through(from: &Path, to: &Path, codec: &str) {
    let text = format!(
        "filesrc name=from ! decodebin ! videoconvert ! identity name=late ! videoconvert ! {codec} ! \
         videoconvert ! avenc_ffv1 ! matroskamux ! filesink name=to"
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    for (name, path) in [("from", from), ("to", to)] {
        let element = pipeline.by_name(name).unwrap();
        element.set_property("location", path);
    }
    let late = pipeline.by_name("late").unwrap().static_pad("src").unwrap();
    late.add_probe(gst::PadProbeType::BUFFER, |_, info| match info.buffer() {
        Some(buffer) if buffer.pts() < Some(gst::ClockTime::SECOND) => gst::PadProbeReturn::Drop,
        _ => gst::PadProbeReturn::Ok,
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(message.unwrap().type_(), gst::MessageType::Eos, "{codec}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Both with numbers and without, what `codec` makes of the picture passes.
#[track_caller]
fn assert_codec(test: &str, codec: &str) {
    let (dir, sent, frames) = picture(test);
    let plain = dir.join("plain.y4m");
    write(&plain, &without_numbers(&frames));
    for (sent, numbered) in [(sent, true), (plain, false)] {
        let received = dir.join("received.mkv");
        through(&sent, &received, codec);
        let report = compare_files(&sent, &received).unwrap();
        println!("{test}: {report}");
        let verdict = report.verdict(&VideoThresholds::default());
        assert_eq!(verdict, Ok(()), "{report}");
        assert_eq!(report.numbered, numbered);
        assert_eq!((report.distinct, report.out_of_order), (45, 0), "{report}");
        assert_eq!(report.missing_start, 1.0, "{report}");
    }
}

/// Both with numbers and without, the frames that `change` makes fail.
#[track_caller]
fn assert_fails(test: &str, change: impl Fn(&[Frame]) -> Vec<Frame>) {
    let (dir, sent, frames) = picture(test);
    let plain_frames = without_numbers(&frames);
    let plain = dir.join("plain.y4m");
    write(&plain, &plain_frames);
    for (sent, frames) in [(sent, frames), (plain, plain_frames)] {
        let received = dir.join("received.y4m");
        write(&received, &change(&frames));
        let report = compare_files(&sent, &received).unwrap();
        let verdict = report.verdict(&VideoThresholds::default());
        println!("{test}: {report}\n  {verdict:?}");
        assert!(verdict.is_err(), "{test} passed: {report}");
    }
}

#[test]
fn vp8_passes() {
    assert_codec(
        "vp8",
        "vp8enc deadline=1 cpu-used=4 target-bitrate=256000 lag-in-frames=0 error-resilient=1 ! vp8dec",
    );
}

#[test]
fn h264_passes() {
    assert_codec(
        "h264",
        "x264enc tune=zerolatency bitrate=256 speed-preset=3 byte-stream=true ! \
         video/x-h264,profile=baseline ! avdec_h264",
    );
}

#[test]
fn another_size_passes() {
    for (name, width, height) in [("smaller", 160, 120), ("larger", 640, 480)] {
        let size = format!("videoscale ! video/x-raw,width={width},height={height}");
        let codec = format!("{size} ! jpegenc ! jpegdec");
        let (dir, sent, _) = picture(name);
        let received = dir.join("received.mkv");
        through(&sent, &received, &codec);
        let report = compare_files(&sent, &received).unwrap();
        println!("{name}: {report}");
        let verdict = report.verdict(&VideoThresholds::default());
        assert_eq!(verdict, Ok(()), "{report}");
    }
}

#[test]
fn the_original_is_perfect() {
    let (_, sent, _) = picture("original");
    let report = compare_files(&sent, &sent).unwrap();
    assert_eq!(report.verdict(&VideoThresholds::default()), Ok(()));
    assert_eq!((report.psnr, report.chroma_psnr), (99.0, 99.0));
    assert_eq!(
        (report.distinct, report.coverage, report.lag),
        (60, 1.0, 0.0)
    );
    assert!((report.ssim - 1.0).abs() < 1e-9 && (report.sent_rate - 15.0).abs() < 0.01);
}

#[test]
fn a_still_stretch_passes() {
    let (dir, _, frames) = picture("still");
    let moving = without_numbers(&frames);
    // Two seconds of one picture in the middle.
    let still: Vec<_> = moving[..15]
        .iter()
        .chain(std::iter::repeat_n(&moving[15], 30))
        .chain(&moving[15..30])
        .cloned()
        .collect();
    let (sent, received) = (dir.join("still.y4m"), dir.join("received.mkv"));
    write(&sent, &still);
    through(
        &sent,
        &received,
        "vp8enc deadline=1 target-bitrate=256000 ! vp8dec",
    );
    let report = compare_files(&sent, &received).unwrap();
    println!("{report}");
    assert_eq!(
        report.verdict(&VideoThresholds::default()),
        Ok(()),
        "{report}"
    );
}

#[test]
fn a_frozen_frame_fails() {
    assert_fails("frozen", |frames| {
        let frozen = std::iter::repeat_n(&frames[30], 30);
        frames[..30].iter().chain(frozen).cloned().collect()
    });
    assert_fails("all-frozen", |frames| vec![frames[20].clone(); 60]);
}

#[test]
fn the_wrong_picture_fails() {
    for value in [0, 128, 255] {
        assert_fails("flat", |frames| {
            let mut frames = frames.to_vec();
            for frame in &mut frames {
                frame.luma.fill(value);
            }
            frames
        });
    }
    assert_fails("mirrored", |frames| {
        let mut frames = frames.to_vec();
        for frame in &mut frames {
            let width = frame.width;
            frame.luma.chunks_mut(width).for_each(<[u8]>::reverse);
        }
        frames
    });
}

#[test]
fn right_numbers_on_the_wrong_picture_fail() {
    assert_fails("numbers-only", |frames| {
        let mut frames = frames.to_vec();
        for frame in &mut frames {
            frame.luma[..frame.width * 190].fill(128);
        }
        frames
    });
}

#[test]
fn wrong_colours_fail() {
    assert_fails("colours", |frames| {
        let mut frames = frames.to_vec();
        for frame in &mut frames {
            let half = frame.chroma.len() / 2;
            frame.chroma.rotate_left(half);
        }
        frames
    });
}

#[test]
fn reversed_frames_fail() {
    assert_fails("reversed", |frames| frames.iter().rev().cloned().collect());
}

#[test]
fn shuffled_frames_fail() {
    assert_fails("shuffled", |frames| {
        let swap = |index: usize| frames[index ^ 3].clone();
        (0..frames.len()).map(swap).collect()
    });
    assert_fails("repeated", |frames| [&frames[..40], &frames[20..]].concat());
}

#[test]
fn a_gap_fails() {
    assert_fails("gap", |frames| [&frames[..20], &frames[45..]].concat());
    assert_fails("every-second", |frames| {
        frames.iter().step_by(2).cloned().collect()
    });
    assert_fails("end", |frames| frames[..40].to_vec());
}

#[test]
fn garbage_between_fails() {
    assert_fails("garbage", |frames| {
        let mut frames = frames.to_vec();
        for frame in frames.iter_mut().skip(20).step_by(10) {
            frame.luma.fill(0);
        }
        frames
    });
    assert_fails("blocks", |frames| {
        let mut frames = frames.to_vec();
        for frame in &mut frames {
            let (width, middle) = (frame.width, frame.luma.len() / 2);
            frame.luma[middle..middle + 40 * width].fill(16);
        }
        frames
    });
}

#[test]
fn nothing_received_fails() {
    let (dir, sent, _) = picture("nothing");
    let header = "YUV4MPEG2 W320 H240 F15:1 Ip A1:1 C420jpeg\n";
    let empty = dir.join("empty.y4m");
    fs::write(&empty, header).unwrap();
    // Some demuxers call a file without frames broken.
    if let Ok(report) = compare_files(&sent, &empty) {
        assert!(report.verdict(&VideoThresholds::default()).is_err());
    }
    assert!(compare_files(&empty, &sent).is_err());
}
