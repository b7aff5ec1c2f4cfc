// SPDX-License-Identifier: MPL-2.0
//! The contract as tables: every pad, property, signal and message, with its type and
//! the value it begins with.

use std::collections::BTreeSet;

use glib::SignalFlags;
use glib::subclass::SignalId;
use gst::prelude::*;
use tests::call::{Endpoint, Leg, pair_with, show};
use tests::isolation;

/// Name, type, access (r, w or rw), value at the beginning ("-" is not compared).
const CONFERENCE_PROPERTIES: &str = "
    sdes                              GstStructure             rw  -
    default-preferences               gboolean                 rw  true
    stats                             GstStructure             r   -
";

const SESSION_PROPERTIES: &str = "
    conference                        GstFsRtpConference       r   -
    media-type                        GstFsMediaType           r   audio
    id                                guint                    r   0
    sink-pad                          GstPad                   r   -
    codec-preferences                 GstCaps                  rw  NULL
    codecs                            GstCaps                  r   -
    codecs-without-config             GstCaps                  r   -
    current-send-codec                GstCaps                  r   NULL
    send-codec                        GstCaps                  rw  NULL
    tos                               guint                    rw  0
    allowed-sink-caps                 GstCaps                  rw  audio/x-raw
    allowed-src-caps                  GstCaps                  rw  audio/x-raw
    encryption-parameters             GstStructure             rw  NULL
    no-rtcp-timeout                   gint                     rw  7000
    ssrc                              guint                    rw  -
    send-bitrate                      guint                    rw  0
    rtp-header-extensions             GstCaps                  r   NULL
    rtp-header-extension-preferences  GstCaps                  rw  NULL
    internal-session                  GObject                  r   -
    stats                             GstStructure             r   -
";

const STREAM_PROPERTIES: &str = "
    remote-codecs                     GstCaps                  rw  NULL
    negotiated-codecs                 GstCaps                  r   NULL
    current-recv-codecs               GstCaps                  r   EMPTY
    direction                         GstFsStreamDirection     rw  -
    participant                       GstFsRtpParticipant      r   -
    session                           GstFsRtpSession          r   -
    decryption-parameters             GstStructure             rw  NULL
    require-encryption                gboolean                 rw  false
    rtp-header-extensions             GstCaps                  rw  NULL
    send-rtcp-mux                     gboolean                 rw  false
    remote-candidates                 gchararray               rw  NULL
    transmitter                       gchararray               rw  NULL
    transmitter-properties            GstStructure             rw  NULL
    stats                             GstStructure             r   -
";

const PARTICIPANT_PROPERTIES: &str = "
    cname                             gchararray               rw  NULL
";

const TRANSMITTER_PROPERTIES: &str = "
    components                        guint                    rw  2
    rtcp-mux                          gboolean                 rw  false
    sending                           gboolean                 rw  true
    tos                               guint                    rw  0
    preferred-local-candidates        gchararray               rw  NULL
    local-address                     gchararray               rw  NULL
    local-port                        guint                    rw  0
    socket-group                      gchararray               rw  NULL
";

/// Name, parameters, result. All are action signals.
const CONFERENCE_SIGNALS: &str = "
    new-session                  gchararray                -> GstFsRtpSession
    new-participant                                        -> GstFsRtpParticipant
";

const SESSION_SIGNALS: &str = "
    new-stream                   GObject gchararray        -> GstFsRtpStream
    set-send-codec               GstCaps                   -> GError
    set-codec-preferences        GstCaps                   -> GError
    set-allowed-caps             GstCaps GstCaps           -> GError
    set-encryption-parameters    GstStructure              -> GError
    codecs-need-resend           GstCaps GstCaps           -> GstCaps
    list-transmitters                                      -> GStrv
    get-stream-transmitter-type  gchararray                -> GType
    start-telephony-event        guint guint               -> gboolean
    stop-telephony-event                                   -> gboolean
    destroy                                                -> void
";

const STREAM_SIGNALS: &str = "
    set-transmitter              gchararray GstStructure   -> GError
    add-remote-candidates        GStrv                     -> GError
    force-remote-candidates      GStrv                     -> GError
    set-remote-codecs            GstCaps                   -> GError
    set-decryption-parameters    GstStructure              -> GError
    add-id                       guint                     -> GError
    destroy                                                -> void
";

const TRANSMITTER_SIGNALS: &str = "
    gather-candidates                                      -> GError
    add-remote-candidates        GStrv                     -> GError
    force-remote-candidates      GStrv                     -> GError
";

/// Name, direction, presence.
const CONFERENCE_PADS: &str = "
    audio_sink_%u        sink  request
    video_sink_%u        sink  request
    application_sink_%u  sink  request
    audio_src_%u         src   request
    video_src_%u         src   request
    application_src_%u   src   request
    src_%u_%u_%u         src   sometimes
";

const TRANSMITTER_PADS: &str = "
    sink_%u              sink  request
    src_%u               src   request
";

/// Name and fields of the messages of a plain call.
const MESSAGES: &str = "
    farstream-codecs-changed            session:GstFsRtpSession session-id:guint refused:GstCaps
    farstream-send-codec-changed        session:GstFsRtpSession session-id:guint codec:GstCaps \
                                        secondary-codecs:GstCaps
    farstream-new-local-candidate       stream:GstFsRtpStream session-id:guint \
                                        stream-name:gchararray participant-name:gchararray \
                                        candidate:GstStructure
    farstream-local-candidates-prepared stream:GstFsRtpStream session-id:guint \
                                        stream-name:gchararray participant-name:gchararray
    farstream-new-active-candidate-pair stream:GstFsRtpStream session-id:guint \
                                        stream-name:gchararray participant-name:gchararray \
                                        local-candidate:GstStructure remote-candidate:GstStructure
    farstream-recv-codecs-changed       stream:GstFsRtpStream session-id:guint \
                                        stream-name:gchararray participant-name:gchararray \
                                        codecs:GstCaps
    farstream-component-state-changed   stream:GstFsRtpStream session-id:guint \
                                        stream-name:gchararray participant-name:gchararray \
                                        component:guint state:GstFsStreamState
";

/// The fields of the structure `candidate` of a host candidate.
const CANDIDATE: &str = "foundation:gchararray component:guint protocol:gchararray \
    ip:gchararray port:guint priority:guint type:gchararray ttl:guint line:gchararray";

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| !row.is_empty())
}

/// The type's own properties and signals, those of its parents left out.
fn own<'a>(names: impl Iterator<Item = &'a str>, parents: &[String]) -> BTreeSet<String> {
    names
        .map(str::to_owned)
        .filter(|name| !parents.contains(name))
        .collect()
}

fn check_properties(object: &gst::Object, table: &str) {
    let type_ = object.type_().name();
    let mut expected = BTreeSet::new();
    for row in rows(table) {
        let [name, wanted, access, value] = row[..] else {
            panic!("{type_}: a row has four columns: {row:?}");
        };
        expected.insert(name.to_owned());
        let pspec = object
            .find_property(name)
            .unwrap_or_else(|| panic!("{type_} has no property {name}"));
        assert_eq!(pspec.value_type().name(), wanted, "{type_}::{name}");
        let flags = pspec.flags();
        assert!(
            flags.contains(glib::ParamFlags::READABLE),
            "{type_}::{name}"
        );
        assert_eq!(
            flags.contains(glib::ParamFlags::WRITABLE),
            access == "rw",
            "{type_}::{name} writable"
        );
        let blurb = pspec.blurb().unwrap_or_default();
        assert!(
            blurb.len() > 10,
            "{type_}::{name} is not explained: {blurb:?}"
        );
        if value != "-" {
            assert_eq!(show(&object.property_value(name)), value, "{type_}::{name}");
        }
    }
    let inherited: Vec<String> =
        glib::object::ObjectClass::from_type(object.type_().parent().unwrap())
            .map(|class| {
                let list = class.list_properties();
                list.iter().map(|p| p.name().to_owned()).collect()
            })
            .unwrap_or_default();
    let list = object.list_properties();
    let found = own(list.iter().map(|p| p.name()), &inherited);
    assert_eq!(found, expected, "{type_}: properties beyond the contract");
}

fn check_signals(object: &gst::Object, table: &str) {
    let type_ = object.type_();
    for row in rows(table) {
        let arrow = row.iter().position(|word| *word == "->").expect("an arrow");
        let name = row[0];
        let id =
            SignalId::lookup(name, type_).unwrap_or_else(|| panic!("{type_} has no signal {name}"));
        let query = id.query();
        assert!(query.flags().contains(SignalFlags::ACTION), "{name}");
        let parameters: Vec<_> = query
            .param_types()
            .iter()
            .map(|parameter| parameter.type_().name().to_owned())
            .collect();
        assert_eq!(parameters, row[1..arrow], "{type_}::{name}");
        assert_eq!(
            query.return_type().type_().name(),
            row[arrow + 1],
            "{type_}::{name}"
        );
    }
}

fn check_pads(factory: &str, table: &str) {
    let factory = gst::ElementFactory::find(factory).expect("the factory");
    let mut found = BTreeSet::new();
    for template in factory.static_pad_templates() {
        let direction = match template.direction() {
            gst::PadDirection::Sink => "sink",
            _ => "src",
        };
        let presence = match template.presence() {
            gst::PadPresence::Request => "request",
            gst::PadPresence::Sometimes => "sometimes",
            _ => "always",
        };
        found.insert(vec![
            template.name_template().to_owned(),
            direction.to_owned(),
            presence.to_owned(),
        ]);
    }
    let expected = rows(table)
        .map(|row| row.into_iter().map(str::to_owned).collect())
        .collect::<BTreeSet<Vec<String>>>();
    assert_eq!(found, expected);
}

fn check_fields(s: &gst::StructureRef, fields: &str) {
    let found: BTreeSet<String> = s
        .iter()
        .map(|(name, value)| format!("{name}:{}", value.type_()))
        .collect();
    let expected: BTreeSet<String> = fields.split_whitespace().map(str::to_owned).collect();
    assert_eq!(found, expected, "{s}");
}

#[test]
fn the_conference_and_its_objects_are_as_the_contract_says() {
    isolation::init();
    isolation::assert_ours("fsrtpconference");
    let endpoint = Endpoint::new(&["audio"]);
    let Leg {
        session, stream, ..
    } = endpoint.leg("audio").clone();

    check_pads("fsrtpconference", CONFERENCE_PADS);
    check_properties(endpoint.conference.upcast_ref(), CONFERENCE_PROPERTIES);
    check_properties(&session, SESSION_PROPERTIES);
    check_properties(&stream, STREAM_PROPERTIES);
    check_properties(&endpoint.participant, PARTICIPANT_PROPERTIES);
    check_signals(endpoint.conference.upcast_ref(), CONFERENCE_SIGNALS);
    check_signals(&session, SESSION_SIGNALS);
    check_signals(&stream, STREAM_SIGNALS);

    let added = SignalId::lookup("src-pad-added", stream.type_()).expect("src-pad-added");
    let types = added.query().param_types().to_vec();
    assert_eq!(types.len(), 2);
    assert_eq!(types[0].type_(), gst::Pad::static_type());
    assert_eq!(types[1].type_(), gst::Caps::static_type());

    for (object, name) in [
        (&session, "session_0"),
        (&stream, "stream_0"),
        (&endpoint.participant, "participant_0"),
    ] {
        assert_eq!(object.name(), name);
        let proxy = endpoint
            .conference
            .dynamic_cast_ref::<gst::ChildProxy>()
            .unwrap();
        let child = proxy.child_by_name(name).expect(name);
        assert_eq!(child, *object.upcast_ref::<glib::Object>());
    }
    let pad: gst::Pad = session.property("sink-pad");
    assert_eq!(pad.name(), "audio_sink_0");
    assert_eq!(
        session.property::<gst::Object>("conference"),
        endpoint.conference
    );
    assert_eq!(stream.property::<gst::Object>("session"), session);
    assert_eq!(
        stream.property::<gst::Object>("participant"),
        endpoint.participant
    );
    endpoint.dispose();
}

#[test]
fn the_transmitter_is_as_the_contract_says() {
    isolation::init();
    isolation::assert_ours("fsrawudptransmitter");
    let factory = gst::ElementFactory::find("fsrawudptransmitter").unwrap();
    assert_eq!(factory.metadata("fs-transmitter"), Some("rawudp"));
    assert_eq!(
        factory.metadata("klass"),
        Some("Generic/Bin/Network/Transmitter")
    );
    let element = factory.create().build().unwrap();
    check_pads("fsrawudptransmitter", TRANSMITTER_PADS);
    check_properties(element.upcast_ref(), TRANSMITTER_PROPERTIES);
    check_signals(element.upcast_ref(), TRANSMITTER_SIGNALS);
}

#[test]
fn the_messages_of_a_call_have_the_fields_of_the_contract() {
    isolation::init();
    let (a, b) = pair_with(&["audio"], Some("PCMU"));
    a.play();
    b.play();
    assert!(a.hears(5) && b.hears(5));
    for row in rows(MESSAGES) {
        let found = a.log.named(row[0]);
        assert!(!found.is_empty(), "{} was never posted", row[0]);
        for s in &found {
            check_fields(s, &row[1..].join(" "));
        }
    }
    for s in a.log.named("farstream-new-local-candidate") {
        let candidate = s.get::<gst::Structure>("candidate").unwrap();
        assert_eq!(candidate.name(), "candidate");
        check_fields(&candidate, CANDIDATE);
    }
    a.dispose();
    b.dispose();
}

#[test]
fn refusals_on_the_bus_have_the_fields_of_the_contract() {
    isolation::init();
    let endpoint = Endpoint::new(&["audio"]);
    let leg = endpoint.leg("audio");
    leg.stream.set_property("remote-candidates", "nonsense");
    leg.session
        .set_property("send-codec", tests::call::caps("ANY"));
    let none: Option<gst::Object> = endpoint.conference.emit_by_name("new-session", &[&"smell"]);
    assert_eq!(none, None);
    let errors = endpoint.log.named("farstream-error");
    let fields = "src-object:GstFsRtpStream error-no:GstFsError error-msg:gchararray \
                  session-id:guint stream-name:gchararray participant-name:gchararray";
    check_fields(&errors[0], fields);
    check_fields(
        &errors[1],
        "src-object:GstFsRtpSession error-no:GstFsError error-msg:gchararray session-id:guint",
    );
    check_fields(
        &errors[2],
        "src-object:GstFsRtpConference error-no:GstFsError error-msg:gchararray",
    );
    endpoint.dispose();
}
