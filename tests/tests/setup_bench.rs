// SPDX-License-Identifier: MPL-2.0
//! The benchmarks of set-up run and print what an outer program can read. How fast
//! they are is not judged here: machines differ.

use std::process::Command;

use tests::{farstream, isolation};

/// Runs two calls and answers how long each took, in milliseconds.
#[track_caller]
fn times(mut command: Command, codec: &str) -> Vec<f64> {
    isolation::init();
    let _turn = isolation::turn().unwrap();
    let output = command
        .args(["--codec", codec, "--calls", "2"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let times: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
    println!("{codec}: {times:?} ms");
    assert_eq!(times.len(), 2, "{text}");
    for time in &times {
        // No less than a network and an encoder allow, no more than a user would wait.
        assert!((20.0..10_000.0).contains(time), "{time} ms");
    }
    times
}

#[test]
fn rtpbin_alone() {
    for codec in ["pcmu", "vp8"] {
        times(Command::new(env!("CARGO_BIN_EXE_bench-rtpbin")), codec);
    }
}

#[test]
fn the_original_farstream() {
    isolation::init();
    if farstream::skip_bench() {
        return;
    }
    for codec in ["pcmu", "vp8"] {
        times(farstream::setup_bench().unwrap(), codec);
    }
}

#[test]
fn unknown_options_are_errors() {
    isolation::init();
    let mut programs = vec![Command::new(env!("CARGO_BIN_EXE_bench-rtpbin"))];
    if !farstream::skip_bench() {
        programs.push(farstream::setup_bench().unwrap());
    }
    for mut program in programs {
        let output = program.args(["--codec", "nonsense"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}
