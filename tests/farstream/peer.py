#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""An endpoint of the original Farstream 0.2 (C library, Debian's packages), as other
implementations meet it. It speaks the line protocol of the tests: codecs and
candidates on stdout, those of the other side on stdin.

The offerer prints its codecs as soon as it knows them; with --answer they are
printed when those of the other side have been accepted."""

import argparse
import os
import random
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Farstream", "0.2")
from gi.repository import Farstream, GLib, GObject, Gst  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import text  # noqa: E402

START = time.monotonic()
# How long what was recorded may take to reach the disk.
FLUSH_SECONDS = 5
# How long a call goes on after everything was sent, for what is still under way.
LINGER_SECONDS = 1

RECORDERS = {
    # Gaps become silence, so that the recording has the length of the call.
    "audio": (
        "wav",
        "funnel name=in ! queue ! audioconvert ! audioresample ! audiorate skip-to-first=true !"
        " audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink name=file async=false",
    ),
    "video": (
        "mkv",
        "funnel name=in ! queue ! videoconvert ! avenc_ffv1 ! matroskamux !"
        " filesink name=file async=false",
    ),
}
SOURCES = {
    "audio": "audioconvert name=in ! audioresample ! audiobuffersplit output-buffer-duration=1/50 !"
    " clocksync name=out",
    "video": "videoconvert name=in ! clocksync name=out",
}


def milliseconds():
    return round((time.monotonic() - START) * 1000)


def say(line):
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        log("nobody reads what this peer says")


def log(line):
    print(f"{milliseconds() / 1000:7.3f} {line}", file=sys.stderr, flush=True)


def on_exception(*error):
    """Exceptions in callbacks would else only be printed."""
    sys.__excepthook__(*error)
    sys.stderr.flush()
    os._exit(1)


def check_plugin(expected_version):
    """Fails unless the conference is Farstream's own, and hides what breaks it."""
    registry = Gst.Registry.get()
    factory = Gst.ElementFactory.find("fsrtpconference")
    core = registry.find_plugin("coreelements")
    if factory is None:
        sys.exit("there is no fsrtpconference")
    plugin = factory.get_plugin()
    system = os.path.dirname(os.path.realpath(core.get_filename()))
    found = os.path.realpath(plugin.get_filename())
    if os.path.dirname(found) != system or not plugin.get_version().startswith(expected_version):
        sys.exit(f"not Farstream's own plugin: {found}, version {plugin.get_version()}")
    # With these Farstream 0.2.9 puts a key-less srtpenc into every plain call, which
    # libsrtp 2.5 refuses.
    for name in ("srtpenc", "srtpdec"):
        feature = registry.lookup_feature(name)
        if feature:
            registry.remove_feature(feature)
    log(f"{found}, version {plugin.get_version()}")


class Recorder:
    """Writes what comes out of one session to a file."""

    def __init__(self, media, prefix):
        extension, description = RECORDERS[media]
        self.bin = Gst.parse_bin_from_description(description, False)
        sink = self.bin.get_by_name("file")
        sink.set_property("location", f"{prefix}.{extension}")
        self.funnel = self.bin.get_by_name("in")
        self.done = threading.Event()
        sink.get_static_pad("sink").add_probe(
            Gst.PadProbeType.EVENT_DOWNSTREAM, self.on_event
        )
        self.count = 0

    def on_event(self, _pad, info):
        if info.get_event().type == Gst.EventType.EOS:
            self.done.set()
        return Gst.PadProbeReturn.OK

    def new_pad(self):
        target = self.funnel.request_pad_simple("sink_%u")
        ghost = Gst.GhostPad.new(f"sink_{self.count}", target)
        self.count += 1
        ghost.set_active(True)
        self.bin.add_pad(ghost)
        return ghost

    def finish(self):
        # Only what comes after the funnel ends; the streams go on.
        self.funnel.get_static_pad("src").get_peer().send_event(Gst.Event.new_eos())
        if not self.done.wait(FLUSH_SECONDS):
            raise RuntimeError("the recording does not end")
        self.bin.set_state(Gst.State.NULL)


class Medium:
    """One session with its one stream."""

    def __init__(self, peer, media, path):
        self.peer, self.media, self.path = peer, media, path
        self.sent = not self.sends()
        self.announced = None
        self.accepted = False
        self.recorder = None
        self.heard = False
        self.received_codec = self.sent_codec = "none"
        self.session = peer.conference.new_session(text.MEDIA[media])
        self.prefer(peer.options.codec)
        # Farstream cannot know H264's parameters before it has encoded something.
        if self.sends():
            self.add_source()
        self.stream = self.session.new_stream(peer.participant, peer.direction)
        self.stream.connect("src-pad-added", self.on_pad)
        self.open_transmitter()

    def sends(self):
        return bool(self.path) and self.peer.options.direction != "recv"

    def prefer(self, wanted):
        """Farstream's own preferences, restricted to the codecs asked for."""
        kind = text.MEDIA[self.media]
        default = Farstream.utils_get_default_codec_preferences(self.peer.conference)
        preferences = [codec for codec in default if codec.media_type == kind]
        # Preferences also add codecs (Speex) and hide others.
        known = self.session.props.codecs_without_config
        self.session.set_codec_preferences(preferences)
        known += self.session.props.codecs_without_config

        def is_wanted(codec):
            names = (codec.encoding_name, f"{codec.encoding_name}/{codec.clock_rate}")
            return any(w.lower() == n.lower() for w in wanted for n in names)

        chosen = [codec for codec in known if is_wanted(codec)]
        if not chosen:
            return
        restricted = {}
        # What is known with the preferences in force comes last, with its feedback.
        for codec in chosen + known:
            number = Farstream.CODEC_ID_ANY if is_wanted(codec) else Farstream.CODEC_ID_DISABLE
            name = (codec.encoding_name, codec.clock_rate)
            restricted[name] = Farstream.Codec.new(number, name[0], kind, name[1])
            for feedback in codec.feedback_params:
                restricted[name].add_feedback_parameter(
                    feedback.type, feedback.subtype, feedback.extra_params
                )
        self.session.set_codec_preferences(list(restricted.values()))

    def add_source(self):
        pipeline = self.peer.pipeline
        source = Gst.ElementFactory.make("filesrc", None)
        source.set_property("location", self.path)
        decode = Gst.ElementFactory.make("decodebin", None)
        decode.set_property("caps", Gst.Caps.from_string(f"{self.media}/x-raw(ANY)"))
        decode.set_property("expose-all-streams", False)
        pace = Gst.parse_bin_from_description(SOURCES[self.media], False)
        for end, pad in (("in", "sink"), ("out", "src")):
            inner = pace.get_by_name(end).get_static_pad(pad)
            pace.add_pad(Gst.GhostPad.new(pad, inner))
        for element in (source, decode, pace):
            pipeline.add(element)
        source.link(decode)
        sink = pace.get_static_pad("sink")
        decode.connect("pad-added", lambda _, pad: sink.is_linked() or pad.link(sink))
        end = pace.get_static_pad("src")
        end.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self.on_source_event)
        if end.link(self.session.props.sink_pad) != Gst.PadLinkReturn.OK:
            raise RuntimeError(f"cannot link the {self.media} source")

    def on_source_event(self, _pad, info):
        if info.get_event().type != Gst.EventType.EOS:
            return Gst.PadProbeReturn.OK
        self.sent = True
        say(f"state end-of-{self.media} {milliseconds()}")
        GLib.idle_add(self.peer.on_all_sent)
        # The end of the file is not the end of the call.
        return Gst.PadProbeReturn.DROP

    def open_transmitter(self):
        # Ports of its own, so that nothing still on its way to another call comes here.
        port = random.randrange(20000, 60000, 2)
        local = [
            Farstream.Candidate.new(
                "", component, Farstream.CandidateType.HOST,
                Farstream.NetworkProtocol.UDP, "127.0.0.1", port + component - 1,
            )
            for component in (1, 2)
        ]
        candidates = GObject.Value()
        Farstream.value_set_candidate_list(candidates, local)
        no = GObject.Value(GObject.TYPE_BOOLEAN, False)
        self.stream.set_transmitter_ht(
            "rawudp",
            {
                "upnp-discovery": no,
                "upnp-mapping": no,
                "preferred-local-candidates": candidates,
            },
        )

    def codecs(self):
        """The codecs to announce, none as long as they are not known."""
        if self.sends():
            return self.session.props.codecs
        return self.session.props.codecs_without_config

    def announce(self):
        if self.peer.options.answer and not self.accepted:
            return
        codecs = self.codecs()
        if not codecs:
            return
        # After the first time only new parameters of an encoder are news: the payload
        # types may be those the other side chose.
        if self.announced and not self.session.codecs_need_resend(self.announced, codecs):
            return
        self.announced = codecs
        say(f"codecs {self.media} {text.caps_from_codecs(self.media, codecs)}")

    def accept(self, caps):
        self.stream.set_remote_codecs(text.codecs_from_caps(self.media, caps))
        self.accepted = True
        self.announce()

    def on_pad(self, _stream, pad, codec):
        """Called from a streaming thread."""
        self.received_codec = f"{codec.encoding_name}/{codec.clock_rate}"
        say(f"state receiving-{self.media} {self.received_codec}")
        first = not self.recorder
        if self.peer.options.record:
            if first:
                self.recorder = Recorder(self.media, self.peer.options.record)
                self.peer.pipeline.add(self.recorder.bin)
            sink = self.recorder.new_pad()
            self.recorder.bin.sync_state_with_parent()
        else:
            target = Gst.ElementFactory.make("fakesink", None)
            target.set_property("async", False)
            self.peer.pipeline.add(target)
            target.sync_state_with_parent()
            sink = target.get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, self.on_first_buffer)
        if pad.link(sink) != Gst.PadLinkReturn.OK:
            log(f"cannot link the received {self.media}")
            os._exit(1)

    def on_first_buffer(self, _pad, _info):
        if not self.heard:
            self.heard = True
            what = "sound" if self.media == "audio" else "picture"
            say(f"state first-{what} {milliseconds()}")
        return Gst.PadProbeReturn.REMOVE

    def report(self):
        values = {"received-codec": self.received_codec, "sent-codec": self.sent_codec}
        received = sent = lost = 0
        for source in self.session.props.internal_session.props.sources:
            stats = source.props.stats
            if stats.get_value("internal"):
                sent += stats.get_value("packets-sent")
            else:
                received += stats.get_value("packets-received")
                lost += stats.get_value("packets-lost")
        values |= {"packets-sent": sent, "packets-received": received, "packets-lost": lost}
        pairs = " ".join(f"{self.media}.{name}={value}" for name, value in values.items())
        say(f"report {pairs}")


class Peer:
    """The conference, its pipeline and the conversation with the other side."""

    def __init__(self, options):
        self.options = options
        self.loop = GLib.MainLoop()
        self.failed = False
        self.over = False
        self.direction = {
            "send": Farstream.StreamDirection.SEND,
            "recv": Farstream.StreamDirection.RECV,
            "both": Farstream.StreamDirection.BOTH,
        }[options.direction]
        self.pipeline = Gst.Pipeline.new(None)
        self.conference = Gst.ElementFactory.make("fsrtpconference", None)
        if not isinstance(self.conference, Farstream.Conference):
            sys.exit("fsrtpconference is not Farstream's")
        self.notifier = Farstream.ElementAddedNotifier.new()
        self.notifier.set_default_properties(self.conference)
        self.notifier.add(self.pipeline)
        self.pipeline.add(self.conference)
        self.participant = self.conference.new_participant()
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        files = {"audio": options.audio, "video": options.video}
        self.media = {
            media: Medium(self, media, path) for media, path in files.items() if path is not None
        }
        self.by_session = {medium.session: medium for medium in self.media.values()}
        self.by_stream = {medium.stream: medium for medium in self.media.values()}

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        for medium in self.media.values():
            medium.announce()
        threading.Thread(target=self.read_lines, daemon=True).start()
        if self.options.seconds:
            GLib.timeout_add(round(self.options.seconds * 1000), self.hang_up)
        self.loop.run()
        return 1 if self.failed else 0

    def read_lines(self):
        for line in sys.stdin:
            GLib.idle_add(self.on_line, line.strip())
        GLib.idle_add(self.hang_up)

    def on_line(self, line):
        word, _, rest = line.partition(" ")
        media, _, value = rest.partition(" ")
        try:
            if word == "bye":
                self.hang_up()
            elif word == "codecs" and media in self.media:
                self.media[media].accept(value)
            elif word == "candidate" and media in self.media:
                candidate = text.candidate_from_line(value)
                self.media[media].stream.force_remote_candidates([candidate])
        except (GLib.Error, ValueError, KeyError) as error:
            self.fail(f"{line}: {error}")
        return False

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            self.fail(f"{message.src.get_name()}: {error.message} ({debug})")
        elif message.type == Gst.MessageType.ELEMENT:
            self.on_farstream(message.get_structure())
        elif message.type == Gst.MessageType.LATENCY:
            self.pipeline.recalculate_latency()

    def on_farstream(self, structure):
        name = structure.get_name()
        if name == "farstream-error":
            self.fail(structure.get_value("error-msg"))
        elif name == "farstream-codecs-changed":
            medium = self.by_session.get(structure.get_value("session"))
            if medium and not self.over:
                medium.announce()
        elif name == "farstream-send-codec-changed":
            medium = self.by_session[structure.get_value("session")]
            codec = structure.get_value("codec")
            medium.sent_codec = f"{codec.encoding_name}/{codec.clock_rate}"
            say(f"state sending-{medium.media} {medium.sent_codec}")
        elif name == "farstream-new-local-candidate":
            medium = self.by_stream[structure.get_value("stream")]
            candidate = structure.get_value("candidate")
            say(f"candidate {medium.media} {text.line_from_candidate(candidate)}")
        else:
            log(name)

    def fail(self, reason):
        log(f"error: {reason}")
        say(f"state error {reason}".replace("\n", " "))
        self.failed = True
        self.hang_up()

    def on_all_sent(self):
        if not self.options.seconds and all(medium.sent for medium in self.media.values()):
            GLib.timeout_add_seconds(LINGER_SECONDS, self.hang_up)
        return False

    def hang_up(self):
        if self.over:
            return False
        self.over = True
        for medium in self.media.values():
            try:
                medium.report()
                if medium.recorder:
                    medium.recorder.finish()
            except RuntimeError as error:
                log(f"error: {error}")
                self.failed = True
        say("bye")
        self.loop.quit()
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for media in ("audio", "video"):
        parser.add_argument(
            f"--{media}", metavar="FILE", nargs="?", const="",
            help=f"have {media} in the call and send FILE, or only receive",
        )
    parser.add_argument("--record", metavar="PREFIX", help="write PREFIX.wav and PREFIX.mkv")
    parser.add_argument(
        "--codec", metavar="NAME[/RATE]", action="append", default=[],
        help="use only this codec for its medium; may be given several times",
    )
    parser.add_argument("--direction", choices=("send", "recv", "both"), default="both")
    parser.add_argument("--seconds", type=float, help="hang up then, not when all is sent")
    parser.add_argument(
        "--answer", action="store_true", help="announce codecs after the other side did"
    )
    options = parser.parse_args()
    if options.audio is None and options.video is None:
        parser.error("neither --audio nor --video")
    sys.excepthook = on_exception
    Gst.init(None)
    check_plugin("0.2.")
    status = Peer(options).run()
    sys.stdout.flush()
    # Farstream 0.2.9 now and then crashes when its objects are freed.
    os._exit(status)


if __name__ == "__main__":
    main()
