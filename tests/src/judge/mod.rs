// SPDX-License-Identifier: MPL-2.0
//! Compares what was sent with what was received, by content: any file that
//! GStreamer reads against any other.
//!
//! [`audio::compare`] and [`video::compare`] measure; the reports' `verdict` says
//! what is wrong with the figures.

pub mod audio;
mod correlate;
mod order;
mod quality;
mod read;
mod signal;
pub mod video;

use std::fmt;

pub use quality::{psnr, ssim};
pub use read::{AUDIO_RATE, Frame, Frames, read_audio, read_video};

/// Everything that is wrong, one sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(pub Vec<String>);

impl Failures {
    /// Adds a sentence unless `good`.
    fn unless(&mut self, good: bool, sentence: impl FnOnce() -> String) {
        if !good {
            self.0.push(sentence());
        }
    }

    /// An error if there is any.
    fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Failures {}

/// The middle one of some values, or 0 of none.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The part of a whole, or 0 of nothing.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
