// SPDX-License-Identifier: MPL-2.0
//! Calls between two of our endpoints in one process, for tests of what happens in
//! and around a call. Speaks to the elements the way any program does: properties,
//! signals, bus messages.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// How long anything in a call may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(15);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Waits until `done` says so. Returns whether it did within [`PATIENCE`].
pub fn eventually(done: impl Fn() -> bool) -> bool {
    eventually_within(PATIENCE, done)
}

/// The same with another patience.
pub fn eventually_within(patience: Duration, done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Turns the result of an action signal into a [`Result`].
///
/// # Panics
///
/// If there is no such signal.
pub fn call(
    object: &impl IsA<glib::Object>,
    signal: &str,
    args: &[&dyn ToValue],
) -> Result<(), glib::Error> {
    let values: Vec<glib::Value> = args.iter().map(|arg| arg.to_value()).collect();
    let result = object.emit_by_name_with_values(signal, &values);
    let error = result.and_then(|value| value.get::<Option<glib::Error>>().ok().flatten());
    error.map_or(Ok(()), Err)
}

/// A structure from text.
///
/// # Panics
///
/// If the text is none.
pub fn structure(text: &str) -> gst::Structure {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no structure"))
}

/// Caps from text.
///
/// # Panics
///
/// If the text is none.
pub fn caps(text: &str) -> gst::Caps {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no caps"))
}

/// A property's value as text; NULL for null.
pub fn show(value: &glib::Value) -> String {
    if let Ok(None) = value.get::<Option<String>>() {
        return "NULL".into();
    }
    if let Ok(caps) = value.get::<Option<gst::Caps>>() {
        return caps.map_or("NULL".into(), |caps| caps.to_string());
    }
    if let Ok(None) = value.get::<Option<gst::Structure>>() {
        return "NULL".into();
    }
    value.serialize().map_or("?".into(), |text| text.into())
}

/// Everything an endpoint's bus said.
#[derive(Default)]
pub struct Log {
    messages: Mutex<Vec<gst::Message>>,
    more: Condvar,
}

impl Log {
    fn add(&self, message: &gst::Message) {
        lock(&self.messages).push(message.clone());
        self.more.notify_all();
    }

    /// The structures of all element messages of this name, oldest first.
    pub fn named(&self, name: &str) -> Vec<gst::Structure> {
        lock(&self.messages)
            .iter()
            .filter_map(|message| message.structure())
            .filter(|s| s.name() == name)
            .map(|s| s.to_owned())
            .collect()
    }

    /// Waits for an element message of this name that `wanted` accepts.
    pub fn wait(&self, name: &str, wanted: impl Fn(&gst::StructureRef) -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        let mut messages = lock(&self.messages);
        loop {
            let found = messages
                .iter()
                .filter_map(|message| message.structure())
                .any(|s| s.name() == name && wanted(s));
            let left = end.saturating_duration_since(Instant::now());
            if found || left.is_zero() {
                return found;
            }
            messages = match self.more.wait_timeout(messages, left) {
                Ok((messages, _)) => messages,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Everything that should not happen in a good call: errors, warnings and
    /// refusals, as text.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.messages)
            .iter()
            .filter_map(|message| match message.view() {
                gst::MessageView::Error(e) => Some(format!("{} {:?}", e.error(), e.debug())),
                gst::MessageView::Warning(w) => Some(format!("{} {:?}", w.error(), w.debug())),
                gst::MessageView::Element(e) => e
                    .structure()
                    .filter(|s| s.name() == "farstream-error")
                    .map(ToString::to_string),
                _ => None,
            })
            .collect()
    }

    /// Forgets what was said. Messages keep what they speak of alive.
    pub fn clear(&self) {
        lock(&self.messages).clear();
    }
}

/// What came out of an endpoint for one kind of media.
#[derive(Default)]
pub struct Received {
    buffers: AtomicUsize,
    pads: AtomicUsize,
}

impl Received {
    /// Decoded buffers so far.
    pub fn buffers(&self) -> usize {
        self.buffers.load(Ordering::SeqCst)
    }

    /// Pads that appeared so far.
    pub fn pads(&self) -> usize {
        self.pads.load(Ordering::SeqCst)
    }
}

/// One kind of media of an endpoint.
#[derive(Clone)]
pub struct Leg {
    /// The session object.
    pub session: gst::Object,
    /// The stream object.
    pub stream: gst::Object,
    /// The source that feeds it.
    pub source: gst::Element,
    /// What came out.
    pub received: Arc<Received>,
}

impl Leg {
    /// The codecs to announce.
    ///
    /// # Panics
    ///
    /// If they are not known yet.
    pub fn codecs(&self) -> gst::Caps {
        self.session
            .property::<Option<gst::Caps>>("codecs")
            .expect("the codecs are known")
    }

    /// Offers only the codec of this encoding name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn restrict(&self, codec: &str) {
        let mut list = gst::Caps::new_empty();
        for s in self.codecs().iter() {
            let mut s = s.to_owned();
            let name = s.get::<String>("encoding-name").unwrap_or_default();
            if !name.eq_ignore_ascii_case(codec) {
                s.set("payload", -2);
            }
            list.make_mut().append_structure(s);
        }
        call(&self.session, "set-codec-preferences", &[&list]).expect("one codec");
    }

    /// Chooses rawudp on loopback.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn connect(&self) {
        let properties = structure("props,local-address=(string)127.0.0.1");
        call(&self.stream, "set-transmitter", &[&"rawudp", &properties]).expect("rawudp");
    }
}

type Peers = Arc<Mutex<HashMap<String, gst::Object>>>;

/// One end of a call.
pub struct Endpoint {
    /// The pipeline, not started.
    pub pipeline: gst::Pipeline,
    /// The conference in it.
    pub conference: gst::Element,
    /// The only participant.
    pub participant: gst::Object,
    /// The kinds of media.
    pub legs: HashMap<&'static str, Leg>,
    /// What the bus said.
    pub log: Arc<Log>,
    /// Streams of the peer by the names of ours.
    peers: Peers,
}

impl Endpoint {
    /// An endpoint that sends a test tone, a test picture, or both.
    ///
    /// # Panics
    ///
    /// If the conference is not there.
    pub fn new(media: &[&'static str]) -> Self {
        let pipeline = gst::Pipeline::new();
        let conference = gst::ElementFactory::make("fsrtpconference")
            .build()
            .expect("fsrtpconference");
        pipeline.add(&conference).expect("a bin");
        let participant = conference
            .emit_by_name::<Option<gst::Object>>("new-participant", &[])
            .expect("a participant");
        let mut endpoint = Self {
            log: Arc::default(),
            peers: Peers::default(),
            legs: HashMap::new(),
            pipeline,
            conference,
            participant,
        };
        endpoint.watch_bus();
        for media in media {
            endpoint.add(media);
        }
        endpoint
    }

    fn watch_bus(&self) {
        let (log, peers) = (self.log.clone(), self.peers.clone());
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            if let Some(s) = message.structure()
                && s.name() == "farstream-new-local-candidate"
            {
                let name = s.get::<&str>("stream-name").unwrap_or_default();
                let peer = lock(&peers).get(name).cloned();
                let line = s
                    .get::<gst::Structure>("candidate")
                    .and_then(|c| c.get::<String>("line"));
                if let (Some(peer), Ok(line)) = (peer, line) {
                    tell(&peer, line);
                }
            }
            log.add(message);
            gst::BusSyncReply::Drop
        });
    }

    /// Adds a kind of media: session, stream, source, and a sink for what comes.
    ///
    /// # Panics
    ///
    /// If something is refused.
    pub fn add(&mut self, media: &'static str) -> Leg {
        let session = self
            .conference
            .emit_by_name::<Option<gst::Object>>("new-session", &[&media])
            .expect("a session");
        let stream = session
            .emit_by_name::<Option<gst::Object>>("new-stream", &[&self.participant, &"both"])
            .expect("a stream");
        let source = gst::ElementFactory::make(&format!("{media}testsrc"))
            .property("is-live", true)
            .build()
            .expect("a test source");
        self.pipeline.add(&source).expect("a bin");
        let sink_pad: gst::Pad = session.property("sink-pad");
        let src_pad = source.static_pad("src").expect("a source has a src pad");
        src_pad.link(&sink_pad).expect("linking the source");
        source.sync_state_with_parent().expect("the source starts");

        let received = Arc::new(Received::default());
        self.listen(&stream, &received);
        let leg = Leg {
            session,
            stream,
            source,
            received,
        };
        self.legs.insert(media, leg.clone());
        leg
    }

    /// Counts what comes out of the pads of `stream`.
    fn listen(&self, stream: &gst::Object, received: &Arc<Received>) {
        let (pipeline, count) = (self.pipeline.downgrade(), received.clone());
        stream.connect("src-pad-added", false, move |args| {
            let pad = args.get(1)?.get::<gst::Pad>().ok()?;
            count.pads.fetch_add(1, Ordering::SeqCst);
            sink(&pipeline.upgrade()?, &pad, &count);
            None
        });
    }

    /// Goes on with another stream of the same session.
    ///
    /// # Panics
    ///
    /// If there is no such media.
    pub fn replace_stream(&mut self, media: &'static str, stream: gst::Object) {
        let received = self.leg(media).received.clone();
        self.listen(&stream, &received);
        if let Some(leg) = self.legs.get_mut(media) {
            leg.stream = stream;
        }
    }

    /// The leg of this media.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn leg(&self, media: &str) -> &Leg {
        &self.legs[media]
    }

    /// The lines of all local candidates of a stream so far.
    fn candidates(&self, stream: &str) -> Vec<String> {
        self.log
            .named("farstream-new-local-candidate")
            .iter()
            .filter(|s| s.get::<&str>("stream-name") == Ok(stream))
            .filter_map(|s| s.get::<gst::Structure>("candidate").ok()?.get("line").ok())
            .collect()
    }

    /// Starts the pipeline.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn play(&self) {
        self.pipeline
            .set_state(gst::State::Playing)
            .expect("the pipeline starts");
    }

    /// Stops the pipeline.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn stop(&self) {
        self.pipeline
            .set_state(gst::State::Null)
            .expect("the pipeline stops");
    }

    /// Waits until `more` buffers more than now came for every media. Returns whether
    /// they did.
    pub fn hears(&self, more: usize) -> bool {
        let goals: Vec<_> = self
            .legs
            .values()
            .map(|leg| (leg.received.clone(), leg.received.buffers() + more))
            .collect();
        eventually(|| goals.iter().all(|(got, goal)| got.buffers() >= *goal))
    }

    /// Stops and lets go of everything that refers to something else.
    pub fn dispose(self) {
        self.stop();
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        lock(&self.peers).clear();
        self.log.clear();
    }
}

/// Counts what comes out of `pad`.
fn sink(pipeline: &gst::Pipeline, pad: &gst::Pad, count: &Arc<Received>) {
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .property("signal-handoffs", true)
        .build()
        .expect("fakesink");
    let count = count.clone();
    sink.connect("handoff", false, move |_| {
        count.buffers.fetch_add(1, Ordering::SeqCst);
        None
    });
    pipeline.add(&sink).expect("a bin");
    sink.sync_state_with_parent().expect("fakesink starts");
    pad.link(&sink.static_pad("sink").expect("fakesink has a pad"))
        .expect("linking fakesink");
}

/// Lets two endpoints tell each other candidates and codecs, for media both have. The
/// first one offers, the other answers.
///
/// # Panics
///
/// If something is refused.
pub fn introduce(a: &Endpoint, b: &Endpoint, media: &str) {
    a.leg(media).connect();
    b.leg(media).connect();
    know(a, b, media);
}

/// The same for endpoints that have chosen their transmitters.
///
/// # Panics
///
/// If something is refused.
pub fn know(a: &Endpoint, b: &Endpoint, media: &str) {
    let (ours, theirs) = (a.leg(media), b.leg(media));
    for (end, own, other) in [(a, ours, theirs), (b, theirs, ours)] {
        let name = own.stream.name().to_string();
        for candidate in end.candidates(&name) {
            tell(&other.stream, candidate);
        }
        lock(&end.peers).insert(name, other.stream.clone());
    }
    call(&theirs.stream, "set-remote-codecs", &[&ours.codecs()]).expect("the offer");
    call(&ours.stream, "set-remote-codecs", &[&theirs.codecs()]).expect("the answer");
}

fn tell(stream: &gst::Object, line: String) {
    let told = call(stream, "add-remote-candidates", &[&vec![line]]);
    told.expect("the peer takes our candidate");
}

/// Two endpoints that know each other, not started.
pub fn pair(media: &[&'static str]) -> (Endpoint, Endpoint) {
    pair_with(media, None)
}

/// The same, where the first one offers only one codec, such as `PCMU`.
///
/// # Panics
///
/// If that codec is refused.
pub fn pair_with(media: &[&'static str], codec: Option<&str>) -> (Endpoint, Endpoint) {
    let (a, b) = (Endpoint::new(media), Endpoint::new(media));
    if let Some(codec) = codec {
        for leg in a.legs.values() {
            leg.restrict(codec);
        }
    }
    for media in media {
        introduce(&a, &b, media);
    }
    (a, b)
}
