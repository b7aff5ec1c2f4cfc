# SPDX-License-Identifier: MPL-2.0
"""Farstream's codecs and candidates as the text of the line protocol: caps with one
application/x-rtp structure per codec, and RFC 8839 candidate lines."""

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Farstream", "0.2")
from gi.repository import Farstream, Gst  # noqa: E402

UNSPECIFIED = 0xFFFFFFFF
# Feedback types that have a subtype; other names are one word, dashes or not.
WITH_SUBTYPE = ("ack", "app", "ccm", "nack")
NOT_PARAMETERS = (
    "media", "payload", "encoding-name", "clock-rate", "encoding-params", "channels",
    "trr-int", "ssrc", "clock-base", "seqnum-base", "timestamp-offset", "seqnum-offset",
)
NOT_PARAMETER_PREFIXES = ("rtcp-fb-", "extmap-", "a-", "ssrc-", "x-gst-")

MEDIA = {
    "audio": Farstream.MediaType.AUDIO,
    "video": Farstream.MediaType.VIDEO,
}
CANDIDATE_TYPES = {
    "host": Farstream.CandidateType.HOST,
    "srflx": Farstream.CandidateType.SRFLX,
    "prflx": Farstream.CandidateType.PRFLX,
    "relay": Farstream.CandidateType.RELAY,
    "multicast": Farstream.CandidateType.MULTICAST,
}


def caps_from_codecs(media, codecs):
    """The codec list as caps text."""
    return "; ".join(_structure(media, codec) for codec in codecs)


def _structure(media, codec):
    fields = [
        "application/x-rtp",
        f"media=(string){media}",
        f"payload=(int){codec.id}",
        f"encoding-name=(string){_quoted(codec.encoding_name)}",
    ]
    if codec.clock_rate:
        fields.append(f"clock-rate=(int){codec.clock_rate}")
    if codec.channels:
        fields.append(f'encoding-params=(string)"{codec.channels}"')
    if codec.minimum_reporting_interval != UNSPECIFIED:
        fields.append(f"trr-int=(int){codec.minimum_reporting_interval}")
    params = {}
    for param in codec.optional_params:
        params.setdefault(param.name or "events", []).append(_quoted(param.value))
    for name, values in params.items():
        # A parameter that occurs several times is a list.
        value = values[0] if len(values) == 1 else "{ " + ", ".join(values) + " }"
        fields.append(f"{name}=(string){value}")
    for feedback in codec.feedback_params:
        name = "rtcp-fb-" + feedback.type
        if feedback.subtype:
            name += "-" + feedback.subtype
        if feedback.extra_params:
            fields.append(f"{name}=(string){_quoted(feedback.extra_params)}")
        else:
            fields.append(f"{name}=(boolean)true")
    return ", ".join(fields)


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def codecs_from_caps(media, text):
    """The codecs of a caps text; ValueError if it is none."""
    caps = Gst.Caps.from_string(text)
    if caps is None or caps.is_any():
        raise ValueError(f"not a codec list: {text}")
    return [_codec(media, caps.get_structure(i)) for i in range(caps.get_size())]


def _codec(media, structure):
    names = [structure.nth_field_name(i) for i in range(structure.n_fields())]
    fields = {name: _values(structure, name) for name in names}
    if "encoding-name" not in fields or "payload" not in fields:
        raise ValueError(f"not a codec: {structure.to_string()}")

    def number(name):
        return int(fields[name][0]) if name in fields else 0

    codec = Farstream.Codec.new(
        number("payload"), fields["encoding-name"][0], MEDIA[media], number("clock-rate")
    )
    codec.channels = number("encoding-params") or number("channels")
    if "trr-int" in fields:
        codec.minimum_reporting_interval = number("trr-int")
    for name, values in fields.items():
        if name.startswith("rtcp-fb-"):
            _add_feedback(codec, name[len("rtcp-fb-"):], values[0])
        elif name not in NOT_PARAMETERS and not name.startswith(NOT_PARAMETER_PREFIXES):
            for value in values:
                codec.add_optional_parameter(name, value)
    return codec


def _values(structure, name):
    try:
        return [_text(structure.get_value(name))]
    except TypeError:
        # A list cannot cross into Python as a value.
        found, values = structure.get_list(name)
        if not found:
            raise
        return [_text(values.get_nth(i)) for i in range(values.n_values)]


def _text(value):
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _add_feedback(codec, name, extra):
    if extra in ("0", "false"):
        return
    kind, _, subtype = name.partition("-")
    if kind not in WITH_SUBTYPE:
        kind, subtype = name, ""
    codec.add_feedback_parameter(kind, subtype, "" if extra in ("1", "true") else extra)


def line_from_candidate(candidate):
    """The RFC 8839 line of a candidate."""
    kinds = {value: name for name, value in CANDIDATE_TYPES.items()}
    line = (
        f"candidate:{candidate.foundation or '1'} {candidate.component_id} UDP"
        f" {candidate.priority} {candidate.ip} {candidate.port} typ {kinds[candidate.type]}"
    )
    if candidate.base_ip:
        line += f" raddr {candidate.base_ip} rport {candidate.base_port}"
    if candidate.ttl:
        line += f" ttl {candidate.ttl}"
    if candidate.username:
        line += f" ufrag {candidate.username}"
    if candidate.password:
        line += f" pwd {candidate.password}"
    return line


def candidate_from_line(line):
    """The candidate of an RFC 8839 line; ValueError if it is none, or not UDP."""
    words = line.removeprefix("a=").removeprefix("candidate:").split()
    if len(words) < 8 or len(words) % 2 or words[6] != "typ":
        raise ValueError(f"not a candidate: {line}")
    if words[2].lower() != "udp":
        raise ValueError(f"not UDP: {line}")
    if words[7] not in CANDIDATE_TYPES:
        raise ValueError(f"unknown type of candidate: {line}")
    candidate = Farstream.Candidate.new(
        words[0], int(words[1]), CANDIDATE_TYPES[words[7]],
        Farstream.NetworkProtocol.UDP, words[4], int(words[5]),
    )
    candidate.priority = int(words[3])
    extensions = dict(zip(words[8::2], words[9::2]))
    if "raddr" in extensions:
        candidate.base_ip = extensions["raddr"]
    if "rport" in extensions:
        candidate.base_port = int(extensions["rport"])
    if "ttl" in extensions:
        candidate.ttl = int(extensions["ttl"])
    if "ufrag" in extensions:
        candidate.username = extensions["ufrag"]
    if "pwd" in extensions:
        candidate.password = extensions["pwd"]
    return candidate
