// SPDX-License-Identifier: MPL-2.0
//! Which frame that was sent a received one shows.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use crate::judge::Frame;
use crate::media::frame_number;

/// Size of the pictures that are compared first.
const WIDTH: usize = 64;
const HEIGHT: usize = 48;
/// So many lines stand for a row of these, at least.
const LINES: usize = 4;
/// A mean difference of the luma up to this may come from coding.
const LIKE: f64 = 8.0;
/// Above this it is another picture.
const FOREIGN: f64 = 20.0;
/// How far from where it is expected a frame is looked for at first, in seconds.
const NEAR: f64 = 2.0;

/// What is kept of a frame.
pub(super) struct Sketch {
    pub(super) time: Duration,
    pub(super) number: Option<u32>,
    small: Vec<u8>,
}

impl Sketch {
    pub(super) fn new(frame: &Frame) -> Self {
        Self {
            time: frame.time,
            number: frame_number(&frame.luma, frame.width, frame.height),
            small: shrink(frame),
        }
    }

    /// Mean difference of the luma.
    fn distance(&self, other: &Self) -> f64 {
        let sum: u64 = self
            .small
            .iter()
            .zip(&other.small)
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        sum as f64 / self.small.len() as f64
    }
}

/// The means of the blocks of a grid over the luma, of some of the lines if there
/// are many.
fn shrink(frame: &Frame) -> Vec<u8> {
    let (w, h) = (frame.width, frame.height);
    let edge = |index: usize, cells: usize, length: usize| {
        let start = index * length / cells;
        start..((index + 1) * length / cells).max(start + 1)
    };
    let columns: Vec<_> = (0..WIDTH).map(|x| edge(x, WIDTH, w)).collect();
    let step = (h / HEIGHT / LINES).max(1);
    let mut small = Vec::with_capacity(WIDTH * HEIGHT);
    for y in 0..HEIGHT {
        let lines = edge(y, HEIGHT, h).step_by(step);
        let count = lines.len();
        let mut sums = [0u32; WIDTH];
        for line in lines {
            let row = &frame.luma[line * w..(line + 1) * w];
            for (sum, xs) in sums.iter_mut().zip(&columns) {
                *sum += row[xs.clone()].iter().map(|p| u32::from(*p)).sum::<u32>();
            }
        }
        let areas = columns.iter().map(|xs| (xs.len() * count) as u32);
        small.extend(sums.iter().zip(areas).map(|(sum, area)| (sum / area) as u8));
    }
    small
}

/// All that was sent.
pub(super) struct Sent {
    pub(super) frames: Vec<Sketch>,
    /// Index of each number, if the frames are numbered.
    numbers: HashMap<u32, usize>,
    /// Frames per second.
    pub(super) rate: f64,
}

impl Sent {
    pub(super) fn new(frames: impl Iterator<Item = io::Result<Frame>>) -> io::Result<Self> {
        let frames = frames
            .map(|frame| Ok(Sketch::new(&frame?)))
            .collect::<io::Result<Vec<_>>>()?;
        let numbers: HashMap<_, _> = frames
            .iter()
            .enumerate()
            .filter_map(|(index, frame)| Some((frame.number?, index)))
            .collect();
        let numbered = numbers.len() == frames.len();
        Ok(Self {
            rate: rate(&frames),
            numbers: if numbered { numbers } else { HashMap::new() },
            frames,
        })
    }

    /// Whether the frames carry numbers that tell them apart.
    pub(super) fn is_numbered(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// The index of the frame that each of `received` shows, none for foreign ones.
    pub(super) fn find_all(&self, received: &[Sketch]) -> Vec<Option<usize>> {
        let mut last: Option<(Duration, usize)> = None;
        let mut found = Vec::with_capacity(received.len());
        for frame in received {
            let expected = last.map(|(time, index)| {
                let passed = frame.time.saturating_sub(time).as_secs_f64();
                index as f64 + passed * self.rate
            });
            let index = frame
                .number
                .and_then(|number| self.numbers.get(&number).copied())
                .or_else(|| self.find(frame, expected));
            if let Some(index) = index {
                last = Some((frame.time, index));
            }
            found.push(index);
        }
        found
    }

    /// The frame that looks most like `frame`; in still stretches, where many do,
    /// the one next to the `expected` index.
    fn find(&self, frame: &Sketch, expected: Option<f64>) -> Option<usize> {
        if let Some(expected) = expected {
            let reach = NEAR * self.rate.max(1.0);
            let start = (expected - reach).max(0.0) as usize;
            let end = (expected + reach).max(0.0) as usize + 1;
            let near = start.min(self.frames.len())..end.min(self.frames.len());
            let found = self.best(frame, near, expected);
            if let Some((index, _)) = found.filter(|(_, distance)| *distance < LIKE) {
                return Some(index);
            }
        }
        let (index, distance) = self.best(frame, 0..self.frames.len(), expected.unwrap_or(0.0))?;
        (distance < FOREIGN).then_some(index)
    }

    fn best(
        &self,
        frame: &Sketch,
        range: std::ops::Range<usize>,
        expected: f64,
    ) -> Option<(usize, f64)> {
        let distances: Vec<_> = range
            .map(|index| (index, frame.distance(&self.frames[index])))
            .collect();
        let least = distances.iter().map(|(_, d)| *d).min_by(f64::total_cmp)?;
        // What coding alone may add to the distance of the right one.
        let alike = 1.1 * least + 0.1;
        distances
            .into_iter()
            .filter(|(_, distance)| *distance <= alike)
            .min_by(|a, b| {
                let off = |index: usize| (index as f64 - expected).abs();
                off(a.0).total_cmp(&off(b.0))
            })
    }
}

/// Frames per second on average, 0 of less than two frames.
pub(super) fn rate(frames: &[Sketch]) -> f64 {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        return 0.0;
    };
    let time = last.time.saturating_sub(first.time).as_secs_f64();
    if time > 0.0 {
        (frames.len() - 1) as f64 / time
    } else {
        0.0
    }
}
