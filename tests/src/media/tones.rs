// SPDX-License-Identifier: MPL-2.0
//! A sequence of tones of which each pair of frequencies occurs once, so that every
//! tone tells its place. They pass through narrowband codecs.

use std::f64::consts::TAU;

/// Frequencies of the lower and of the upper voice.
const LOW: (u32, f64, f64) = (12, 400.0, 70.0);
const HIGH: (u32, f64, f64) = (12, 1400.0, 150.0);
/// How many tones there are before they repeat.
pub const TONE_COUNT: u32 = LOW.0 * HIGH.0;
/// From one tone to the next, in seconds.
pub const TONE_SECONDS: f64 = 0.1;
pub(super) const PER_SECOND: u32 = 10;
/// The tone itself; the rest is a gap.
const SOUND: f64 = 0.09;
/// Rise and fall.
const RAMP: f64 = 0.005;
/// Neighbours in the sequence differ in both frequencies. Has no divisor in common
/// with the number of tones.
const STRIDE: u32 = 31;

fn frequencies(number: u32) -> (f64, f64) {
    let pair = number * STRIDE % TONE_COUNT;
    let frequency = |(_, first, step): (u32, f64, f64), index: u32| first + step * f64::from(index);
    (frequency(LOW, pair % LOW.0), frequency(HIGH, pair / LOW.0))
}

/// The first `count` tones.
pub(super) fn samples(rate: u32, count: u32) -> Vec<f32> {
    let rate = f64::from(rate);
    let per_tone = (TONE_SECONDS * rate) as usize;
    let mut samples = Vec::with_capacity(per_tone * count as usize);
    for number in 0..count {
        let (low, high) = frequencies(number % TONE_COUNT);
        samples.extend((0..per_tone).map(|i| {
            let time = i as f64 / rate;
            let level = (time / RAMP).min((SOUND - time) / RAMP).clamp(0.0, 1.0);
            let wave = (TAU * low * time).sin() + (TAU * high * time).sin();
            (0.25 * level * wave) as f32
        }));
    }
    samples
}

/// The numbers of the tones in mono `samples`, in the order heard. Sounds that are
/// not clearly one of the tones are left out.
pub fn tone_numbers(samples: &[f32], rate: u32) -> Vec<u32> {
    let length = (0.05 * f64::from(rate)) as usize;
    let mut numbers = Vec::new();
    let mut last = None;
    for window in samples.windows(length).step_by((length / 5).max(1)) {
        let heard = number_of(window, rate);
        // Only what sounds for two steps counts.
        if heard.is_some() && heard == last && numbers.last() != heard.as_ref() {
            numbers.extend(heard);
        }
        last = heard;
    }
    numbers
}

fn number_of(window: &[f32], rate: u32) -> Option<u32> {
    let energy = window.iter().map(|s| f64::from(s * s)).sum::<f64>();
    if energy / (window.len() as f64) < 1e-5 {
        return None;
    }
    let strongest = |(count, first, step): (u32, f64, f64)| {
        (0..count)
            .map(|i| (i, power(window, rate, first + step * f64::from(i))))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let ((low, low_power), (high, high_power)) = (strongest(LOW)?, strongest(HIGH)?);
    let pair = high * LOW.0 + low;
    let clear = low_power + high_power > 0.7 * energy && low_power.min(high_power) > 0.1 * energy;
    (0..TONE_COUNT).find(|n| clear && n * STRIDE % TONE_COUNT == pair)
}

/// The part of the energy of `window` at `frequency` (Goertzel).
fn power(window: &[f32], rate: u32, frequency: f64) -> f64 {
    let factor = 2.0 * (TAU * frequency / f64::from(rate)).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in window {
        (one, two) = (f64::from(*sample) + factor * one - two, one);
    }
    (one * one + two * two - factor * one * two) * 2.0 / window.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tone_is_told_from_every_other() {
        let numbers = tone_numbers(&samples(8000, TONE_COUNT), 8000);
        assert_eq!(numbers, (0..TONE_COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn missing_and_swapped_tones_are_noticed() {
        let rate = 16_000;
        let all = samples(rate, 20);
        let tone = |n: usize| &all[n * 1600..(n + 1) * 1600];
        let order = [3, 4, 6, 5, 7];
        let heard: Vec<f32> = order.iter().flat_map(|n| tone(*n)).copied().collect();
        assert_eq!(tone_numbers(&heard, rate), [3, 4, 6, 5, 7]);
    }

    #[test]
    fn neither_silence_nor_noise_has_tones() {
        assert!(tone_numbers(&[0.0; 16_000], 16_000).is_empty());
        let mut state = 1u32;
        let noise: Vec<f32> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .take(16_000)
        .collect();
        assert!(tone_numbers(&noise, 16_000).is_empty());
    }
}
