// SPDX-License-Identifier: MPL-2.0
//! The threads that serve all UDP sockets of the process.
//!
//! A few threads that never end, started with the first socket, each waiting in one poll. A socket
//! belongs to one of them for its life, so its packets are handled in order and never by two
//! threads at once. Nothing here knows elements, pads or candidates.

mod socket;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, LazyLock, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use socket::Drained;
pub use socket::{Handler, MAX_PAYLOAD, Socket};

/// More threads than this would not help: one serves hundreds of calls.
const MAX_THREADS: usize = 4;
const THREAD_NAME: &str = "fs-udp-io-";
/// Holds any UDP packet, so that none is ever cut.
const SCRATCH: usize = 65536;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "fsudpio",
        gst::DebugColorFlags::empty(),
        Some("Farstream UDP sockets and their threads"),
    )
});

static POOL: Mutex<Option<Arc<Pool>>> = Mutex::new(None);

/// The sockets of one thread. Weak: the pool keeps no socket open.
type Sockets = Mutex<HashMap<mio::Token, Weak<Socket>>>;

struct Pool {
    threads: Vec<IoThread>,
    next_token: Mutex<usize>,
}

struct IoThread {
    registry: mio::Registry,
    sockets: Arc<Sockets>,
}

/// A socket's place in the pool.
struct Place {
    pool: Arc<Pool>,
    thread: usize,
    token: mio::Token,
}

impl Pool {
    /// The pool of the process, started if this is the first call.
    fn get() -> io::Result<Arc<Self>> {
        let mut pool = POOL.lock();
        if let Some(pool) = &*pool {
            return Ok(pool.clone());
        }
        let count = thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS));
        let threads = (0..count).map(IoThread::start).collect::<io::Result<_>>()?;
        let started = Arc::new(Self {
            threads,
            next_token: Mutex::new(0),
        });
        *pool = Some(started.clone());
        Ok(started)
    }

    /// A place with the thread that has the fewest sockets.
    fn place(self: Arc<Self>) -> Place {
        let thread = (0..self.threads.len())
            .min_by_key(|&index| self.threads[index].sockets.lock().len())
            .unwrap_or_default();
        // Tokens are never used twice: an event of a closed socket must not reach another one.
        let token = {
            let mut next = self.next_token.lock();
            *next += 1;
            mio::Token(*next)
        };
        Place {
            pool: self,
            thread,
            token,
        }
    }
}

impl Place {
    fn thread(&self) -> &IoThread {
        &self.pool.threads[self.thread]
    }

    /// From here on the thread serves `source`, which is the heart of `socket`.
    fn register(&self, source: &mut mio::net::UdpSocket, socket: &Arc<Socket>) -> io::Result<()> {
        let thread = self.thread();
        thread
            .sockets
            .lock()
            .insert(self.token, Arc::downgrade(socket));
        thread
            .registry
            .register(source, self.token, mio::Interest::READABLE)
            .inspect_err(|_| self.forget())
    }

    fn deregister(&self, source: &mut mio::net::UdpSocket) {
        if let Err(error) = self.thread().registry.deregister(source) {
            gst::warning!(CAT, "cannot take a socket out of the poll: {error}");
        }
        self.forget();
    }

    fn forget(&self) {
        self.thread().sockets.lock().remove(&self.token);
    }
}

impl IoThread {
    fn start(index: usize) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let sockets = Arc::new(Sockets::default());
        thread::Builder::new()
            .name(format!("{THREAD_NAME}{index}"))
            .spawn({
                let sockets = sockets.clone();
                move || serve(poll, &sockets)
            })?;
        Ok(Self { registry, sockets })
    }
}

/// The life of an I/O thread. The poll reports a socket once when packets come, so a socket that
/// still has some after its turn is kept in `ready`; the turns keep a flooded socket from starving
/// the others.
fn serve(mut poll: mio::Poll, sockets: &Sockets) {
    let mut events = mio::Events::with_capacity(256);
    let mut scratch = vec![0; SCRATCH];
    let mut ready = BTreeSet::new();
    loop {
        let timeout = (!ready.is_empty()).then_some(Duration::ZERO);
        if let Err(error) = poll.poll(&mut events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            gst::error!(CAT, "cannot wait for packets: {error}");
            // Should not happen; if it does, it must not use a whole core.
            thread::sleep(Duration::from_millis(10));
        }
        ready.extend(events.iter().map(mio::event::Event::token));
        ready.retain(|token| {
            let socket = sockets.lock().get(token).and_then(Weak::upgrade);
            socket.is_some_and(|socket| socket.drain(&mut scratch) == Drained::NotYet)
        });
    }
}
