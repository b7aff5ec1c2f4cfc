// SPDX-License-Identifier: MPL-2.0
//! Finding, making and calling transmitters by their contract alone (elements with the
//! metadata key `fs-transmitter`), since they live in other plugins.

use farstream::{Error, ErrorCode, Result};
use gst::prelude::*;

use super::Settings;

const METADATA_KEY: &str = "fs-transmitter";
const KLASS: &str = "Generic/Bin/Network/Transmitter";

/// Properties that belong to the conference and cannot be given from outside.
const OURS: [&str; 5] = ["name", "parent", "components", "sending", "socket-group"];

fn factories() -> impl Iterator<Item = (String, gst::ElementFactory)> {
    gst::Registry::get()
        .features(gst::ElementFactory::static_type())
        .into_iter()
        .filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok())
        .filter(|factory| factory.metadata(gst::ELEMENT_METADATA_KLASS) == Some(KLASS))
        .filter_map(|factory| Some((factory.metadata(METADATA_KEY)?.to_owned(), factory)))
}

/// The short names of all transmitters installed, sorted.
pub fn names() -> Vec<String> {
    let mut names: Vec<_> = factories().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names
}

/// The element factory of a transmitter.
pub fn factory(name: &str) -> Result<gst::ElementFactory> {
    factories()
        .find(|(other, _)| other == name)
        .map(|(_, factory)| factory)
        .ok_or_else(|| {
            Error::new(
                ErrorCode::Construction,
                format!(
                    "expected the name of an installed transmitter ({}), got {name:?}",
                    names().join(", ")
                ),
            )
        })
}

/// Makes a transmitter and sets its properties.
pub(super) fn create(settings: &Settings<'_>) -> Result<gst::Element> {
    let element = factory(settings.transmitter)?
        .create()
        .name(settings.name)
        .build()
        .map_err(|error| Error::new(ErrorCode::Construction, error.message.to_string()))?;
    check_contract(&element)?;
    element.set_property("components", 2u32);
    element.set_property("sending", settings.sending);
    element.set_property("tos", settings.tos);
    if element.has_property_with_type("socket-group", String::static_type()) {
        element.set_property("socket-group", settings.socket_group);
    }
    for (name, value) in settings.properties.into_iter().flat_map(|s| s.iter()) {
        set_property(&element, name, value)?;
    }
    Ok(element)
}

/// A transmitter that lacks something would panic later; so look first.
fn check_contract(element: &gst::Element) -> Result<()> {
    let uint = u32::static_type();
    let missing_property = [
        ("components", uint),
        ("sending", bool::static_type()),
        ("tos", uint),
    ]
    .into_iter()
    .find(|(name, type_)| !element.has_property_with_type(name, *type_))
    .map(|(name, _)| format!("property {name}"));
    let missing_signal = [
        "gather-candidates",
        "add-remote-candidates",
        "force-remote-candidates",
    ]
    .into_iter()
    .find(|name| glib::subclass::SignalId::lookup(name, element.type_()).is_none())
    .map(|name| format!("signal {name}"));
    match missing_property.or(missing_signal) {
        None => Ok(()),
        Some(missing) => Err(Error::new(
            ErrorCode::Construction,
            format!(
                "{} says it is a transmitter, but has no {missing}; see the transmitter contract",
                element.type_()
            ),
        )),
    }
}

/// Calls an action signal of the contract.
pub(super) fn call(element: &gst::Element, signal: &str, args: &[glib::Value]) -> Result<()> {
    let answer = element
        .emit_by_name_with_values(signal, args)
        .and_then(|value| value.get::<Option<glib::Error>>().ok().flatten());
    match answer {
        None => Ok(()),
        Some(error) => {
            let code = error
                .kind::<ErrorCode>()
                .unwrap_or(ErrorCode::ConnectionFailed);
            Err(Error::new(code, error.message()))
        }
    }
}

/// Sets a property given from outside: it must exist and the value must fit.
fn set_property(element: &gst::Element, name: &str, value: &glib::SendValue) -> Result<()> {
    let pspec = element
        .find_property(name)
        .filter(|pspec| {
            pspec.flags().contains(glib::ParamFlags::WRITABLE) && !OURS.contains(&pspec.name())
        })
        .ok_or_else(|| unknown_property(element, name))?;
    let converted = convert(value, &pspec).ok_or_else(|| {
        Error::invalid(format!(
            "transmitter property {name}: expected {}, got {} of type {}",
            pspec.value_type(),
            value
                .serialize()
                .map_or_else(|_| "a value".into(), |text| text.to_string()),
            value.type_()
        ))
    })?;
    element.set_property_from_value(name, &converted);
    Ok(())
}

fn unknown_property(element: &gst::Element, name: &str) -> Error {
    let mut known: Vec<_> = element
        .list_properties()
        .iter()
        .filter(|pspec| {
            pspec.flags().contains(glib::ParamFlags::WRITABLE) && !OURS.contains(&pspec.name())
        })
        .map(|pspec| pspec.name().to_owned())
        .collect();
    known.sort();
    Error::invalid(format!(
        "expected a property of the transmitter ({}), got {name:?}",
        known.join(", ")
    ))
}

/// The value as the property wants it, if nothing is lost: gst-launch reads every number
/// as int and cannot tell text from anything else.
fn convert(value: &glib::Value, pspec: &glib::ParamSpec) -> Option<glib::Value> {
    let wanted = pspec.value_type();
    let converted = if value.type_().is_a(wanted) {
        value.clone()
    } else if let Ok(text) = value.get::<&str>() {
        glib::Value::deserialize_with_pspec(text, pspec).ok()?
    } else {
        let text = value.serialize().ok()?;
        if text.starts_with('-') && (wanted == u32::static_type() || wanted == u64::static_type()) {
            return None;
        }
        glib::Value::deserialize_with_pspec(&text, pspec).ok()?
    };
    is_in_range(&converted, pspec).then_some(converted)
}

/// GObject would silently cut a number to its range.
fn is_in_range(value: &glib::Value, pspec: &glib::ParamSpec) -> bool {
    if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecUInt>() {
        value
            .get::<u32>()
            .is_ok_and(|n| (spec.minimum()..=spec.maximum()).contains(&n))
    } else if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecInt>() {
        value
            .get::<i32>()
            .is_ok_and(|n| (spec.minimum()..=spec.maximum()).contains(&n))
    } else {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> glib::ParamSpec {
        glib::ParamSpecUInt::builder("port").maximum(65535).build()
    }

    #[test]
    fn numbers_convert_where_nothing_is_lost() {
        gst::init().unwrap();
        let get =
            |v: &dyn ToValue| convert(&v.to_value(), &port()).map(|v| v.get::<u32>().unwrap());
        assert_eq!(get(&5000i32), Some(5000));
        assert_eq!(get(&5000u32), Some(5000));
        assert_eq!(get(&"5000"), Some(5000));
        assert_eq!(get(&-1i32), None);
        assert_eq!(get(&70000i32), None);
        assert_eq!(get(&"x"), None);
        assert_eq!(get(&1.5f64), None);
    }

    #[test]
    fn text_stays_text() {
        gst::init().unwrap();
        let pspec = glib::ParamSpecString::builder("address").build();
        let value = convert(&"127.0.0.1".to_value(), &pspec).unwrap();
        assert_eq!(value.get::<&str>().unwrap(), "127.0.0.1");
        let value = convert(&7i32.to_value(), &pspec);
        assert_eq!(value.map(|v| v.get::<String>().unwrap()), Some("7".into()));
    }

    #[test]
    fn unknown_transmitters_are_refused_by_name() {
        gst::init().unwrap();
        let error = factory("carrier-pigeon").unwrap_err();
        assert_eq!(error.code(), ErrorCode::Construction);
        assert!(error.message().contains("carrier-pigeon"));
    }
}
