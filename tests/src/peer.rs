// SPDX-License-Identifier: MPL-2.0
//! Two programs in a call: starts them, wires the stdout of each to the stdin of
//! the other, and keeps what they said. It knows the line [`protocol`] and nothing
//! of what the programs are.
//!
//! [`protocol`]: crate::protocol

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::protocol::Line;

/// How often it is checked whether a program ended.
const TICK: Duration = Duration::from_millis(20);

/// A program to start.
#[derive(Debug)]
pub struct Peer {
    /// What to call it in messages, and its log file.
    pub name: String,
    /// The program. Its standard streams and process group are set here.
    pub command: Command,
}

impl Peer {
    /// `command` under the name `name`.
    pub fn new(name: &str, command: Command) -> Self {
        Self {
            name: name.into(),
            command,
        }
    }
}

/// Told every line as it comes, with the name of who said it and the time since the start.
pub type Watch<'a> = dyn FnMut(&str, Duration, &Line) + 'a;

/// How to run a call.
pub struct Call<'a> {
    /// Directory for `NAME.log`, the stderr of each peer.
    pub output: PathBuf,
    /// When the peers are told to hang up if they have not by themselves.
    pub deadline: Duration,
    /// How long they may take to end after one of them hung up, or after the
    /// deadline, before they are killed.
    pub grace: Duration,
    /// Whoever wants to see the lines at once.
    pub watch: Option<Box<Watch<'a>>>,
}

impl Call<'_> {
    /// A call with the usual times, whose logs go to `output`.
    pub fn new(output: &Path) -> Self {
        Self {
            output: output.into(),
            deadline: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            watch: None,
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("output", &self.output)
            .field("deadline", &self.deadline)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// What one peer said and how it ended.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its lines and when they came, counted from the start of both.
    pub lines: Vec<(Duration, Line)>,
    /// How it ended.
    pub status: ExitStatus,
    /// Whether it had to be killed.
    pub killed: bool,
    /// The file with its stderr.
    pub log: PathBuf,
}

impl Account {
    /// The value of `key` in the last report that has it.
    pub fn report(&self, key: &str) -> Option<&str> {
        self.lines.iter().rev().find_map(|(_, line)| match line {
            Line::Report(pairs) => pairs
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, value)| value.as_str()),
            _ => None,
        })
    }

    /// When the first `state` line whose text begins with `word` came, and what
    /// follows the word.
    pub fn state(&self, word: &str) -> Option<(Duration, &str)> {
        self.lines.iter().find_map(|(time, line)| match line {
            Line::State(text) => {
                let rest = text.strip_prefix(word)?;
                (rest.is_empty() || rest.starts_with(' ')).then_some((*time, rest.trim()))
            }
            _ => None,
        })
    }

    /// Whether it ended by itself and says that all went well.
    pub fn is_clean(&self) -> bool {
        self.status.success() && !self.killed
    }

    /// The end of its stderr.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// How a call went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Both peers, in the order given.
    pub peers: [Account; 2],
    /// Whether the deadline ended the call.
    pub timed_out: bool,
}

impl Outcome {
    /// Fails with all that is known unless both peers ended by themselves, in time
    /// and without an error.
    ///
    /// # Panics
    ///
    /// If they did not.
    #[track_caller]
    pub fn assert_clean(&self) {
        let clean = !self.timed_out && self.peers.iter().all(Account::is_clean);
        assert!(clean, "the call went wrong\n{self}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out {
            writeln!(f, "the deadline ended the call")?;
        }
        for peer in &self.peers {
            let killed = if peer.killed { ", killed" } else { "" };
            writeln!(f, "{}: {}{killed}", peer.name, peer.status)?;
            for (time, line) in &peer.lines {
                writeln!(f, "  {:7.3} {line}", time.as_secs_f64())?;
            }
            writeln!(f, "  stderr ({}):", peer.log.display())?;
            let mut indented = String::new();
            for line in peer.log_tail().lines() {
                writeln!(indented, "    {line}")?;
            }
            f.write_str(&indented)?;
        }
        Ok(())
    }
}

enum Event {
    Line(usize, Duration, Line),
    Closed(usize),
}

/// A started peer. Its process group is killed when this goes away.
struct Running {
    name: String,
    log: PathBuf,
    child: Child,
    /// Lines for its stdin; none any more once it has to hang up.
    input: Option<Sender<String>>,
    lines: Vec<(Duration, Line)>,
    closed: bool,
    killed: bool,
}

/// Runs `peers` until both ended, after all other calls on this machine.
///
/// # Errors
///
/// If a program cannot be started.
pub fn run(peers: [Peer; 2], call: Call<'_>) -> io::Result<Outcome> {
    fs::create_dir_all(&call.output)?;
    let _turn = crate::isolation::turn()?;
    let start = Instant::now();
    let (events, inbox) = channel();
    let [a, b] = peers;
    let mut running = [
        Running::start(0, a, &call.output, start, &events)?,
        Running::start(1, b, &call.output, start, &events)?,
    ];
    drop(events);
    let timed_out = converse(&mut running, &inbox, call, start);
    let [a, b] = running.map(Running::finish);
    Ok(Outcome {
        peers: [a?, b?],
        timed_out,
    })
}

/// Passes lines on until both peers ended or were given up. Answers whether the
/// deadline ended the call.
fn converse(
    peers: &mut [Running; 2],
    inbox: &Receiver<Event>,
    mut call: Call<'_>,
    start: Instant,
) -> bool {
    let mut timed_out = false;
    let mut give_up = None;
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(Event::Line(from, time, line)) => {
                if let Some(watch) = &mut call.watch {
                    watch(&peers[from].name, time, &line);
                }
                if line == Line::Bye {
                    give_up.get_or_insert(Instant::now() + call.grace);
                }
                peers[1 - from].tell(&line.to_string());
                peers[from].lines.push((time, line));
            }
            Ok(Event::Closed(from)) => {
                peers[from].closed = true;
                peers[1 - from].input = None;
                give_up.get_or_insert(Instant::now() + call.grace);
            }
            Err(RecvTimeoutError::Timeout) => {
                // A grandchild may keep stdout open.
                if peers.iter().all(|peer| peer.closed || peer.has_ended()) {
                    break;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if give_up.is_none() && start.elapsed() > call.deadline {
            timed_out = true;
            give_up = Some(Instant::now() + call.grace);
            for peer in peers.iter_mut() {
                peer.tell("bye");
                peer.input = None;
            }
        }
        if give_up.is_some_and(|time| Instant::now() > time) {
            break;
        }
    }
    let give_up = give_up.unwrap_or_else(|| Instant::now() + call.grace);
    for peer in peers {
        while !peer.has_ended() && Instant::now() < give_up {
            thread::sleep(TICK);
        }
    }
    timed_out
}

impl Running {
    fn start(
        index: usize,
        mut peer: Peer,
        output: &Path,
        start: Instant,
        events: &Sender<Event>,
    ) -> io::Result<Self> {
        let log = output.join(format!("{}.log", peer.name));
        let mut child = peer
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .process_group(0)
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("{:?}: {e}", peer.command)))?;
        if let Some(stdout) = child.stdout.take() {
            read_lines(index, stdout, start, events.clone());
        }
        let input = child.stdin.take().map(write_lines);
        Ok(Self {
            name: peer.name,
            log,
            child,
            input,
            lines: Vec::new(),
            closed: false,
            killed: false,
        })
    }

    fn tell(&self, line: &str) {
        if let Some(input) = &self.input {
            // Fails only if the peer closed its stdin.
            let _ = input.send(format!("{line}\n"));
        }
    }

    /// Whether the process ended. It is left a zombie, which keeps its group's id.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match pid(&self.child) {
            Some(pid) => !matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(None)),
            None => true,
        }
    }

    /// Ends what is left of the process group.
    fn kill(&mut self) {
        if let Some(pid) = pid(&self.child) {
            self.killed |= !self.has_ended();
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    fn finish(mut self) -> io::Result<Account> {
        self.kill();
        let status = self.child.wait()?;
        Ok(Account {
            name: std::mem::take(&mut self.name),
            lines: std::mem::take(&mut self.lines),
            status,
            killed: self.killed,
            log: std::mem::take(&mut self.log),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not when it was waited for: its id may be somebody else's by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id().try_into().ok()?)
}

/// Reports every line of `stdout`, then its end.
fn read_lines(index: usize, stdout: ChildStdout, start: Instant, events: Sender<Event>) {
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n') {
            let Ok(line) = line else { break };
            let line = Line::parse(&String::from_utf8_lossy(&line));
            if events
                .send(Event::Line(index, start.elapsed(), line))
                .is_err()
            {
                return;
            }
        }
        let _ = events.send(Event::Closed(index));
    });
}

/// Writes lines to `stdin` without ever blocking whoever sends them.
fn write_lines(mut stdin: ChildStdin) -> Sender<String> {
    let (lines, inbox) = channel::<String>();
    thread::spawn(move || {
        for line in inbox {
            if stdin.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Peer {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Peer::new(name, command)
    }

    fn call(name: &str, a: &str, b: &str) -> Outcome {
        let call = Call {
            deadline: Duration::from_secs(2),
            grace: Duration::from_secs(2),
            ..Call::new(&crate::isolation::scratch_dir(&format!("peer-{name}")))
        };
        run([shell("a", a), shell("b", b)], call).unwrap()
    }

    const POLITE: &str = "while read line; do case $line in bye) break;; esac; done; echo bye";

    #[test]
    fn each_hears_what_the_other_says() {
        let outcome = call(
            "hears",
            "echo codecs audio a/b,x=1; read line; echo \"state heard $line\"; echo bye",
            "echo candidate audio ::1; read line; echo \"state heard $line\"; read line; \
             read line; echo report last=$line; echo on stderr >&2",
        );
        outcome.assert_clean();
        let [a, b] = &outcome.peers;
        assert_eq!(a.state("heard").unwrap().1, "candidate audio ::1");
        assert_eq!(b.state("heard").unwrap().1, "codecs audio a/b,x=1");
        assert_eq!(b.report("last"), Some("bye"));
        assert_eq!(b.log_tail(), "on stderr");
        assert_eq!(a.lines[2].1, Line::Bye);
        assert!(outcome.to_string().contains("on stderr"));
    }

    #[test]
    fn one_that_leaves_ends_the_others_input() {
        let outcome = call("leaves", "exit 0", "cat >/dev/null; echo state end");
        outcome.assert_clean();
        assert!(outcome.peers[1].state("end").is_some());
    }

    #[test]
    fn the_deadline_hangs_up() {
        let outcome = call("deadline", POLITE, POLITE);
        assert!(outcome.timed_out);
        assert!(outcome.peers.iter().all(Account::is_clean), "{outcome}");
        assert!(std::panic::catch_unwind(|| outcome.assert_clean()).is_err());
    }

    #[test]
    fn a_deaf_peer_is_killed_with_its_children() {
        let outcome = call(
            "deaf",
            "sleep 100 & echo state child $!; trap '' TERM; while :; do sleep 1; done",
            POLITE,
        );
        let [deaf, polite] = &outcome.peers;
        assert!(deaf.killed && !deaf.is_clean(), "{outcome}");
        assert!(polite.is_clean(), "{outcome}");
        let child: i32 = deaf.state("child").unwrap().1.parse().unwrap();
        let ended = || {
            // A zombie that nobody reaps in a container has ended, too.
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        let patience = Instant::now() + Duration::from_secs(5);
        while !ended() {
            assert!(Instant::now() < patience, "the child lives on");
            thread::sleep(TICK);
        }
    }

    #[test]
    fn a_failing_peer_is_not_clean() {
        let outcome = call("failing", "echo why >&2; exit 3", POLITE);
        assert_eq!(outcome.peers[0].status.code(), Some(3));
        assert_eq!(outcome.peers[0].log_tail(), "why");
        assert!(std::panic::catch_unwind(|| outcome.assert_clean()).is_err());
    }

    #[test]
    fn a_flood_to_a_peer_that_does_not_read_blocks_nobody() {
        let flood = "i=0; while [ $i -lt 3000 ]; do echo state $i \
                     aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done";
        let outcome = call("flood", flood, "sleep 1; echo bye");
        outcome.assert_clean();
        assert_eq!(outcome.peers[0].lines.len(), 3000);
    }

    #[test]
    fn lines_are_seen_as_they_come() {
        let mut seen = Vec::new();
        let dir = crate::isolation::scratch_dir("peer-watch");
        let mut settings = Call::new(&dir);
        settings.watch = Some(Box::new(|name, _, line| {
            seen.push(format!("{name}: {line}"));
        }));
        run([shell("a", "echo bye"), shell("b", POLITE)], settings).unwrap();
        assert_eq!(seen, ["a: bye", "b: bye"]);
    }

    #[test]
    fn a_program_that_cannot_start_is_an_error() {
        let dir = crate::isolation::scratch_dir("peer-missing");
        let missing = Peer::new("a", Command::new("/nonexistent"));
        let error = run([missing, shell("b", POLITE)], Call::new(&dir)).unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
