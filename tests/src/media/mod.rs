// SPDX-License-Identifier: MPL-2.0
//! Makes what calls send: speech, tones that tell their place, and a moving picture
//! whose every frame carries its number.

mod picture;
mod tones;

use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::Command;

pub use picture::{Picture, frame_number};
pub use tones::{TONE_COUNT, TONE_SECONDS, tone_numbers};

/// What the voice in `speech.wav` says, about 8 seconds.
pub const SPEECH: &str = "The quick brown fox jumps over the lazy dog. Seven bright lanterns \
    hang beside the old harbour, and a cold wind blows across the water tonight.";
/// Something else of about the same length, for tests that must notice.
pub const OTHER_SPEECH: &str = "Please remember to bring nine green bottles home. Our teacher \
    wrote a long letter about mountains, music and very early morning trains.";

const TONES_RATE: u32 = 48_000;

/// The files made by [`make`].
#[derive(Clone, Debug)]
pub struct Media {
    /// Speech, about 8 seconds.
    pub speech: PathBuf,
    /// Tones, 8 seconds.
    pub tones: PathBuf,
    /// The moving picture.
    pub picture: PathBuf,
}

/// Writes `speech.wav`, `tones.wav` and `picture.y4m` into `dir`.
///
/// # Errors
///
/// If espeak-ng is missing or a file cannot be written.
pub fn make(dir: &Path, picture: &Picture) -> io::Result<Media> {
    fs::create_dir_all(dir)?;
    let media = Media {
        speech: dir.join("speech.wav"),
        tones: dir.join("tones.wav"),
        picture: dir.join("picture.y4m"),
    };
    speak(SPEECH, &media.speech)?;
    write_wav(
        &media.tones,
        TONES_RATE,
        &tones::samples(TONES_RATE, 8 * tones::PER_SECOND),
    )?;
    picture.write(&media.picture)?;
    Ok(media)
}

/// Has `text` spoken into the WAV file `path`, mono, 16 bit, 22 050 Hz.
///
/// # Errors
///
/// If espeak-ng is missing or fails.
pub fn speak(text: &str, path: &Path) -> io::Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let output = Command::new("espeak-ng")
        .args(["-v", "en", "-w"])
        .arg(path)
        .arg(text)
        .output()
        .map_err(|e| Error::new(e.kind(), format!("espeak-ng: {e}")))?;
    // It succeeds also if it cannot write.
    if output.status.success() && path.exists() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("espeak-ng: {stderr}")))
}

/// Writes mono samples between -1 and 1 as a 16 bit WAV file.
///
/// # Errors
///
/// If the file cannot be written or would be too long for the format.
pub fn write_wav(path: &Path, rate: u32, samples: &[f32]) -> io::Result<()> {
    let size = u32::try_from(samples.len() * 2)
        .ok()
        .and_then(|size| Some((size, size.checked_add(36)?)));
    let (data, riff) = size.ok_or_else(|| Error::other("too long for a WAV file"))?;
    let mut bytes = Vec::with_capacity(44 + samples.len() * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&riff.to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16u32.to_le_bytes());
    // PCM, one channel.
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&(rate * 2).to_le_bytes());
    // Bytes per frame, bits per sample.
    bytes.extend_from_slice(&2u16.to_le_bytes());
    bytes.extend_from_slice(&16u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data.to_le_bytes());
    for sample in samples {
        let value = (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16;
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    #[test]
    fn the_files_can_be_read_and_have_the_length_they_should() {
        crate::isolation::init();
        let dir = crate::isolation::scratch_dir("media");
        let picture = Picture {
            seconds: 1.0,
            ..Picture::default()
        };
        let media = make(&dir, &picture).unwrap();
        let seconds = |path: &Path| {
            let samples = judge::read_audio(path).unwrap();
            samples.len() as f64 / f64::from(judge::AUDIO_RATE)
        };
        let speech = seconds(&media.speech);
        assert!((7.0..11.0).contains(&speech), "{speech} s of speech");
        let tones = seconds(&media.tones);
        assert!((tones - 8.0).abs() < 0.01, "{tones} s of tones");
        let samples = judge::read_audio(&media.tones).unwrap();
        let numbers = tone_numbers(&samples, judge::AUDIO_RATE);
        assert_eq!(numbers, (0..80).collect::<Vec<_>>());
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let path = Path::new("/nonexistent/x.wav");
        assert!(write_wav(path, 8000, &[0.0]).is_err());
        assert!(Picture::default().write(path).is_err());
        assert!(speak("x", path).is_err());
    }
}
