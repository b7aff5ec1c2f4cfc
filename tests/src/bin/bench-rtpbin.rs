// SPDX-License-Identifier: MPL-2.0
//! How long a call takes to set up with nothing but a hand-written rtpbin pipeline:
//! what no library on the same elements can beat by much. Two parties in this
//! process, one after another N calls over loopback. Prints for each call the
//! milliseconds from before the first object is made until both sides have decoded
//! their first buffer; the same options and output as `bench/farstream_setup.c`.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use tests::isolation;

const DEADLINE: Duration = Duration::from_secs(30);
const USAGE: &str = "bench-rtpbin [--codec pcmu|vp8] [--calls N]";
/// As of Farstream's shipped element properties.
const LATENCY_MS: u32 = 100;

/// What is different between the codecs.
struct Kind {
    name: &'static str,
    caps: &'static str,
    source: &'static str,
    encode: &'static str,
    decode: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "pcmu",
        caps: "application/x-rtp,media=audio,payload=0,clock-rate=8000,encoding-name=PCMU",
        source: "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1",
        encode: "audioconvert ! audioresample ! mulawenc ! rtppcmupay ptime-multiple=20000000 pt=0",
        decode: "rtppcmudepay ! mulawdec",
    },
    Kind {
        name: "vp8",
        caps: "application/x-rtp,media=video,payload=96,clock-rate=90000,encoding-name=VP8",
        source: "videotestsrc is-live=true ! \
                 video/x-raw,format=I420,width=320,height=240,framerate=30/1",
        encode: "videoconvert ! vp8enc target-bitrate=256000 deadline=1 cpu-used=4 lag-in-frames=0 \
                 error-resilient=1 ! rtpvp8pay pt=96",
        decode: "rtpvp8depay ! vp8dec",
    },
];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One party. Its pipeline stops when this goes away.
struct Side {
    pipeline: gst::Pipeline,
    rtpbin: gst::Element,
    /// Sources of RTP and RTCP.
    sockets: [gst::Element; 2],
}

impl Side {
    /// A pipeline that can receive, and says so once on `heard`.
    fn new(kind: &'static Kind, heard: Sender<()>) -> Result<Self> {
        let pipeline = gst::Pipeline::new();
        let rtpbin = gst::ElementFactory::make("rtpbin")
            .property("latency", LATENCY_MS)
            .build()?;
        pipeline.add(&rtpbin)?;
        let caps: gst::Caps = kind.caps.parse()?;
        rtpbin.connect("request-pt-map", false, move |_| Some(caps.to_value()));
        let weak = pipeline.downgrade();
        rtpbin.connect_pad_added(move |_, pad| {
            if pad.name().starts_with("recv_rtp_src_")
                && let Some(pipeline) = weak.upgrade()
                && let Err(error) = decode(&pipeline, pad, kind, heard.clone())
            {
                eprintln!("cannot decode: {error}");
            }
        });
        let socket = |pad: &str| -> Result<gst::Element> {
            let source = gst::ElementFactory::make("udpsrc")
                .property("address", "127.0.0.1")
                .property("port", 0)
                .property("reuse", false)
                .build()?;
            pipeline.add(&source)?;
            source.link_pads(None, &rtpbin, Some(pad))?;
            // Opens the socket.
            source.set_state(gst::State::Ready)?;
            Ok(source)
        };
        let sockets = [socket("recv_rtp_sink_0")?, socket("recv_rtcp_sink_0")?];
        Ok(Self {
            pipeline,
            rtpbin,
            sockets,
        })
    }

    /// Adds what sends to the other side.
    fn send_to(&self, other: &Self, kind: &Kind) -> Result<()> {
        let description = format!("{} ! {}", kind.source, kind.encode);
        let media = gst::parse::bin_from_description(&description, true)?;
        self.pipeline.add(&media)?;
        media.link_pads(None, &self.rtpbin, Some("send_rtp_sink_0"))?;
        let pads = ["send_rtp_src_0", "send_rtcp_src_0"];
        for ((pad, own), theirs) in pads.iter().zip(&self.sockets).zip(&other.sockets) {
            // From the port where it receives, as conferences do.
            let sink = gst::ElementFactory::make("udpsink")
                .property("host", "127.0.0.1")
                .property("port", theirs.property::<i32>("port"))
                .property("socket", own.property::<gst::glib::Object>("used-socket"))
                .property("close-socket", false)
                .property("sync", false)
                .property("async", false)
                .build()?;
            self.pipeline.add(&sink)?;
            self.rtpbin.link_pads(Some(pad), &sink, None)?;
        }
        Ok(())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // Nothing can be done if it fails.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Decodes what comes out of `pad`. Called from a streaming thread.
fn decode(pipeline: &gst::Pipeline, pad: &gst::Pad, kind: &Kind, heard: Sender<()>) -> Result<()> {
    let description = format!("{} ! fakesink name=sink async=false", kind.decode);
    let decoder = gst::parse::bin_from_description(&description, true)?;
    let sink = decoder.by_name("sink").ok_or("no sink")?;
    let end = sink.static_pad("sink").ok_or("no pad")?;
    end.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        // Nobody listens any more at the end of the call.
        let _ = heard.send(());
        gst::PadProbeReturn::Remove
    });
    pipeline.add(&decoder)?;
    decoder.sync_state_with_parent()?;
    let target = decoder.static_pad("sink").ok_or("no pad")?;
    pad.link(&target)?;
    Ok(())
}

/// Waits until both sides have decoded something.
fn wait(heard: &Receiver<()>, sides: &[Side; 2]) -> Result<()> {
    for _ in sides {
        heard.recv_timeout(DEADLINE).map_err(|_| {
            let errors: Vec<_> = sides
                .iter()
                .filter_map(|side| {
                    side.pipeline
                        .bus()?
                        .pop_filtered(&[gst::MessageType::Error])
                })
                .map(|message| format!("{message:?}"))
                .collect();
            format!("nothing decoded within {DEADLINE:?} {}", errors.join(" "))
        })?;
    }
    Ok(())
}

/// Sets up a call, and takes it down; answers how long the first took.
fn call(kind: &'static Kind) -> Result<Duration> {
    let (sender, heard) = channel();
    let start = Instant::now();
    let sides = [Side::new(kind, sender.clone())?, Side::new(kind, sender)?];
    let [a, b] = &sides;
    a.send_to(b, kind)?;
    b.send_to(a, kind)?;
    for side in &sides {
        side.pipeline.set_state(gst::State::Playing)?;
    }
    wait(&heard, &sides)?;
    Ok(start.elapsed())
}

fn run() -> Result<()> {
    let (mut kind, mut calls) = (&KINDS[0], 5);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(USAGE)?;
        match arg.as_str() {
            "--codec" => kind = KINDS.iter().find(|k| k.name == value).ok_or(USAGE)?,
            "--calls" => calls = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    for _ in 0..calls {
        println!("{:.1}", call(kind)?.as_secs_f64() * 1000.0);
    }
    Ok(())
}

fn main() -> ExitCode {
    isolation::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
