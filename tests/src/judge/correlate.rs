// SPDX-License-Identifier: MPL-2.0
//! Finds a piece of sound in another sound by cross-correlation.

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// A pair of transforms of one length.
struct Transform {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Transform {
    fn new(planner: &mut RealFftPlanner<f32>, length: usize) -> Self {
        Self {
            forward: planner.plan_fft_forward(length),
            inverse: planner.plan_fft_inverse(length),
        }
    }

    fn spectrum(&self, samples: &[f32]) -> Vec<Complex<f32>> {
        let mut input = self.forward.make_input_vec();
        input[..samples.len()].copy_from_slice(samples);
        let mut output = self.forward.make_output_vec();
        // Fails only for wrong lengths, which these are not.
        let _ = self.forward.process(&mut input, &mut output);
        output
    }

    /// The samples of `spectrum`, scaled by the length.
    fn samples(&self, mut spectrum: Vec<Complex<f32>>) -> Vec<f32> {
        // Of a real signal these have no phase, which rounding may forget.
        for end in [0, spectrum.len() - 1] {
            spectrum[end].im = 0.0;
        }
        let mut output = self.inverse.make_output_vec();
        let _ = self.inverse.process(&mut spectrum, &mut output);
        output
    }

    /// Σ a[i] b[i + lag] for every lag, negative ones from the end backwards.
    fn correlation(&self, a: &[f32], b: &[f32]) -> Vec<f32> {
        let (a, mut product) = (self.spectrum(a), self.spectrum(b));
        for (b, a) in product.iter_mut().zip(a) {
            *b *= a.conj();
        }
        self.samples(product)
    }
}

/// `samples` without what lies outside `band` (Hz), at half the `rate`.
pub(super) fn band_limited_half(samples: &[f32], rate: u32, band: Range<f64>) -> Vec<f32> {
    let length = samples.len().next_power_of_two().max(16);
    let mut planner = RealFftPlanner::new();
    let mut spectrum = Transform::new(&mut planner, length).spectrum(samples);
    let bin = f64::from(rate) / length as f64;
    for (index, value) in spectrum.iter_mut().enumerate() {
        if !band.contains(&(index as f64 * bin)) {
            *value = Complex::default();
        }
    }
    // Leaving out the upper half of the spectrum halves the rate.
    spectrum.truncate(length / 4 + 1);
    let mut half = Transform::new(&mut planner, length / 2).samples(spectrum);
    half.truncate(samples.len() / 2);
    half.iter_mut().for_each(|s| *s /= length as f32);
    half
}

/// By how much `b` lags behind `a` where most of them agrees, in samples.
pub(super) fn lag(a: &[f32], b: &[f32]) -> i64 {
    let length = (a.len() + b.len()).next_power_of_two().max(16);
    let transform = Transform::new(&mut RealFftPlanner::new(), length);
    let best = transform
        .correlation(a, b)
        .into_iter()
        .enumerate()
        .max_by(|x, y| x.1.total_cmp(&y.1))
        .map_or(0, |(index, _)| index);
    if best < b.len() {
        best as i64
    } else {
        best as i64 - length as i64
    }
}

/// Where pieces of other sounds occur in a sound.
pub(super) struct Searcher<'a> {
    sound: &'a [f32],
    /// Energy of all samples before each.
    energy: Vec<f64>,
    transform: Transform,
    length: usize,
}

impl<'a> Searcher<'a> {
    /// To look for pieces of at most `piece` samples in `sound`.
    pub(super) fn new(sound: &'a [f32], piece: usize) -> Self {
        let length = (4 * piece).next_power_of_two().max(16);
        let mut energy = Vec::with_capacity(sound.len() + 1);
        let mut sum = 0.0;
        energy.push(sum);
        energy.extend(sound.iter().map(|s| {
            sum += f64::from(*s) * f64::from(*s);
            sum
        }));
        Self {
            sound,
            energy,
            transform: Transform::new(&mut RealFftPlanner::new(), length),
            length,
        }
    }

    /// The place of `piece` among `starts` where it fits best, and the normalised
    /// correlation there (1 is a perfect fit, whatever the volume).
    pub(super) fn find(&self, piece: &[f32], starts: Range<i64>) -> Option<(i64, f64)> {
        let last = (self.sound.len() + 1).checked_sub(piece.len())?;
        let end = usize::try_from(starts.end).ok()?.min(last);
        let mut start = usize::try_from(starts.start.max(0)).ok()?;
        let norm = energy_of(piece);
        // Below this there is nothing to compare but rounding errors.
        let silence = 1e-9 * piece.len() as f64;
        let step = self.length - piece.len() + 1;
        let mut best: Option<(i64, f64)> = None;
        while start < end {
            let count = step.min(end - start);
            let block = &self.sound[start..start + count + piece.len() - 1];
            let products = self.transform.correlation(piece, block);
            for (index, product) in products[..count].iter().enumerate() {
                let at = start + index;
                let energy = self.energy[at + piece.len()] - self.energy[at];
                if energy < silence || norm < silence {
                    continue;
                }
                let product = f64::from(*product) / self.length as f64;
                let value = product / (energy * norm).sqrt();
                if best.is_none_or(|(_, b)| value > b) {
                    best = Some((at as i64, value));
                }
            }
            start += count;
        }
        best
    }
}

/// Sum of the squares.
pub(super) fn energy_of(samples: &[f32]) -> f64 {
    samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32, length: usize) -> Vec<f32> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .take(length)
        .collect()
    }

    #[test]
    fn a_piece_is_found_where_it_is() {
        let sound = noise(1, 5000);
        let searcher = Searcher::new(&sound, 200);
        for at in [0, 1, 777, 4799, 4800] {
            let piece: Vec<f32> = sound[at..at + 200].iter().map(|s| s * 0.1).collect();
            let (place, value) = searcher.find(&piece, -10..10_000).unwrap();
            assert_eq!(place, at as i64);
            assert!((value - 1.0).abs() < 1e-3, "{value}");
        }
        let piece = &sound[1000..1200];
        let (_, elsewhere) = searcher.find(piece, 1001..4000).unwrap();
        assert!(elsewhere < 0.4, "{elsewhere}");
        assert!(searcher.find(piece, 5000..6000).is_none());
        assert!(searcher.find(&noise(2, 6000), 0..10).is_none());
        assert!(searcher.find(&[0.0; 200], 0..10).is_none());
    }

    #[test]
    fn the_lag_may_be_of_either_sign() {
        let sound = noise(3, 3000);
        assert_eq!(lag(&sound, &sound[400..]), -400);
        assert_eq!(lag(&sound[250..], &sound), 250);
        assert_eq!(lag(&sound, &sound), 0);
    }

    #[test]
    fn what_is_outside_the_band_is_gone() {
        let tone = |frequency: f64| -> Vec<f32> {
            let wave = |i: usize| (std::f64::consts::TAU * frequency * i as f64 / 16_000.0).sin();
            (0..16_000).map(|i| wave(i) as f32).collect()
        };
        let level = |f: f64| {
            let half = band_limited_half(&tone(f), 16_000, 150.0..3400.0);
            assert_eq!(half.len(), 8000);
            (energy_of(&half[1000..7000]) / 6000.0).sqrt()
        };
        assert!((level(1000.0) - 0.5f64.sqrt()).abs() < 0.01);
        assert!(level(50.0) < 0.02 && level(5000.0) < 0.02);
    }
}
