// SPDX-License-Identifier: MPL-2.0
//! What is compared of a sound: its wave within the telephone band, and how its
//! spectrum changes with time.

use std::f32::consts::PI;

use realfft::RealFftPlanner;

use super::AUDIO_RATE;
use super::correlate::{band_limited_half, energy_of};

/// Samples per second of [`Signal::wave`].
pub(super) const WAVE_RATE: usize = AUDIO_RATE as usize / 2;
/// Samples of the wave per frame of the spectrum.
pub(super) const HOP: usize = WAVE_RATE / 100;
/// The band that every speech codec keeps, Hz.
const LOWEST: f64 = 150.0;
const HIGHEST: f64 = 3400.0;
const BANDS: usize = 20;
/// Length of the analysis at the rate of the input.
const ANALYSIS: usize = 512;
/// What is this much weaker than the strongest band is not looked at: companding
/// codecs add noise there.
const DYNAMICS: f32 = 1e-4;
/// RMS below which a sound counts as silence (-60 dB of full scale).
const SILENCE: f64 = 1e-3;
/// And relative to the loud parts (-30 dB).
const QUIET: f64 = 0.03;

/// A sound in the form it is compared in.
pub(super) struct Signal {
    /// The band from 150 to 3400 Hz at [`WAVE_RATE`].
    pub(super) wave: Vec<f32>,
    /// Logarithm of the energy per band, less the mean of the band, every 10 ms.
    spectra: Vec<[f32; BANDS]>,
    /// RMS above which a piece is audible.
    threshold: f64,
}

impl Signal {
    /// Of samples at [`AUDIO_RATE`].
    pub(super) fn new(samples: &[f32]) -> Self {
        let wave = band_limited_half(samples, AUDIO_RATE, LOWEST..HIGHEST);
        let mut levels: Vec<_> = wave.chunks(WAVE_RATE / 10).map(rms).collect();
        levels.sort_by(f64::total_cmp);
        let loud = levels.get(levels.len() * 95 / 100).copied();
        Self {
            spectra: spectra(samples),
            threshold: SILENCE.max(QUIET * loud.unwrap_or_default()),
            wave,
        }
    }

    /// Whether there is something to hear in a piece of the wave.
    pub(super) fn is_audible(&self, start: usize, length: usize) -> bool {
        self.wave
            .get(start..start + length)
            .is_some_and(|piece| rms(piece) > self.threshold)
    }

    /// How alike the spectra are of `length` samples of the waves from `start` here
    /// and from `other_start` there: 1 for equal, about 0 for unrelated ones.
    pub(super) fn likeness(
        &self,
        start: usize,
        other: &Self,
        other_start: usize,
        length: usize,
    ) -> Option<f64> {
        let frames = length / HOP;
        let a = self.spectra.get(start / HOP..start / HOP + frames)?;
        let at = other_start / HOP;
        let b = other.spectra.get(at..at + frames)?;
        let (mut product, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in a.as_flattened().iter().zip(b.as_flattened()) {
            product += a * b;
            aa += a * a;
            bb += b * b;
        }
        let norm = f64::from(aa) * f64::from(bb);
        (norm > 0.0).then(|| f64::from(product) / norm.sqrt())
    }
}

/// Root of the mean of the squares.
pub(super) fn rms(samples: &[f32]) -> f64 {
    (energy_of(samples) / samples.len().max(1) as f64).sqrt()
}

fn spectra(samples: &[f32]) -> Vec<[f32; BANDS]> {
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(ANALYSIS);
    let mut spectrum = transform.make_output_vec();
    let mut scratch = transform.make_scratch_vec();
    let window: Vec<f32> = (0..ANALYSIS)
        .map(|i| 0.5 - 0.5 * (2.0 * PI * i as f32 / ANALYSIS as f32).cos())
        .collect();
    let edges = band_edges();
    let hop = HOP * 2;
    let mut result = Vec::with_capacity(samples.len() / hop);
    for start in (0..samples.len().saturating_sub(ANALYSIS)).step_by(hop) {
        let mut input: Vec<f32> = samples[start..start + ANALYSIS]
            .iter()
            .zip(&window)
            .map(|(sample, weight)| sample * weight)
            .collect();
        // Fails only for wrong lengths, which these are not.
        let _ = transform.process_with_scratch(&mut input, &mut spectrum, &mut scratch);
        let mut bands = [0.0; BANDS];
        for (band, value) in bands.iter_mut().enumerate() {
            let bins = &spectrum[edges[band]..edges[band + 1]];
            *value = bins.iter().map(|bin| bin.norm_sqr()).sum();
        }
        result.push(bands);
    }
    let strongest = result
        .as_flattened()
        .iter()
        .fold(0.0, |a: f32, b| a.max(*b));
    let floor = strongest.max(f32::MIN_POSITIVE) * DYNAMICS;
    let mut means = [0.0; BANDS];
    for bands in &mut result {
        for (value, mean) in bands.iter_mut().zip(&mut means) {
            *value = (*value + floor).ln();
            *mean += *value;
        }
    }
    let count = result.len().max(1) as f32;
    for bands in &mut result {
        for (value, mean) in bands.iter_mut().zip(&means) {
            *value -= mean / count;
        }
    }
    result
}

/// The first bin of each band and the end of the last; the bands are equally wide
/// on the mel scale, and at least one bin.
fn band_edges() -> [usize; BANDS + 1] {
    let mel = |f: f64| (1.0 + f / 700.0).ln();
    let (low, high) = (mel(LOWEST), mel(HIGHEST));
    let mut edges = [0; BANDS + 1];
    for (index, edge) in edges.iter_mut().enumerate() {
        let at = low + (high - low) * index as f64 / BANDS as f64;
        let frequency = 700.0 * (at.exp() - 1.0);
        *edge = (frequency * ANALYSIS as f64 / f64::from(AUDIO_RATE)).round() as usize;
    }
    for index in 1..edges.len() {
        edges[index] = edges[index].max(edges[index - 1] + 1);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f32, seconds: f32) -> Vec<f32> {
        let rate = AUDIO_RATE as f32;
        (0..(seconds * rate) as usize)
            .map(|i| 0.3 * (2.0 * PI * frequency * i as f32 / rate).sin())
            .collect()
    }

    #[test]
    fn silence_is_not_audible_and_sound_is() {
        let silence = Signal::new(&[0.0; 16_000]);
        assert!(!silence.is_audible(0, 4000));
        let mut half = tone(500.0, 1.0);
        half[8000..].fill(0.0001);
        let half = Signal::new(&half);
        assert!(half.is_audible(0, 3000));
        assert!(!half.is_audible(5000, 3000));
        assert!(!half.is_audible(7000, 3000), "beyond the end");
    }

    #[test]
    fn likeness_tells_a_melody_from_another_whatever_the_volume() {
        let melody =
            |notes: &[f32]| -> Vec<f32> { notes.iter().flat_map(|f| tone(*f, 0.1)).collect() };
        let one = melody(&[300.0, 900.0, 500.0, 2000.0, 700.0, 1500.0]);
        let other = melody(&[1500.0, 500.0, 2000.0, 300.0, 900.0, 700.0]);
        let quiet: Vec<f32> = one.iter().map(|s| s * 0.2).collect();
        let (one, other, quiet) = (Signal::new(&one), Signal::new(&other), Signal::new(&quiet));
        assert!(one.likeness(0, &quiet, 0, 4000).unwrap() > 0.99);
        assert!(one.likeness(0, &other, 0, 4000).unwrap() < 0.5);
        assert!(
            one.likeness(0, &other, 4000, 4000).is_none(),
            "beyond the end"
        );
    }

    #[test]
    fn short_sounds_are_no_trouble() {
        for length in [0, 1, 100, 511, 513] {
            let signal = Signal::new(&vec![0.1; length]);
            assert!(signal.likeness(0, &signal, 0, 4000).is_none());
        }
    }
}
