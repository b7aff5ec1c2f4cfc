// SPDX-License-Identifier: MPL-2.0
//! What the transmitter contract promises of any transmitter: names, types, defaults, and answers
//! to nonsense.

mod common;

use common::{Transmitter, init, nothing};
use farstream::ErrorCode;
use gst::prelude::*;

#[test]
fn it_is_found_by_class_and_short_name() {
    init();
    let factory = gst::ElementFactory::find("fsrawudptransmitter").unwrap();
    assert_eq!(
        factory.metadata("klass"),
        Some("Generic/Bin/Network/Transmitter")
    );
    assert_eq!(factory.metadata("fs-transmitter"), Some("rawudp"));
    assert_eq!(factory.rank(), gst::Rank::NONE);
    let element = factory.create().build().unwrap();
    assert_eq!(element.type_().name(), "GstFsRawUdpTransmitter");
    assert!(!element.is::<gst::Bin>());
    assert!(
        element
            .element_flags()
            .contains(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK)
    );
}

#[test]
fn properties_have_the_types_and_defaults_of_the_contract() {
    let transmitter = Transmitter::default();
    let string = None::<String>.to_value();
    for (name, default) in [
        ("components", 2u32.to_value()),
        ("rtcp-mux", false.to_value()),
        ("sending", true.to_value()),
        ("tos", 0u32.to_value()),
        ("preferred-local-candidates", string.clone()),
        ("socket-group", string.clone()),
        ("local-address", string.clone()),
        ("local-port", 0u32.to_value()),
    ] {
        let pspec = transmitter.element.find_property(name).expect(name);
        let value = transmitter.element.property_value(name);
        let text = |value: &glib::Value| format!("{value:?}");
        assert_eq!(text(&value), text(&default), "{name}");
        assert_eq!(text(pspec.default_value()), text(&default), "{name}");
        assert!(
            pspec.blurb().is_some_and(|blurb| blurb.len() > 20),
            "{name}"
        );
    }
    let range = |name| {
        let pspec = transmitter.element.find_property(name).unwrap();
        let pspec = pspec.downcast::<glib::ParamSpecUInt>().unwrap();
        (pspec.minimum(), pspec.maximum())
    };
    assert_eq!(range("components"), (1, 255));
    assert_eq!(range("tos"), (0, 255));
    assert_eq!(range("local-port"), (0, 65535));
}

#[test]
fn properties_read_back_what_was_set() {
    let element = &Transmitter::default().element;
    for (name, value) in [
        ("components", "7"),
        ("rtcp-mux", "true"),
        ("sending", "false"),
        ("tos", "184"),
        ("preferred-local-candidates", "127.0.0.1:5,nonsense"),
        ("socket-group", "x"),
        ("local-address", "y"),
        ("local-port", "65535"),
    ] {
        element.set_property_from_str(name, value);
        let text = element.property_value(name);
        let text = text.transform::<String>().unwrap();
        let text: String = text.get().unwrap();
        assert_eq!(text.to_lowercase(), value);
    }
    element.set_property("local-address", None::<String>);
    assert_eq!(element.property::<Option<String>>("local-address"), None);
}

#[test]
fn signals_have_the_types_of_the_contract() {
    let type_ = Transmitter::default().element.type_();
    let list: &[glib::Type] = &[glib::StrV::static_type()];
    for (name, parameters) in [
        ("gather-candidates", &[][..]),
        ("add-remote-candidates", list),
        ("force-remote-candidates", list),
    ] {
        let query = glib::subclass::SignalId::lookup(name, type_)
            .expect(name)
            .query();
        assert!(query.flags().contains(glib::SignalFlags::ACTION), "{name}");
        let types: Vec<glib::Type> = query.param_types().iter().map(|t| t.type_()).collect();
        assert_eq!(types, parameters, "{name}");
        assert_eq!(query.return_type().type_(), glib::Error::static_type());
    }
}

#[test]
fn pads_are_requested_by_component() {
    let transmitter = Transmitter::default();
    let element = &transmitter.element;
    for template in element.pad_template_list() {
        assert_eq!(template.presence(), gst::PadPresence::Request);
        assert!(template.caps().is_any());
    }
    let request = |name: &str| {
        let pad = element.request_pad_simple(name)?;
        Some(pad.name().to_string())
    };
    for (name, got) in [
        ("sink_2", Some("sink_2")),
        ("sink_%u", Some("sink_1")),
        ("sink_%u", None),
        ("src_%u", Some("src_1")),
        ("src_%u", Some("src_2")),
        ("src_0", None),
        ("src_3", None),
    ] {
        assert_eq!(request(name).as_deref(), got, "{name}");
    }
    element.set_property("rtcp-mux", true);
    element.release_request_pad(&element.static_pad("sink_2").unwrap());
    assert_eq!(element.static_pad("sink_2"), None);
    assert_eq!(request("sink_2"), None, "RTCP is on component 1");
    element.release_request_pad(&element.static_pad("src_1").unwrap());
    assert_eq!(request("src_1").as_deref(), Some("src_1"));
}

#[test]
fn it_is_live() {
    let transmitter = Transmitter::default();
    let element = &transmitter.element;
    use gst::State::{Paused, Playing};
    let no_preroll = Ok(gst::StateChangeSuccess::NoPreroll);
    assert_eq!(element.set_state(Paused), no_preroll);
    let success = Ok(gst::StateChangeSuccess::Success);
    assert_eq!(element.set_state(Playing), success);
    assert_eq!(element.set_state(Paused), no_preroll);
    let src = element.request_pad_simple("src_1").unwrap();
    let mut pad_query = gst::query::Latency::new();
    assert!(src.query(&mut pad_query));
    let mut element_query = gst::query::Latency::new();
    assert!(element.query(&mut element_query));
    for query in [pad_query, element_query] {
        assert_eq!(query.result(), (true, gst::ClockTime::ZERO, None));
    }
}

#[test]
fn null_and_odd_arguments_are_refused_and_an_empty_list_is_not() {
    let transmitter = Transmitter::default();
    let element = &transmitter.element;
    for signal in ["add-remote-candidates", "force-remote-candidates"] {
        let emit = |list: glib::Value| nothing(element.emit_by_name(signal, &[&list]));
        let null = glib::Value::from_type(glib::StrV::static_type());
        let error = emit(null).unwrap_err();
        assert!(error.matches(ErrorCode::InvalidArguments), "{error}");
        assert!(error.message().contains("null"), "{error}");
        emit(glib::StrV::new().to_value()).unwrap();
        for odd in ["", "NULL", ") NULL", "candidate:", "\u{1F600}"] {
            let error = emit(glib::StrV::from([odd]).to_value()).unwrap_err();
            assert!(error.matches(ErrorCode::InvalidArguments), "{error}");
            assert!(error.message().contains("candidate 1"), "{error}");
        }
    }
}

#[test]
fn properties_that_decide_about_sockets_stay_once_there_are_some() {
    let transmitter = Transmitter::on(common::own_ip(), 5000);
    let element = &transmitter.element;
    transmitter.messages();
    for (name, value) in [
        ("components", "1"),
        ("rtcp-mux", "true"),
        ("preferred-local-candidates", "127.0.0.1:5"),
        ("socket-group", "x"),
        ("local-address", "127.0.0.1"),
        ("local-port", "7"),
    ] {
        let text = |element: &gst::Element| format!("{:?}", element.property_value(name));
        let before = text(element);
        element.set_property_from_str(name, value);
        assert_eq!(text(element), before);
        let messages = transmitter.messages();
        let [message] = messages.as_slice() else {
            panic!("{messages:?}")
        };
        assert_eq!(message.name(), "error");
        let error = message.get::<glib::Error>("error").unwrap();
        assert!(error.matches(ErrorCode::InvalidArguments), "{error}");
        assert!(error.message().contains(name), "{error}");
    }
    element.set_property("tos", 8u32);
    element.set_property("sending", false);
    transmitter.assert_no_messages();
}
