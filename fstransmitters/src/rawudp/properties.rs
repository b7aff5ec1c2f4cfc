// SPDX-License-Identifier: MPL-2.0
//! The element's properties: what they are, and setting them without a panic whatever comes.

use std::path::PathBuf;
use std::sync::LazyLock;

use farstream::{COMPONENT_RTP, Error, Result};
use glib::{ParamSpec, ParamSpecBoolean, ParamSpecString, ParamSpecUInt, Value};
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::imp::RawUdpTransmitter;
use super::notices::Notice;
use super::state::Settings;

pub fn all() -> &'static [ParamSpec] {
    static ALL: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
        let default = Settings::default();
        vec![
            ParamSpecUInt::builder("components")
                .nick("Components")
                .blurb("Number of components: 1 is RTP, 2 is RTCP; set before gather-candidates")
                .minimum(1)
                .maximum(255)
                .default_value(default.components)
                .mutable_ready()
                .build(),
            ParamSpecBoolean::builder("rtcp-mux")
                .nick("RTCP multiplexing")
                .blurb(
                    "RTCP travels on component 1, so there is only that one; set before \
                     gather-candidates",
                )
                .default_value(default.rtcp_mux)
                .mutable_ready()
                .build(),
            ParamSpecBoolean::builder("sending")
                .nick("Sending")
                .blurb("Whether packets of component 1 are sent; other components always are")
                .default_value(default.sending)
                .mutable_playing()
                .build(),
            ParamSpecUInt::builder("tos")
                .nick("Type of service")
                .blurb("IP type of service (IPv6: traffic class) of all components")
                .minimum(0)
                .maximum(255)
                .default_value(default.tos.into())
                .mutable_playing()
                .build(),
            ParamSpecString::builder("preferred-local-candidates")
                .nick("Preferred local candidates")
                .blurb(
                    "Candidate lines (RFC 8839, or ip:port for component 1), separated by newlines \
                     or commas: local addresses to use, at most one for each component, port 0 is \
                     any; set before gather-candidates",
                )
                .mutable_ready()
                .build(),
            ParamSpecString::builder("local-address")
                .nick("Local address")
                .blurb(
                    "IP address of this machine to use, null is any IPv4 address; set before \
                     gather-candidates",
                )
                .mutable_ready()
                .build(),
            ParamSpecUInt::builder("local-port")
                .nick("Local port")
                .blurb(
                    "UDP port of component 1 to begin with, the others follow; 0 is any; set before \
                     gather-candidates",
                )
                .minimum(0)
                .maximum(65535)
                .default_value(default.local_port.into())
                .mutable_ready()
                .build(),
            ParamSpecString::builder("socket-group")
                .nick("Socket group")
                .blurb(
                    "Transmitters of one process with equal groups that ask for the same local \
                     port share its socket, null is none; set before gather-candidates",
                )
                .mutable_ready()
                .build(),
        ]
    });
    &ALL
}

pub fn get(settings: &Settings, pspec: &ParamSpec) -> Value {
    match pspec.name() {
        "components" => settings.components.to_value(),
        "rtcp-mux" => settings.rtcp_mux.to_value(),
        "sending" => settings.sending.to_value(),
        "tos" => u32::from(settings.tos).to_value(),
        "preferred-local-candidates" => settings.preferred_local_candidates.to_value(),
        "local-address" => settings.local_address.to_value(),
        "local-port" => u32::from(settings.local_port).to_value(),
        "socket-group" => settings.socket_group.to_value(),
        _ => pspec.default_value().clone(),
    }
}

/// Sets a property. A property cannot answer, so a refusal is said on the bus.
pub fn set(element: &RawUdpTransmitter, name: &str, value: &Value) {
    if let Err(error) = try_set(element, name, value) {
        gst::warning!(CAT, imp = element, "{name} stays as it was: {error}");
        element.say([Notice::Failed(error.within(name))]);
    }
}

fn try_set(element: &RawUdpTransmitter, name: &str, value: &Value) -> Result<()> {
    let mut state = element.state.lock();
    match name {
        "sending" => {
            let sending = get_as(value)?;
            let begins = sending && !state.settings.sending;
            state.settings.sending = sending;
            let has_remote = state.destination(COMPONENT_RTP).is_some();
            drop(state);
            if begins && has_remote {
                element.request_key_frame();
            }
        }
        "tos" => {
            state.settings.tos = small(value)?;
            state.apply_tos();
        }
        _ => {
            state.check_changeable()?;
            let settings = &mut state.settings;
            match name {
                "components" => settings.components = get_as(value)?,
                "rtcp-mux" => settings.rtcp_mux = get_as(value)?,
                "preferred-local-candidates" => {
                    settings.preferred_local_candidates = text(value)?;
                }
                "local-address" => settings.local_address = text(value)?,
                "local-port" => settings.local_port = small(value)?,
                "socket-group" => settings.socket_group = text(value)?,
                _ => return Err(Error::invalid("no such property")),
            }
        }
    }
    Ok(())
}

fn get_as<'a, T: glib::value::FromValue<'a>>(value: &'a Value) -> Result<T> {
    value
        .get()
        .map_err(|_| Error::invalid(format!("got a value of type {}", value.type_())))
}

fn small<T: TryFrom<u32>>(value: &Value) -> Result<T> {
    let number: u32 = get_as(value)?;
    number
        .try_into()
        .map_err(|_| Error::invalid(format!("{number} is too large")))
}

/// Text that may be null. It comes as a path, since the bindings end the process on text that is
/// not UTF-8.
fn text(value: &Value) -> Result<Option<String>> {
    let bytes: Option<PathBuf> = get_as(value)?;
    bytes
        .map(|bytes| bytes.into_os_string().into_string())
        .transpose()
        .map_err(|_| Error::invalid("expected text in UTF-8"))
}
