// SPDX-License-Identifier: MPL-2.0
//! Action signals: how the methods of the contract are called from any language.
//!
//! A panic in a signal handler would abort the host program, so arguments are taken out
//! with [`Args`], which turns anything odd into an error.

use farstream::{Error, Result};
use glib::prelude::*;
use glib::subclass::Signal;
use glib::subclass::signal::SignalType;

/// The arguments of a signal, the object first.
#[derive(Clone, Copy)]
pub struct Args<'a>(&'a [glib::Value]);

impl Args<'_> {
    fn get<'b, T: glib::value::FromValue<'b>>(&'b self, index: usize) -> Option<T> {
        self.0.get(index + 1)?.get::<T>().ok()
    }

    /// Argument `index` as caps; `None` if null.
    pub fn caps(&self, index: usize) -> Option<gst::Caps> {
        self.get::<Option<gst::Caps>>(index).flatten()
    }

    /// Argument `index` as caps that must not be null.
    pub fn required_caps(&self, index: usize) -> Result<gst::Caps> {
        self.caps(index)
            .ok_or_else(|| Error::invalid("expected caps, got null"))
    }

    /// Argument `index` as a structure; `None` if null.
    pub fn structure(&self, index: usize) -> Option<gst::Structure> {
        self.get::<Option<gst::Structure>>(index).flatten()
    }

    /// Argument `index` as text; empty if null.
    pub fn text(&self, index: usize) -> String {
        self.get::<Option<String>>(index)
            .flatten()
            .unwrap_or_default()
    }

    /// Argument `index` as a list of texts; empty if null.
    pub fn texts(&self, index: usize) -> Vec<String> {
        let list = self
            .0
            .get(index + 1)
            .and_then(|value| value.get::<glib::StrV>().ok());
        list.iter()
            .flat_map(|list| list.iter().map(ToString::to_string))
            .collect()
    }

    /// Argument `index` as a number.
    pub fn uint(&self, index: usize) -> u32 {
        self.get(index).unwrap_or_default()
    }

    /// Argument `index` as an object of this class.
    pub fn object<T: IsA<glib::Object>>(&self, index: usize) -> Option<T> {
        self.get::<Option<glib::Object>>(index)
            .flatten()?
            .downcast()
            .ok()
    }
}

/// An action signal that returns a value.
pub fn action<T, R>(
    name: &str,
    params: impl IntoIterator<Item = glib::Type>,
    handler: impl Fn(&T, Args<'_>) -> R + Send + Sync + 'static,
) -> Signal
where
    T: IsA<glib::Object>,
    R: ToValue + StaticType + Default,
{
    Signal::builder(name)
        .action()
        .run_last()
        .param_types(params.into_iter().map(SignalType::from))
        .return_type::<R>()
        .class_handler(move |values| {
            let object = values.first().and_then(|v| v.get::<T>().ok());
            let result = object.map(|object| handler(&object, Args(values)));
            Some(result.unwrap_or_default().to_value())
        })
        .build()
}

/// An action signal that returns null, or the `GError` that says why not.
pub fn fallible<T: IsA<glib::Object>>(
    name: &str,
    params: impl IntoIterator<Item = glib::Type>,
    handler: impl Fn(&T, Args<'_>) -> Result<()> + Send + Sync + 'static,
) -> Signal {
    action(name, params, move |object: &T, args| {
        handler(object, args).err().map(glib::Error::from)
    })
}

/// An action signal without result.
pub fn procedure<T: IsA<glib::Object>>(
    name: &str,
    handler: impl Fn(&T) + Send + Sync + 'static,
) -> Signal {
    Signal::builder(name)
        .action()
        .run_last()
        .class_handler(move |values| {
            if let Some(object) = values.first().and_then(|v| v.get::<T>().ok()) {
                handler(&object);
            }
            None
        })
        .build()
}
