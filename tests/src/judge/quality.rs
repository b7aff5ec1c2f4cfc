// SPDX-License-Identifier: MPL-2.0
//! How close a picture is to another of the same size.

/// Peak signal to noise ratio in dB of 8 bit values, 99 at most.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let count = a.len().min(b.len());
    let error: u64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    if error == 0 {
        return 99.0;
    }
    let mean = error as f64 / count as f64;
    (10.0 * (255.0f64.powi(2) / mean).log10()).min(99.0)
}

/// Sums over a block of 4x4 pixels: a, b, a² + b², ab.
#[derive(Clone, Copy, Default)]
struct Sums {
    a: u32,
    b: u32,
    squares: u32,
    product: u32,
}

/// Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004) of luma planes of
/// `width` pixels a row: the mean over windows of 8x8 pixels, 4 pixels apart.
/// 1 for equal pictures, about 0 for unrelated ones.
pub fn ssim(a: &[u8], b: &[u8], width: usize) -> f64 {
    let row_of_blocks = |y: usize| -> Vec<Sums> {
        (0..width / 4)
            .map(|x| {
                let mut sums = Sums::default();
                for line in 0..4 {
                    let at = (y * 4 + line) * width + x * 4;
                    for (a, b) in a[at..at + 4].iter().zip(&b[at..at + 4]) {
                        let (a, b) = (u32::from(*a), u32::from(*b));
                        sums.a += a;
                        sums.b += b;
                        sums.squares += a * a + b * b;
                        sums.product += a * b;
                    }
                }
                sums
            })
            .collect()
    };
    let rows = a.len().min(b.len()) / width / 4;
    if rows < 2 || width < 8 {
        return 0.0;
    }
    let (mut total, mut count) = (0.0, 0u32);
    let mut above = row_of_blocks(0);
    for y in 1..rows {
        let below = row_of_blocks(y);
        for (top, bottom) in above.windows(2).zip(below.windows(2)) {
            total += of_window([top[0], top[1], bottom[0], bottom[1]]);
            count += 1;
        }
        above = below;
    }
    total / f64::from(count)
}

fn of_window(blocks: [Sums; 4]) -> f64 {
    const PIXELS: f64 = 64.0;
    // (K L)² with the paper's K1 = 0.01, K2 = 0.03 and L = 255.
    const C1: f64 = 6.5025;
    const C2: f64 = 58.5225;
    let sum = |field: fn(&Sums) -> u32| blocks.iter().map(field).sum::<u32>();
    let mean_a = f64::from(sum(|s| s.a)) / PIXELS;
    let mean_b = f64::from(sum(|s| s.b)) / PIXELS;
    let squares = f64::from(sum(|s| s.squares)) / PIXELS;
    let variances = squares - mean_a * mean_a - mean_b * mean_b;
    let covariance = f64::from(sum(|s| s.product)) / PIXELS - mean_a * mean_b;
    (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (variances + C2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32, length: usize) -> Vec<u8> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect()
    }

    #[test]
    fn equal_pictures_are_perfect() {
        let picture = noise(1, 64 * 48);
        assert_eq!(psnr(&picture, &picture), 99.0);
        assert!((ssim(&picture, &picture, 64) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn psnr_is_that_of_the_definition() {
        // An error of 5 everywhere: 10 log10(255² / 25).
        assert!((psnr(&[100; 50], &[105; 50]) - 34.1514).abs() < 1e-3);
        assert_eq!(psnr(&[0; 9], &[255; 9]), 0.0);
    }

    #[test]
    fn ssim_is_that_of_the_definition() {
        // Flat pictures: only the means matter.
        let expected = (2.0 * 100.0 * 120.0 + 6.5025) / (100.0 * 100.0 + 120.0 * 120.0 + 6.5025);
        assert!((ssim(&[100; 256], &[120; 256], 16) - expected).abs() < 1e-9);
        // One window, worked out from the definition in two passes.
        let (a, b) = (noise(3, 64), noise(4, 64));
        let mean = |v: &[u8]| v.iter().map(|x| f64::from(*x)).sum::<f64>() / 64.0;
        let (ma, mb) = (mean(&a), mean(&b));
        let product = |x: &[u8], mx: f64, y: &[u8], my: f64| {
            let pairs = x.iter().zip(y);
            pairs
                .map(|(x, y)| (f64::from(*x) - mx) * (f64::from(*y) - my))
                .sum::<f64>()
                / 64.0
        };
        let (va, vb) = (product(&a, ma, &a, ma), product(&b, mb, &b, mb));
        let expected = (2.0 * ma * mb + 6.5025) * (2.0 * product(&a, ma, &b, mb) + 58.5225)
            / ((ma * ma + mb * mb + 6.5025) * (va + vb + 58.5225));
        assert!((ssim(&a, &b, 8) - expected).abs() < 1e-9);
    }

    #[test]
    fn ssim_falls_with_noise_and_vanishes_for_other_pictures() {
        let picture: Vec<u8> = (0..64 * 64).map(|i| (i % 64 * 2 + i / 64) as u8).collect();
        let noisy: Vec<u8> = picture
            .iter()
            .zip(noise(9, picture.len()))
            .map(|(p, n)| p.saturating_add(n / 16))
            .collect();
        let slight = ssim(&picture, &noisy, 64);
        assert!((0.3..0.99).contains(&slight), "{slight}");
        let other = ssim(&noise(1, 64 * 64), &noise(2, 64 * 64), 64);
        assert!(other < 0.1, "{other}");
        assert_eq!(ssim(&[0; 4], &[0; 4], 2), 0.0);
    }
}
