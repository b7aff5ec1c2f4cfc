// SPDX-License-Identifier: MPL-2.0
//! Reads files of any kind as plain samples and pictures.

use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::prelude::*;

/// Samples per second of what [`read_audio`] answers.
pub const AUDIO_RATE: u32 = 16_000;

/// How long a file may give nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The sound of `path`: mono, [`AUDIO_RATE`], between -1 and 1.
///
/// # Errors
///
/// If the file cannot be read, or has no sound. GStreamer must be initialised.
pub fn read_audio(path: &Path) -> io::Result<Vec<f32>> {
    let rate = AUDIO_RATE;
    let mut decoder = Decoder::open(
        path,
        &format!(
            "audioconvert name=in ! audioresample ! \
             audio/x-raw,format=F32LE,layout=interleaved,channels=1,rate={rate}"
        ),
    )?;
    let mut samples = Vec::new();
    while let Some(sample) = decoder.next()? {
        if let Some(Ok(map)) = sample.buffer().map(|buffer| buffer.map_readable()) {
            let (values, _) = map.as_chunks::<4>();
            samples.extend(values.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
    }
    Ok(samples)
}

/// One picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it is shown.
    pub time: Duration,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Luma, row by row.
    pub luma: Vec<u8>,
    /// Both colour planes one after the other, with half the width and height.
    pub chroma: Vec<u8>,
}

/// The pictures of a file, one after the other.
pub struct Frames {
    decoder: Decoder,
    failed: bool,
}

/// The pictures of `path`, scaled to `size` (width and height) if that is given.
///
/// # Errors
///
/// If the file cannot be read. GStreamer must be initialised.
pub fn read_video(path: &Path, size: Option<(usize, usize)>) -> io::Result<Frames> {
    let size = size.map_or_else(String::new, |(w, h)| {
        format!(",width={w},height={h},pixel-aspect-ratio=1/1")
    });
    let decoder = Decoder::open(
        path,
        &format!(
            "videoconvert name=in ! videoscale add-borders=false ! video/x-raw,format=I420{size}"
        ),
    )?;
    Ok(Frames {
        decoder,
        failed: false,
    })
}

impl Iterator for Frames {
    type Item = io::Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let frame = self
            .decoder
            .next()
            .and_then(|sample| sample.as_ref().map(frame).transpose());
        self.failed = frame.is_err();
        frame.transpose()
    }
}

fn frame(sample: &gst::Sample) -> io::Result<Frame> {
    let broken = || Error::other("a picture without data");
    let buffer = sample.buffer().ok_or_else(broken)?;
    let info = sample
        .caps()
        .and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok())
        .ok_or_else(broken)?;
    let frame =
        gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|_| broken())?;
    let mut planes = [Vec::new(), Vec::new()];
    for number in 0..3 {
        let width = frame.comp_width(number) as usize;
        let rows = frame.comp_height(number) as usize;
        let stride = frame.comp_stride(number) as usize;
        let data = frame.comp_data(number).map_err(|_| broken())?;
        let plane = &mut planes[usize::from(number > 0)];
        plane.reserve(2 * width * rows);
        for row in data.chunks(stride).take(rows) {
            plane.extend_from_slice(&row[..width]);
        }
    }
    let [luma, chroma] = planes;
    Ok(Frame {
        time: buffer.pts().map(Duration::from).unwrap_or_default(),
        width: info.width() as usize,
        height: info.height() as usize,
        luma,
        chroma,
    })
}

/// A pipeline that decodes one stream of a file.
struct Decoder {
    path: PathBuf,
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    /// Set when all streams are known and none fits.
    nothing: Arc<AtomicBool>,
}

impl Decoder {
    /// Decodes the first stream that goes through the elements `convert`, of which the
    /// first is named `in`.
    fn open(path: &Path, convert: &str) -> io::Result<Self> {
        std::fs::File::open(path)
            .map_err(|e| Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        let description = format!(
            "filesrc name=file ! decodebin name=decode {convert} ! \
             appsink name=out sync=false max-buffers=4"
        );
        let made = gst::parse::launch(&description)
            .map_err(|e| Error::other(format!("{description}: {e}")))?;
        let missing = || Error::other(format!("{description}: not the elements expected"));
        let pipeline = made.downcast::<gst::Pipeline>().map_err(|_| missing())?;
        let element = |name| pipeline.by_name(name).ok_or_else(missing);
        element("file")?.set_property("location", path);
        let sink = element("out")?
            .downcast::<gst_app::AppSink>()
            .map_err(|_| missing())?;
        let target = element("in")?.static_pad("sink").ok_or_else(missing)?;
        let decode = element("decode")?;
        let nothing = Arc::new(AtomicBool::new(false));
        let pad = target.downgrade();
        decode.connect_pad_added(move |_, source| {
            if let Some(target) = pad.upgrade().filter(|target| !target.is_linked()) {
                // Fails for a stream of another kind, which is not wanted.
                let _ = source.link(&target);
            }
        });
        let flag = nothing.clone();
        decode.connect_no_more_pads(move |_| {
            flag.store(!target.is_linked(), Ordering::Relaxed);
        });
        let decoder = Self {
            path: path.into(),
            pipeline,
            sink,
            nothing,
        };
        if decoder.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(decoder.error("cannot be played"));
        }
        Ok(decoder)
    }

    /// The next buffer, none at the end.
    fn next(&mut self) -> io::Result<Option<gst::Sample>> {
        let start = Instant::now();
        loop {
            let step = gst::ClockTime::from_mseconds(50);
            if let Some(sample) = self.sink.try_pull_sample(step) {
                return Ok(Some(sample));
            }
            if self.sink.is_eos() {
                return Ok(None);
            }
            // Ahead of the error that follows from it.
            if self.nothing.load(Ordering::Relaxed) {
                return Err(self.error("has no such stream"));
            }
            let bus = self.pipeline.bus();
            let error = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
            if let Some(gst::MessageView::Error(error)) = error.as_deref().map(|m| m.view()) {
                let debug = error.debug().unwrap_or_default();
                return Err(self.error(&format!("{} ({debug})", error.error())));
            }
            if start.elapsed() > PATIENCE {
                return Err(self.error("takes too long to decode"));
            }
        }
    }

    fn error(&self, text: &str) -> Error {
        Error::other(format!("{}: {text}", self.path.display()))
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Nothing can be done if it fails.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_media_are_errors() {
        crate::isolation::init();
        let dir = crate::isolation::scratch_dir("read");
        std::fs::write(dir.join("text"), "not media").unwrap();
        std::fs::write(dir.join("empty"), "").unwrap();
        for name in ["text", "empty", "missing"] {
            let error = read_audio(&dir.join(name)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            let frames = read_video(&dir.join(name), None);
            assert!(frames.is_err() || frames.unwrap().any(|f| f.is_err()));
        }
    }

    #[test]
    fn sound_is_no_picture_and_a_picture_no_sound() {
        crate::isolation::init();
        let dir = crate::isolation::scratch_dir("read-kind");
        let media = crate::media::make(&dir, &crate::media::Picture::default()).unwrap();
        let error = read_audio(&media.picture).unwrap_err().to_string();
        assert!(
            error.ends_with("picture.y4m: has no such stream"),
            "{error}"
        );
        let frames: Vec<_> = read_video(&media.speech, None).unwrap().collect();
        assert_eq!(frames.len(), 1);
        assert!(frames[0].is_err());
    }

    #[test]
    fn pictures_are_read_as_written_and_scaled_on_demand() {
        crate::isolation::init();
        let path = crate::isolation::scratch_dir("read-size").join("p.y4m");
        // The width is no multiple of what decoders align to.
        let picture = crate::media::Picture {
            width: 178,
            height: 102,
            fps: 10,
            seconds: 1.0,
        };
        picture.write(&path).unwrap();
        let mut count = 0;
        for (number, frame) in read_video(&path, None).unwrap().enumerate() {
            let frame = frame.unwrap();
            assert_eq!((frame.width, frame.height), (178, 102));
            assert_eq!(frame.luma.len(), 178 * 102);
            assert_eq!(frame.chroma.len(), 89 * 51 * 2);
            assert_eq!(frame.time, Duration::from_millis(100 * number as u64));
            let read = crate::media::frame_number(&frame.luma, 178, 102);
            assert_eq!(read, Some(number as u32));
            count += 1;
        }
        assert_eq!(count, 10);
        let scaled: Vec<_> = read_video(&path, Some((320, 240))).unwrap().collect();
        let last = scaled[9].as_ref().unwrap();
        assert_eq!((last.width, last.height), (320, 240));
        assert_eq!(crate::media::frame_number(&last.luma, 320, 240), Some(9));
    }
}
