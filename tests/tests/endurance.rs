// SPDX-License-Identifier: MPL-2.0
//! Many calls, one after another and at once: nothing is left behind and nothing
//! crashes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;
use tests::call::{Endpoint, eventually, pair_with};
use tests::isolation;

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

/// Resident memory in KiB.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4
}

/// One whole call: made, heard at both ends, taken down.
fn one_call() {
    let (a, b) = pair_with(&["audio"], Some("PCMU"));
    a.play();
    b.play();
    assert!(a.hears(1) && b.hears(1));
    for end in [a, b] {
        assert_eq!(end.log.complaints(), Vec::<String>::new());
        end.dispose();
    }
}

fn tracer() -> gst::Tracer {
    gst::active_tracers()
        .into_iter()
        .find(|tracer| tracer.type_().name() == "GstLeaksTracer")
        .expect("the leaks tracer runs")
}

/// How many objects of each type are alive that were not when tracking began.
fn alive(tracer: &gst::Tracer) -> BTreeMap<String, i64> {
    let checkpoint: gst::Structure = tracer.emit_by_name("activity-get-checkpoint", &[]);
    let mut counts = BTreeMap::new();
    for (list, sign) in [("objects-created-list", 1), ("objects-removed-list", -1)] {
        let objects = checkpoint.get::<gst::List>(list).unwrap();
        for object in objects.iter() {
            let s = object.get::<gst::Structure>().unwrap();
            let name = s.get::<String>("type-name").unwrap();
            *counts.entry(name).or_default() += sign;
        }
    }
    counts.retain(|_, count| *count != 0);
    counts
}

#[test]
fn two_hundred_calls_leave_nothing_behind() {
    isolation::init();
    // Plugins, caches and pools settle in the first calls.
    for _ in 0..10 {
        one_call();
    }
    let before = (entries("/proc/self/task"), entries("/proc/self/fd"));
    let mut settled = 0;
    for round in 1..=200 {
        one_call();
        if round == 50 {
            settled = resident();
        }
    }
    assert!(
        eventually(|| (entries("/proc/self/task"), entries("/proc/self/fd")) <= before),
        "threads and descriptors: {before:?} before, {:?} after",
        (entries("/proc/self/task"), entries("/proc/self/fd"))
    );
    let grown = resident().saturating_sub(settled);
    println!("resident: {settled} KiB after 50 calls, {grown} KiB more after 200");
    // A call's objects are far more than 10 KiB each time.
    assert!(
        grown < 1536,
        "resident memory grew by {grown} KiB in 150 calls"
    );
}

#[test]
fn no_object_outlives_its_call() {
    isolation::init_with_leaks_tracer();
    for _ in 0..3 {
        one_call();
    }
    let tracer = tracer();
    tracer.emit_by_name::<()>("activity-start-tracking", &[]);
    for _ in 0..5 {
        one_call();
    }
    // Shared caches of templates and caps are no objects of a call.
    let ignored = ["GstCaps", "GstPadTemplate", "GstTaskPool"];
    let leaked = || {
        let mut counts = alive(&tracer);
        counts.retain(|name, _| !ignored.contains(&name.as_str()));
        counts
    };
    assert!(eventually(|| leaked().is_empty()), "{:?}", leaked());

    // The test can fail: something kept is seen.
    let kept = gst::ElementFactory::make("fsrtpconference")
        .build()
        .unwrap();
    assert!(leaked().contains_key("GstFsRtpConference"), "{kept:?}");
}

#[test]
fn a_hundred_calls_at_once() {
    isolation::init();
    let calls: Vec<_> = (0..100)
        .map(|_| pair_with(&["audio"], Some("PCMU")))
        .collect();
    for (a, b) in &calls {
        a.play();
        b.play();
    }
    let silent = || {
        calls
            .iter()
            .flat_map(|(a, b)| [a, b])
            .filter(|end| end.leg("audio").received.buffers() == 0)
            .count()
    };
    assert!(
        eventually(|| silent() == 0),
        "{} ends heard nothing",
        silent()
    );
    let complaints: Vec<_> = calls
        .iter()
        .flat_map(|(a, b)| [a, b])
        .flat_map(|end| end.log.complaints())
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
    // All end at once, from several threads.
    let ended = AtomicUsize::new(0);
    let mut ends: Vec<Endpoint> = calls.into_iter().flat_map(|(a, b)| [a, b]).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let share: Vec<_> = ends.drain(..50).collect();
            let ended = &ended;
            scope.spawn(move || {
                for end in share {
                    end.dispose();
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(ended.load(Ordering::SeqCst), 200);
}
