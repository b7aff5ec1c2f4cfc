// SPDX-License-Identifier: MPL-2.0
//! Making elements, getting at their pads, and stopping them, with errors that say what
//! is missing.

use farstream::{Error, Result};
use gst::prelude::*;

use crate::worker::Worker;

/// A new element.
pub fn make(factory: &str, name: &str) -> Result<gst::Element> {
    Ok(gst::ElementFactory::make(factory).name(name).build()?)
}

/// A pad that the element always has.
pub fn static_pad(element: &impl IsA<gst::Element>, name: &str) -> Result<gst::Pad> {
    element
        .static_pad(name)
        .ok_or_else(|| lacks(element.as_ref(), name))
}

/// A pad that the element gives on request.
pub fn request_pad(element: &gst::Element, name: &str) -> Result<gst::Pad> {
    element
        .request_pad_simple(name)
        .ok_or_else(|| lacks(element, name))
}

fn lacks(element: &gst::Element, name: &str) -> Error {
    Error::construction(format!("expected {} to have a pad {name}", element.name()))
}

/// Stops an element and takes it out of the conference. Waits for its streaming threads, so
/// it is not for them.
pub fn stop_and_remove(conference: &gst::Bin, element: &impl IsA<gst::Element>) {
    let element = element.as_ref();
    element.set_locked_state(true);
    let _ = element.set_state(gst::State::Null);
    let _ = conference.remove(element);
}

/// The same for a bin that nothing feeds any more, from any thread.
pub fn discard(bin: &gst::Bin, worker: &Worker) {
    bin.set_locked_state(true);
    let bin = bin.clone();
    worker.push(move || {
        if let Some(conference) = bin.parent().and_downcast::<gst::Bin>() {
            stop_and_remove(&conference, &bin);
        }
    });
}
