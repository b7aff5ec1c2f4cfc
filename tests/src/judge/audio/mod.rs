// SPDX-License-Identifier: MPL-2.0
//! Whether a received sound is the one that was sent.
//!
//! Every audible half second of what was sent is looked for in what was received,
//! by its wave and, for codecs that do not keep the wave, by its spectrum; and the
//! other way round, which shows what was never sent, or came twice.

use std::fmt;
use std::path::Path;

use super::correlate::{Searcher, lag};
use super::order::longest_chain;
use super::signal::{HOP, Signal, WAVE_RATE, rms};
use super::{Failures, median, read_audio, share};

/// Length of a piece that is looked for, and from one to the next.
const PIECE: usize = WAVE_RATE / 2;
const STEP: usize = WAVE_RATE / 4;
/// How far from where it is expected a piece is looked for at first.
const NEAR: i64 = WAVE_RATE as i64 * 6 / 10;
/// And then.
const FAR: i64 = WAVE_RATE as i64 * 30;
/// From this correlation of the wave on a piece counts as found.
const SAME_WAVE: f64 = 0.6;
/// From this likeness of the spectrum on a piece counts as found.
const SAME_SPECTRUM: f64 = 0.85;
/// How much later or earlier the second half of a piece may come: what a jitter
/// buffer puts in or takes out at once.
const SLIP: i64 = WAVE_RATE as i64 * 15 / 100;

/// What was measured. Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioReport {
    /// Duration of what was sent.
    pub sent: f64,
    /// Duration of what was received.
    pub received: f64,
    /// How many half seconds of what was sent are audible.
    pub pieces: usize,
    /// How many of what was received.
    pub received_pieces: usize,
    /// Share of the audible pieces sent that were found, in order.
    pub coverage: f64,
    /// Share of the audible pieces received that are of what was sent, in order.
    pub purity: f64,
    /// Pieces that were found, but not in order.
    pub out_of_order: usize,
    /// Pieces received that had been received before.
    pub repeated: usize,
    /// Audible time sent before the first and after the last piece found.
    pub missing_start: f64,
    /// See `missing_start`.
    pub missing_end: f64,
    /// Longest audible time without a piece found, between those two.
    pub longest_gap: f64,
    /// Where in the received file what was sent at 0 is; negative if its start is missing.
    pub lag: f64,
    /// By how much that varies: a jitter buffer that adapts, or a gap.
    pub lag_spread: f64,
    /// Median correlation of the wave, 150 to 3400 Hz, between the first and the last
    /// piece found.
    pub correlation: f64,
    /// Share of those pieces in which the wave is kept.
    pub wave_share: f64,
    /// Median likeness of the spectra of those pieces.
    pub likeness: f64,
    /// How much louder what was received is, in dB.
    pub gain: f64,
}

/// What a report must have.
#[derive(Clone, Copy, Debug)]
pub struct AudioThresholds {
    /// Least [`AudioReport::coverage`].
    pub coverage: f64,
    /// Least [`AudioReport::purity`].
    pub purity: f64,
    /// Most [`AudioReport::out_of_order`].
    pub out_of_order: usize,
    /// Most [`AudioReport::repeated`].
    pub repeated: usize,
    /// Most [`AudioReport::missing_start`].
    pub missing_start: f64,
    /// Most [`AudioReport::missing_end`].
    pub missing_end: f64,
    /// Most [`AudioReport::longest_gap`].
    pub longest_gap: f64,
    /// Most [`AudioReport::lag_spread`].
    pub lag_spread: f64,
    /// Least [`AudioReport::correlation`].
    pub correlation: f64,
    /// Least [`AudioReport::wave_share`].
    pub wave_share: f64,
    /// Least [`AudioReport::likeness`].
    pub likeness: f64,
    /// Most [`AudioReport::gain`], up or down.
    pub gain: f64,
}

impl Default for AudioThresholds {
    /// For codecs that keep the wave, and calls whose first second may be lost.
    fn default() -> Self {
        Self {
            coverage: 0.7,
            purity: 0.9,
            out_of_order: 1,
            repeated: 1,
            missing_start: 2.0,
            missing_end: 0.75,
            longest_gap: 0.5,
            lag_spread: 0.5,
            correlation: 0.8,
            wave_share: 0.9,
            likeness: 0.9,
            gain: 3.0,
        }
    }
}

impl AudioThresholds {
    /// For codecs that keep only the spectrum.
    pub fn spectral() -> Self {
        Self {
            correlation: 0.0,
            wave_share: 0.0,
            ..Self::default()
        }
    }
}

/// Compares two files.
///
/// # Errors
///
/// If one cannot be read, or nothing audible was sent. GStreamer must be initialised.
pub fn compare_files(sent: &Path, received: &Path) -> std::io::Result<AudioReport> {
    let report = compare(&read_audio(sent)?, &read_audio(received)?);
    if report.pieces == 0 {
        let text = format!("{}: there is nothing to hear in it", sent.display());
        return Err(std::io::Error::other(text));
    }
    Ok(report)
}

/// Compares two files and prints the figures.
///
/// # Panics
///
/// If the files cannot be compared, or are not the same by `least`.
#[track_caller]
pub fn assert_same(sent: &Path, received: &Path, least: &AudioThresholds) -> AudioReport {
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

/// Compares two mono sounds at [`AUDIO_RATE`](super::AUDIO_RATE).
pub fn compare(sent: &[f32], received: &[f32]) -> AudioReport {
    let (a, b) = (Signal::new(sent), Signal::new(received));
    let there = locate(&a, &b);
    let back = locate(&b, &a);
    let chain = in_order(&there);
    let back_chain = in_order(&back);
    let between = match (chain.first(), chain.last()) {
        (Some(first), Some(last)) => &there[*first..=*last],
        _ => &there[..],
    };
    let seconds = |samples: f64| samples / WAVE_RATE as f64;
    let mut lags: Vec<_> = chain.iter().map(|i| there[*i].lag() as f64).collect();
    lags.sort_by(f64::total_cmp);
    let found = there.iter().filter(|piece| piece.is_found()).count();
    let time = |pieces: usize| seconds((pieces * STEP) as f64);
    let gaps = chain.windows(2).map(|pair| pair[1] - pair[0] - 1);
    AudioReport {
        sent: seconds(a.wave.len() as f64),
        received: seconds(b.wave.len() as f64),
        pieces: there.len(),
        received_pieces: back.len(),
        coverage: share(chain.len(), there.len()),
        purity: share(back_chain.len(), back.len()),
        out_of_order: found - chain.len(),
        repeated: repeated(&back),
        missing_start: time(chain.first().copied().unwrap_or(there.len())),
        missing_end: time(
            chain
                .last()
                .map_or(there.len(), |last| there.len() - 1 - last),
        ),
        longest_gap: time(gaps.max().unwrap_or_default()),
        lag: seconds(median(lags.iter().copied())),
        lag_spread: match lags[..] {
            [first, .., last] => seconds(last - first),
            _ => 0.0,
        },
        correlation: median(between.iter().map(|piece| piece.wave)),
        wave_share: share(
            between.iter().filter(|p| p.wave >= SAME_WAVE).count(),
            between.len(),
        ),
        likeness: median(between.iter().map(|piece| piece.likeness)),
        gain: median(chain.iter().map(|i| gain(&a, &b, &there[*i]))),
    }
}

/// Where a piece of one sound was found in another.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: i64,
    place: i64,
    wave: f64,
    likeness: f64,
}

impl Piece {
    fn is_found(&self) -> bool {
        self.wave >= SAME_WAVE || self.likeness >= SAME_SPECTRUM
    }

    fn lag(&self) -> i64 {
        self.place - self.start
    }
}

/// Looks for every audible piece of `a` in `b`.
fn locate(a: &Signal, b: &Signal) -> Vec<Piece> {
    let searcher = Searcher::new(&b.wave, PIECE);
    let mut expected = lag(&a.wave, &b.wave);
    let mut pieces = Vec::new();
    for start in (0..a.wave.len().saturating_sub(PIECE)).step_by(STEP) {
        if !a.is_audible(start, PIECE) {
            continue;
        }
        let around = start as i64 + expected;
        let mut piece = best_place(a, b, &searcher, start, around, NEAR);
        if !piece.is_found() {
            let far = best_place(a, b, &searcher, start, around, FAR);
            if far.is_found() {
                piece = far;
            }
        }
        if piece.is_found() {
            expected = piece.lag();
        }
        pieces.push(piece);
    }
    pieces
}

/// The best place of a piece within `reach` of `around`: where its wave fits, or
/// else its spectrum.
fn best_place(
    a: &Signal,
    b: &Signal,
    searcher: &Searcher<'_>,
    start: usize,
    around: i64,
    reach: i64,
) -> Piece {
    let range = around - reach..around + reach + 1;
    let likeness = |place: i64| {
        let place = usize::try_from(place).ok()?;
        a.likeness(start, b, place, PIECE)
    };
    let (place, wave) = searcher
        .find(&a.wave[start..start + PIECE], range.clone())
        .unwrap_or_default();
    let by_wave = Piece {
        start: start as i64,
        place,
        wave,
        likeness: likeness(place).unwrap_or_default(),
    };
    if wave >= SAME_WAVE {
        return by_wave;
    }
    if let Some(piece) = by_halves(a, searcher, by_wave, around) {
        return piece;
    }
    let last = b.wave.len().saturating_sub(PIECE) as i64;
    let by_spectrum = (range.start.max(0)..range.end.min(last))
        .step_by(HOP)
        .filter_map(|place| Some((place, likeness(place)?)))
        .max_by(|x, y| x.1.total_cmp(&y.1));
    match by_spectrum {
        Some((place, likeness)) if likeness > by_wave.likeness => Piece {
            place,
            likeness,
            ..by_wave
        },
        _ => by_wave,
    }
}

/// The place of a piece into which something was put, or out of which something was
/// taken, with the poorer correlation of both halves.
fn by_halves(a: &Signal, searcher: &Searcher<'_>, piece: Piece, around: i64) -> Option<Piece> {
    let start = usize::try_from(piece.start).ok()?;
    let (first, second) = a.wave[start..start + PIECE].split_at(PIECE / 2);
    let (place, wave) = searcher.find(first, around - SLIP..around + SLIP)?;
    let expected = place + first.len() as i64;
    let (_, other_wave) = searcher.find(second, expected - SLIP..expected + SLIP)?;
    let wave = wave.min(other_wave);
    (wave >= SAME_WAVE).then_some(Piece {
        place,
        wave,
        ..piece
    })
}

/// The indices of the pieces found whose places ascend.
fn in_order(pieces: &[Piece]) -> Vec<usize> {
    let found: Vec<_> = (0..pieces.len())
        .filter(|index| pieces[*index].is_found())
        .collect();
    let places: Vec<_> = found.iter().map(|index| pieces[*index].place).collect();
    let chain = longest_chain(&places, false);
    chain.into_iter().map(|index| found[index]).collect()
}

/// How many pieces come from a place that came before.
fn repeated(pieces: &[Piece]) -> usize {
    let mut latest = i64::MIN;
    let mut count = 0;
    for piece in pieces.iter().filter(|piece| piece.is_found()) {
        // Expected is one step further.
        if piece.place < latest {
            count += 1;
        }
        latest = latest.max(piece.place);
    }
    count
}

fn gain(a: &Signal, b: &Signal, piece: &Piece) -> f64 {
    let level = |signal: &Signal, start: i64| {
        let start = usize::try_from(start).unwrap_or_default();
        let piece = signal.wave.get(start..start + PIECE);
        piece.map_or(f64::MIN_POSITIVE, rms)
    };
    20.0 * (level(b, piece.place) / level(a, piece.start)).log10()
}

impl AudioReport {
    /// Whether what was received is what was sent.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn verdict(&self, least: &AudioThresholds) -> Result<(), Failures> {
        let mut failures = Failures::default();
        if self.received_pieces == 0 {
            failures.unless(false, || {
                format!("the {:.1} s received are silent", self.received)
            });
            return failures.into_result();
        }
        let mut at_least = |what: &str, is: f64, least: f64| {
            failures.unless(is >= least, || {
                format!("{what} is {is:.2}, expected at least {least:.2}")
            });
        };
        at_least(
            "the share of the sound that arrived",
            self.coverage,
            least.coverage,
        );
        at_least(
            "the share of the sound received that was sent",
            self.purity,
            least.purity,
        );
        at_least(
            "the correlation of the wave",
            self.correlation,
            least.correlation,
        );
        at_least(
            "the share of it that keeps the wave",
            self.wave_share,
            least.wave_share,
        );
        at_least(
            "the likeness of the spectrum",
            self.likeness,
            least.likeness,
        );
        let mut count = |what: &str, is: usize, most: usize| {
            failures.unless(is <= most, || {
                format!("{is} half seconds {what}, expected at most {most}")
            });
        };
        count("are out of order", self.out_of_order, least.out_of_order);
        count("came more than once", self.repeated, least.repeated);
        let mut at_most = |what: &str, is: f64, most: f64| {
            failures.unless(is <= most, || {
                format!("{what} is {is:.2} s, expected at most {most:.2} s")
            });
        };
        at_most(
            "the sound missing at the start",
            self.missing_start,
            least.missing_start,
        );
        at_most(
            "the sound missing at the end",
            self.missing_end,
            least.missing_end,
        );
        at_most("the longest gap", self.longest_gap, least.longest_gap);
        at_most("the change of the delay", self.lag_spread, least.lag_spread);
        failures.unless(self.gain.abs() <= least.gain, || {
            format!(
                "the volume changed by {:+.1} dB, expected at most {:.1} dB",
                self.gain, least.gain
            )
        });
        failures.into_result()
    }
}

impl fmt::Display for AudioReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} s sent, {:.1} s received, {:.0}% arrived, {:.0}% of it pure, \
             {} out of order, {} repeated, missing {:.2} s at the start, {:.2} s at the end, \
             {:.2} s at most between, lag {:+.3} s ± {:.3}, wave {:.3} (kept in {:.0}%), \
             spectrum {:.3}, gain {:+.1} dB",
            self.sent,
            self.received,
            100.0 * self.coverage,
            100.0 * self.purity,
            self.out_of_order,
            self.repeated,
            self.missing_start,
            self.missing_end,
            self.longest_gap,
            self.lag,
            self.lag_spread / 2.0,
            self.correlation,
            100.0 * self.wave_share,
            self.likeness,
            self.gain
        )
    }
}

#[cfg(test)]
mod tests;
