// SPDX-License-Identifier: MPL-2.0
//! Whether received pictures are those that were sent.
//!
//! For every received frame the sent one is found that it shows, by the number it
//! carries (see [`media`](crate::media)) or by its content; then follow order, gaps
//! and the quality against that very frame.

mod matching;

use std::fmt;
use std::io::{self, Error};
use std::path::Path;

use matching::{Sent, Sketch, rate};

use super::order::longest_chain;
use super::{Failures, Frame, median, psnr, read_video, share, ssim};

/// The quality is measured on at most so many frames, and so many pixels.
const MEASURED: usize = 150;
const MEASURED_PIXELS: usize = 40_000_000;

/// What was measured. Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VideoReport {
    /// Frames sent.
    pub sent: usize,
    /// Frames received.
    pub received: usize,
    /// Frames per second sent.
    pub sent_rate: f64,
    /// Frames per second received.
    pub received_rate: f64,
    /// Whether the frames were told apart by their numbers.
    pub numbered: bool,
    /// Received frames that show nothing that was sent.
    pub foreign: usize,
    /// Received frames that show something older than what had been shown before.
    pub out_of_order: usize,
    /// Different frames received, in order.
    pub distinct: usize,
    /// Share of the frames sent that were received, between the first and the last
    /// of these.
    pub coverage: f64,
    /// Time sent before the first and after the last frame received.
    pub missing_start: f64,
    /// See `missing_start`.
    pub missing_end: f64,
    /// Longest time without a new frame.
    pub longest_freeze: f64,
    /// When what was sent at 0 is shown in the received file.
    pub lag: f64,
    /// Median peak signal to noise ratio of the luma, in dB.
    pub psnr: f64,
    /// The same for the worst twentieth of the frames.
    pub worst_psnr: f64,
    /// Median peak signal to noise ratio of the colours, in dB.
    pub chroma_psnr: f64,
    /// Median structural similarity of the luma.
    pub ssim: f64,
}

/// What a report must have.
#[derive(Clone, Copy, Debug)]
pub struct VideoThresholds {
    /// Most [`VideoReport::foreign`], as a share of the frames received.
    pub foreign: f64,
    /// Most [`VideoReport::out_of_order`], as a share of the frames received.
    pub out_of_order: f64,
    /// Least [`VideoReport::coverage`].
    pub coverage: f64,
    /// Most [`VideoReport::missing_start`].
    pub missing_start: f64,
    /// Most [`VideoReport::missing_end`].
    pub missing_end: f64,
    /// Most [`VideoReport::longest_freeze`].
    pub longest_freeze: f64,
    /// Least [`VideoReport::psnr`].
    pub psnr: f64,
    /// Least [`VideoReport::worst_psnr`].
    pub worst_psnr: f64,
    /// Least [`VideoReport::chroma_psnr`].
    pub chroma_psnr: f64,
    /// Least [`VideoReport::ssim`].
    pub ssim: f64,
}

impl Default for VideoThresholds {
    /// For calls whose first second may be lost, and any film at the low bit rates of
    /// calls.
    fn default() -> Self {
        Self {
            foreign: 0.0,
            out_of_order: 0.02,
            coverage: 0.8,
            missing_start: 2.0,
            missing_end: 0.75,
            longest_freeze: 0.75,
            psnr: 24.0,
            worst_psnr: 20.0,
            chroma_psnr: 26.0,
            ssim: 0.6,
        }
    }
}

impl VideoThresholds {
    /// For the picture that [`media`](crate::media) makes, which codecs find easy at
    /// the bit rates of calls.
    pub fn strict() -> Self {
        Self {
            coverage: 0.9,
            longest_freeze: 0.5,
            psnr: 36.0,
            worst_psnr: 30.0,
            chroma_psnr: 36.0,
            ssim: 0.95,
            ..Self::default()
        }
    }
}

/// Compares two files.
///
/// # Errors
///
/// If one cannot be read, or the first has no pictures. GStreamer must be
/// initialised.
pub fn compare_files(sent_path: &Path, received_path: &Path) -> io::Result<VideoReport> {
    let size = |path: &Path| -> io::Result<Option<(usize, usize)>> {
        let first = read_video(path, None)?.next().transpose()?;
        Ok(first.map(|frame| (frame.width, frame.height)))
    };
    let empty = || {
        Error::other(format!(
            "{}: there are no pictures in it",
            sent_path.display()
        ))
    };
    let sent_size = size(sent_path)?.ok_or_else(empty)?;
    // At the smaller size, so that a picture is not blamed for being scaled down.
    let size = match size(received_path)? {
        Some(received) if received.0 * received.1 < sent_size.0 * sent_size.1 => received,
        _ => sent_size,
    };
    let sent = Sent::new(read_video(sent_path, Some(size))?)?;
    let received = read_video(received_path, Some(size))?
        .map(|frame| Ok(Sketch::new(&frame?)))
        .collect::<io::Result<Vec<_>>>()?;
    let found = sent.find_all(&received);
    let matches: Vec<_> = found
        .iter()
        .enumerate()
        .filter_map(|(index, found)| Some((index, (*found)?)))
        .collect();
    let places: Vec<_> = matches.iter().map(|(_, place)| *place as i64).collect();
    let chain: Vec<_> = longest_chain(&places, true)
        .into_iter()
        .map(|index| matches[index])
        .collect();
    let mut report = order(&sent, &received, &chain);
    report.foreign = received.len() - matches.len();
    report.out_of_order = matches.len() - chain.len();
    let measured = MEASURED.min(MEASURED_PIXELS / (size.0 * size.1)).max(10);
    let step = chain.len().div_ceil(measured).max(1);
    let measured: Vec<_> = chain.into_iter().step_by(step).collect();
    quality(
        &mut report,
        &measured,
        read_video(sent_path, Some(size))?,
        read_video(received_path, Some(size))?,
    )?;
    Ok(report)
}

/// Compares two files and prints the figures.
///
/// # Panics
///
/// If the files cannot be compared, or are not the same by `least`.
#[track_caller]
pub fn assert_same(sent: &Path, received: &Path, least: &VideoThresholds) -> VideoReport {
    let report = match compare_files(sent, received) {
        Ok(report) => report,
        Err(error) => panic!("{error}"),
    };
    println!("{}: {report}", received.display());
    if let Err(failures) = report.verdict(least) {
        panic!("{}: {failures}", received.display());
    }
    report
}

/// The figures that follow from which received frames show which sent ones.
fn order(sent: &Sent, received: &[Sketch], chain: &[(usize, usize)]) -> VideoReport {
    let mut report = VideoReport {
        sent: sent.frames.len(),
        received: received.len(),
        sent_rate: sent.rate,
        received_rate: rate(received),
        numbered: sent.is_numbered(),
        ..VideoReport::default()
    };
    let seconds = |frame: &Sketch| frame.time.as_secs_f64();
    let end = |frames: &[Sketch]| frames.last().map_or(0.0, seconds);
    let start = sent.frames.first().map_or(0.0, seconds);
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        report.missing_start = end(&sent.frames) - start;
        report.missing_end = report.missing_start;
        return report;
    };
    let mut newest = *first;
    report.distinct = 1;
    for (index, place) in chain {
        let since = seconds(&received[*index]) - seconds(&received[newest.0]);
        report.longest_freeze = report.longest_freeze.max(since);
        if *place != newest.1 {
            report.distinct += 1;
            newest = (*index, *place);
        }
    }
    let after = end(received) - seconds(&received[newest.0]);
    report.longest_freeze = report.longest_freeze.max(after);
    report.coverage = share(report.distinct, last.1 - first.1 + 1);
    report.missing_start = seconds(&sent.frames[first.1]) - start;
    report.missing_end = end(&sent.frames) - seconds(&sent.frames[last.1]);
    report.lag = median(chain.iter().map(|(index, place)| {
        seconds(&received[*index]) - (seconds(&sent.frames[*place]) - start)
    }));
    report
}

/// The figures that follow from the pictures themselves. `pairs` are indices of
/// received and sent frames, both ascending.
fn quality(
    report: &mut VideoReport,
    pairs: &[(usize, usize)],
    mut sent: impl Iterator<Item = io::Result<Frame>>,
    mut received: impl Iterator<Item = io::Result<Frame>>,
) -> io::Result<()> {
    let mut current: Option<(usize, Frame)> = None;
    let mut received_at = 0;
    let (mut luma, mut chroma, mut structure) = (Vec::new(), Vec::new(), Vec::new());
    for (index, place) in pairs {
        let skip = match &current {
            Some((at, _)) if at == place => None,
            Some((at, _)) => Some(place - at - 1),
            None => Some(*place),
        };
        if let Some(skip) = skip {
            current = sent.nth(skip).transpose()?.map(|frame| (*place, frame));
        }
        let other = received.nth(index - received_at).transpose()?;
        received_at = index + 1;
        let (Some((_, frame)), Some(other)) = (&current, other) else {
            return Err(Error::other("a file has fewer pictures when read again"));
        };
        luma.push(psnr(&frame.luma, &other.luma));
        chroma.push(psnr(&frame.chroma, &other.chroma));
        structure.push(ssim(&frame.luma, &other.luma, frame.width));
    }
    report.psnr = median(luma.iter().copied());
    report.chroma_psnr = median(chroma);
    report.ssim = median(structure);
    luma.sort_by(f64::total_cmp);
    report.worst_psnr = luma.get(luma.len() / 20).copied().unwrap_or_default();
    Ok(())
}

impl VideoReport {
    /// Whether what was received is what was sent.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn verdict(&self, least: &VideoThresholds) -> Result<(), Failures> {
        let mut failures = Failures::default();
        if self.distinct == 0 {
            failures.unless(false, || {
                format!("none of the {} pictures received was sent", self.received)
            });
            return failures.into_result();
        }
        let part = |count| share(count, self.received);
        let mut at_most = |what: &str, is: f64, most: f64, unit: &str| {
            failures.unless(is <= most, || {
                format!("{what} is {is:.2}{unit}, expected at most {most:.2}{unit}")
            });
        };
        at_most(
            "the share of foreign pictures",
            part(self.foreign),
            least.foreign,
            "",
        );
        let out_of_order = part(self.out_of_order);
        at_most(
            "the share of pictures out of order",
            out_of_order,
            least.out_of_order,
            "",
        );
        at_most(
            "what is missing at the start",
            self.missing_start,
            least.missing_start,
            " s",
        );
        at_most(
            "what is missing at the end",
            self.missing_end,
            least.missing_end,
            " s",
        );
        at_most(
            "the longest freeze",
            self.longest_freeze,
            least.longest_freeze,
            " s",
        );
        let mut at_least = |what: &str, is: f64, least: f64, unit: &str| {
            failures.unless(is >= least, || {
                format!("{what} is {is:.2}{unit}, expected at least {least:.2}{unit}")
            });
        };
        at_least(
            "the share of the pictures that arrived",
            self.coverage,
            least.coverage,
            "",
        );
        at_least("the PSNR", self.psnr, least.psnr, " dB");
        at_least(
            "the PSNR of the worst pictures",
            self.worst_psnr,
            least.worst_psnr,
            " dB",
        );
        at_least(
            "the PSNR of the colours",
            self.chroma_psnr,
            least.chroma_psnr,
            " dB",
        );
        at_least("the SSIM", self.ssim, least.ssim, "");
        failures.into_result()
    }
}

impl fmt::Display for VideoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.numbered { "number" } else { "content" };
        write!(
            f,
            "{} frames sent at {:.1}/s, {} received at {:.1}/s (told by {how}), {} different, \
             {:.0}% of those between, {} foreign, {} out of order, missing {:.2} s at the start, \
             {:.2} s at the end, longest freeze {:.2} s, lag {:+.3} s, PSNR {:.1} dB (worst {:.1}, \
             colours {:.1}), SSIM {:.3}",
            self.sent,
            self.sent_rate,
            self.received,
            self.received_rate,
            self.distinct,
            100.0 * self.coverage,
            self.foreign,
            self.out_of_order,
            self.missing_start,
            self.missing_end,
            self.longest_freeze,
            self.lag,
            self.psnr,
            self.worst_psnr,
            self.chroma_psnr,
            self.ssim
        )
    }
}

#[cfg(test)]
mod tests;
