// SPDX-License-Identifier: MPL-2.0
//! Takes parts of the media path down on a thread of its own.
//!
//! An application may destroy a session from one of the session's own streaming threads
//! (in `pad-added`, in a pad probe), where stopping elements would wait for itself. So
//! stopping is always left to a helper thread, and going to NULL waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The thread that does the jobs, while there are any.
    thread: Option<std::thread::ThreadId>,
    busy: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    idle: Condvar,
}

/// The jobs of one conference, done one after another.
#[derive(Clone, Default)]
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    /// Does `job` soon, after the ones before it.
    pub fn push(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state.lock();
        state.jobs.push_back(Box::new(job));
        if state.busy {
            return;
        }
        state.busy = true;
        let shared = self.shared.clone();
        let spawned = std::thread::Builder::new()
            .name("fs-teardown".into())
            .spawn(move || run(&shared));
        if spawned.is_err() {
            // No thread to be had: do it here rather than never.
            drop(state);
            run(&self.shared);
        }
    }

    /// Waits until all jobs are done. Does not wait for itself when called by a job.
    pub fn wait(&self) {
        let mut state = self.shared.state.lock();
        while state.busy && state.thread != Some(std::thread::current().id()) {
            self.shared.idle.wait(&mut state);
        }
    }
}

fn run(shared: &Shared) {
    loop {
        let job = {
            let mut state = shared.state.lock();
            state.thread = Some(std::thread::current().id());
            match state.jobs.pop_front() {
                Some(job) => job,
                None => {
                    state.busy = false;
                    state.thread = None;
                    shared.idle.notify_all();
                    return;
                }
            }
        };
        job();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn waiting_sees_every_job_done_also_those_pushed_by_jobs() {
        let worker = Worker::default();
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let (inner, count) = (worker.clone(), done.clone());
            worker.push(move || {
                count.fetch_add(1, Ordering::SeqCst);
                let count = count.clone();
                inner.push(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                });
                inner.wait();
            });
        }
        worker.wait();
        assert_eq!(done.load(Ordering::SeqCst), 6);
    }
}
