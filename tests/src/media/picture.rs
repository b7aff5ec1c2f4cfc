// SPDX-License-Identifier: MPL-2.0
//! A moving picture whose every frame carries its number in large blocks, so that
//! it can be read after lossy coding and scaling.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The blocks with the number fill the bottom of the frame: so many in a row, and
/// so many rows, each as high as a twelfth of the frame.
const COLUMNS: usize = 12;
const ROWS: usize = 2;
const ROW_SHARE: usize = 12;
/// Bits of the number; the other blocks hold a check sum.
const NUMBER_BITS: u32 = 16;
const BITS: u32 = (COLUMNS * ROWS) as u32;
const BLACK: u8 = 40;
const WHITE: u8 = 210;
/// How far a block must be from grey to count.
const CLEAR: u32 = 24;

/// Side of the texture, which repeats.
const TEXTURE: usize = 256;

/// A moving picture to be written.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// Frames per second.
    pub fps: u32,
    /// Duration. The number of a frame wraps after 65 536 frames.
    pub seconds: f64,
}

impl Default for Picture {
    /// 320x240, 15 frames per second, 8 seconds.
    fn default() -> Self {
        Self {
            width: 320,
            height: 240,
            fps: 15,
            seconds: 8.0,
        }
    }
}

impl Picture {
    /// How many frames there are.
    pub fn frames(&self) -> u32 {
        (self.seconds * f64::from(self.fps)).round() as u32
    }

    /// Writes all frames to the YUV4MPEG2 file `path`.
    ///
    /// # Errors
    ///
    /// If the size is odd or too small, or the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let (w, h) = (self.width, self.height);
        if w < 96 || h < 96 || w % 2 + h % 2 > 0 {
            let text = format!("{w}x{h}: both must be even and at least 96");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut file = BufWriter::new(File::create(path)?);
        let fps = self.fps;
        writeln!(file, "YUV4MPEG2 W{w} H{h} F{fps}:1 Ip A1:1 C420jpeg")?;
        let texture = texture();
        let mut luma = vec![0; w * h];
        for number in 0..self.frames() {
            self.draw(&texture, number, &mut luma);
            file.write_all(b"FRAME\n")?;
            file.write_all(&luma)?;
            for plane in 0..2 {
                file.write_all(&self.chroma(number, plane))?;
            }
        }
        file.flush()
    }

    fn draw(&self, texture: &[u8], number: u32, luma: &mut [u8]) {
        let (w, h) = (self.width, self.height);
        let time = number as usize;
        // The whole picture moves one way, a window in it another way.
        for (y, row) in luma.chunks_exact_mut(w).enumerate() {
            copy_texture(texture, 2 * time, y + time, row);
        }
        let (left, top) = (bounce(3 * time, w / 2), bounce(2 * time, h / 2));
        for (y, row) in luma.chunks_exact_mut(w).skip(top).take(h / 3).enumerate() {
            let window = &mut row[left..left + w / 3];
            copy_texture(texture, 5 * TEXTURE - time % TEXTURE, y + 90, window);
            window.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
        }
        let bits = with_check_sum(number);
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let bit = row * COLUMNS + column;
                let value = if bits >> bit & 1 == 1 { WHITE } else { BLACK };
                let (xs, ys) = block(row, column, w, h);
                for line in ys {
                    luma[line * w..][xs.clone()].fill(value);
                }
            }
        }
    }

    /// Slow waves of colour.
    fn chroma(&self, number: u32, plane: usize) -> Vec<u8> {
        let (w, h) = (self.width / 2, self.height / 2);
        let wave = |at: usize| bounce(at, 64) as u8;
        (0..w * h)
            .map(|i| {
                let (x, y) = (i % w, i / w);
                let along = if plane == 0 { x } else { y };
                96 + wave(along / 2 + number as usize)
            })
            .collect()
    }
}

/// Runs from 0 to `limit` and back.
fn bounce(at: usize, limit: usize) -> usize {
    let at = at % (2 * limit);
    at.min(2 * limit - at)
}

fn copy_texture(texture: &[u8], x: usize, y: usize, row: &mut [u8]) {
    let line = &texture[y % TEXTURE * TEXTURE..][..TEXTURE];
    let (mut at, mut x) = (0, x % TEXTURE);
    while at < row.len() {
        let n = (TEXTURE - x).min(row.len() - at);
        row[at..at + n].copy_from_slice(&line[x..x + n]);
        (at, x) = (at + n, 0);
    }
}

/// Smooth noise of two grain sizes, without a seam.
fn texture() -> Vec<u8> {
    let grain = |x: usize, y: usize, size: usize| {
        let cells = TEXTURE / size;
        let value = |x: usize, y: usize| {
            let mut hash = (x % cells + y % cells * 1000 + size * 7919) as u32;
            for _ in 0..3 {
                hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
            }
            (hash >> 24) as usize
        };
        let (cx, cy, fx, fy) = (x / size, y / size, x % size, y % size);
        let mix = |a: usize, b: usize, f: usize| (a * (size - f) + b * f) / size;
        let above = mix(value(cx, cy), value(cx + 1, cy), fx);
        let below = mix(value(cx, cy + 1), value(cx + 1, cy + 1), fx);
        mix(above, below, fy)
    };
    (0..TEXTURE * TEXTURE)
        .map(|i| {
            let (x, y) = (i % TEXTURE, i / TEXTURE);
            (30 + grain(x, y, 32) / 2 + grain(x, y, 8) / 4) as u8
        })
        .collect()
}

/// The pixels of a block, as ranges of x and y.
fn block(
    row: usize,
    column: usize,
    w: usize,
    h: usize,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let y = ROW_SHARE - ROWS + row;
    (
        column * w / COLUMNS..(column + 1) * w / COLUMNS,
        y * h / ROW_SHARE..(y + 1) * h / ROW_SHARE,
    )
}

fn with_check_sum(number: u32) -> u32 {
    let number = number & ((1 << NUMBER_BITS) - 1);
    // Any two numbers that differ in one bit differ in many bits of this; nothing
    // uniform, neither black nor white, is a number.
    let hash = (number ^ 0xa5a5).wrapping_mul(0x9e37_79b1);
    number | (hash >> 24 ^ 0x5a) << NUMBER_BITS
}

/// The number of a frame made by [`Picture::write`], read from its luma (rows of
/// `w` pixels, `h` of them), coded and scaled as it may be.
pub fn frame_number(luma: &[u8], w: usize, h: usize) -> Option<u32> {
    if w < COLUMNS * 4 || h < ROW_SHARE * 4 || luma.len() < w * h {
        return None;
    }
    let mut bits = 0u32;
    for bit in 0..BITS as usize {
        let (xs, ys) = block(bit / COLUMNS, bit % COLUMNS, w, h);
        // The edges suffer most.
        let (x_margin, y_margin) = (xs.len() / 4, ys.len() / 4);
        let xs = xs.start + x_margin..xs.end - x_margin;
        let ys = ys.start + y_margin..ys.end - y_margin;
        let count = (xs.len() * ys.len()) as u32;
        let sum: u32 = ys
            .flat_map(|y| &luma[y * w..][xs.clone()])
            .map(|pixel| u32::from(*pixel))
            .sum();
        let grey = u32::from(BLACK / 2 + WHITE / 2);
        let mean = sum / count;
        if mean.abs_diff(grey) < CLEAR {
            return None;
        }
        bits |= u32::from(mean > grey) << bit;
    }
    let number = bits & ((1 << NUMBER_BITS) - 1);
    (with_check_sum(number) == bits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(picture: &Picture, number: u32) -> Vec<u8> {
        let mut luma = vec![0; picture.width * picture.height];
        picture.draw(&texture(), number, &mut luma);
        luma
    }

    #[test]
    fn numbers_are_read_back() {
        for (width, height) in [(320, 240), (96, 96), (178, 100), (640, 360)] {
            let picture = Picture {
                width,
                height,
                ..Picture::default()
            };
            for number in [0, 1, 2, 255, 256, 4660, 65_535] {
                let luma = frame(&picture, number);
                assert_eq!(frame_number(&luma, width, height), Some(number));
            }
        }
    }

    #[test]
    fn numbers_survive_heavy_noise() {
        let picture = Picture::default();
        let mut state = 7u32;
        let mut luma = frame(&picture, 1234);
        for pixel in &mut luma {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *pixel = pixel.saturating_add((state >> 25) as u8).saturating_sub(64);
        }
        assert_eq!(frame_number(&luma, 320, 240), Some(1234));
    }

    #[test]
    fn pictures_without_a_number_have_none() {
        for value in [0, 16, 127, 235, 255] {
            assert_eq!(frame_number(&vec![value; 320 * 240], 320, 240), None);
        }
        let mut texture_only = vec![0; 320 * 240];
        let texture = texture();
        for (y, row) in texture_only.chunks_exact_mut(320).enumerate() {
            copy_texture(&texture, 0, y, row);
        }
        assert_eq!(frame_number(&texture_only, 320, 240), None);
        // A turned bit does not make another number.
        let mut luma = frame(&Picture::default(), 77);
        let (xs, ys) = block(0, 3, 320, 240);
        for y in ys {
            let pixels = &mut luma[y * 320..][xs.clone()];
            pixels.iter_mut().for_each(|p| *p = 250 - *p);
        }
        assert_eq!(frame_number(&luma, 320, 240), None);
        assert_eq!(frame_number(&[], 0, 0), None);
        assert_eq!(frame_number(&[0; 10], 320, 240), None);
    }

    #[test]
    fn neighbouring_frames_differ() {
        let picture = Picture::default();
        let (one, two) = (frame(&picture, 10), frame(&picture, 11));
        let above_numbers = 320 * 200;
        let changed = (0..above_numbers).filter(|i| one[*i] != two[*i]).count();
        assert!(changed > above_numbers / 2, "{changed} pixels changed");
    }

    #[test]
    fn odd_sizes_are_refused() {
        let picture = Picture {
            width: 321,
            ..Picture::default()
        };
        let error = picture.write(Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("321x240"), "{error}");
    }
}
