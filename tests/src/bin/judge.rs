// SPDX-License-Identifier: MPL-2.0
//! Compares a file that was sent with one that was received, from the command line.

use std::path::Path;
use std::process::ExitCode;

use tests::judge::audio::{self, AudioThresholds};
use tests::judge::video::{self, VideoThresholds};

const USAGE: &str = "judge audio|speech|video|picture SENT RECEIVED\n\
    audio: for codecs that keep the wave; speech: for those that keep only the spectrum\n\
    video: any film; picture: the one that the tests make, which must arrive well";

fn main() -> ExitCode {
    tests::isolation::init_program();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [kind, sent, received] = &args[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (sent, received) = (Path::new(sent), Path::new(received));
    let sound = |least: &AudioThresholds| {
        let report = audio::compare_files(sent, received)?;
        Ok((report.to_string(), report.verdict(least)))
    };
    let pictures = |least: &VideoThresholds| {
        let report = video::compare_files(sent, received)?;
        Ok((report.to_string(), report.verdict(least)))
    };
    let result: std::io::Result<_> = match kind.as_str() {
        "audio" => sound(&AudioThresholds::default()),
        "speech" => sound(&AudioThresholds::spectral()),
        "video" => pictures(&VideoThresholds::default()),
        "picture" => pictures(&VideoThresholds::strict()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok((report, verdict)) => {
            println!("{report}");
            match verdict {
                Ok(()) => ExitCode::SUCCESS,
                Err(failures) => {
                    println!("{failures}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
