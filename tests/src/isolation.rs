// SPDX-License-Identifier: MPL-2.0
//! Runs the process against our freshly built plugins and nothing of the user's
//! GStreamer state.
//!
//! [`init`] goes first in every test and test program. GStreamer reads its
//! environment when it starts, so the process starts itself once more with the
//! right one: our plugins first in the search path, a registry and a cache
//! directory of its own, and in tests warnings that abort.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Error};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gst::prelude::*;

use crate::registry::{Base, VARIABLES, link_plugins};

/// The libraries that make up the product.
const PLUGINS: [&str; 4] = [
    "libfsmsnconference.so",
    "libfsrawconference.so",
    "libfsrtpconference.so",
    "libfstransmitters.so",
];

/// Set to the process id in a process that runs isolated. It means nothing to the
/// children that inherit it, so that each gets a registry of its own.
const MARKER: &str = "FARSTREAM_TESTS_ISOLATED";

/// Value of `G_DEBUG`.
const FATAL_WARNINGS: &str = "fatal-warnings";

/// A directory of a process that ended is kept at least for this long.
const GRACE: Duration = Duration::from_secs(60);

/// Initialises GStreamer in an isolated process, starting the program again first
/// if need be: whatever the program did before this call, it does twice. GLib's
/// warnings abort.
///
/// # Panics
///
/// If the conditions cannot be made.
pub fn init() {
    start(&[("G_DEBUG", FATAL_WARNINGS)]);
}

/// The same with GStreamer's leaks tracer running, which is slow.
///
/// # Panics
///
/// If the conditions cannot be made.
pub fn init_with_leaks_tracer() {
    start(&[("G_DEBUG", FATAL_WARNINGS), ("GST_TRACERS", "leaks")]);
}

/// The same for programs that meet users' files, about which some of GStreamer's
/// elements warn: nothing aborts.
///
/// # Panics
///
/// If the conditions cannot be made.
pub fn init_program() {
    start(&[]);
}

fn start(variables: &[(&str, &str)]) {
    static STATE: OnceLock<File> = OnceLock::new();
    STATE.get_or_init(|| {
        let place = Place::of_this_process().expect("a directory for temporary files");
        if std::env::var(MARKER) != Ok(std::process::id().to_string()) {
            let error = place.start_again(variables);
            panic!("cannot start {} again: {error}", place.exe.display());
        }
        let lock = File::create(place.run().join("lock")).expect("a lock file");
        lock.lock().expect("the lock on the directory");
        gst::init().expect("GStreamer");
        lock
    });
}

/// A command for another program under the conditions of this one, with a registry
/// and cache of its own.
///
/// # Errors
///
/// If the registry cannot be made.
pub fn command(program: impl AsRef<OsStr>) -> io::Result<Command> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let place = Place::of_this_process()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = place.run().join(number.to_string());
    let debug = std::env::var("G_DEBUG").ok();
    let variables: Vec<_> = debug
        .iter()
        .map(|value| ("G_DEBUG", value.as_str()))
        .collect();
    place.command(program.as_ref(), &dir, &variables)
}

/// Fails unless the element `factory` comes from our own plugins.
///
/// # Panics
///
/// If there is no such element, or if it is somebody else's.
#[track_caller]
pub fn assert_ours(factory: &str) {
    let Some(found) = gst::ElementFactory::find(factory) else {
        panic!("there is no element {factory}");
    };
    let file = found.plugin().and_then(|plugin| plugin.filename());
    let dir = plugin_dir().expect("our plugin directory");
    assert!(
        file.as_deref().and_then(Path::parent) == Some(&dir),
        "{factory} comes from {file:?}, not from {}",
        dir.display()
    );
}

/// The directory that holds our plugins and nothing else.
///
/// # Errors
///
/// If the running program cannot be found.
pub fn plugin_dir() -> io::Result<PathBuf> {
    Ok(Place::of_this_process()?.plugins())
}

/// An empty directory for the files of the test `name`. It stays, so that one can
/// look at what a failed test recorded, until the test runs again.
///
/// # Panics
///
/// If it cannot be made.
pub fn scratch_dir(name: &str) -> PathBuf {
    let place = Place::of_this_process().expect("a directory for temporary files");
    let dir = place.root.join("scratch").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    dir
}

/// The registry and cache of processes that must not see our plugins.
pub(crate) fn without_ours(name: &str) -> io::Result<(PathBuf, PathBuf)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let place = Place::of_this_process()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = place.run().join(format!("{name}-{number}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("cache"))?;
    let registry = dir.join("registry.bin");
    Base::new(place.root.join("system"), None).copy_to(&registry)?;
    Ok((registry, dir.join("cache")))
}

/// Waits until no other process of this profile holds the answer. What runs in real
/// time takes turns, since calls that share a machine spoil each other's figures.
/// [`peer::run`](crate::peer::run) does this by itself; whoever holds the answer must
/// not call it.
///
/// # Errors
///
/// If the lock file cannot be made.
pub fn turn() -> io::Result<File> {
    let root = Place::of_this_process()?.root;
    fs::create_dir_all(&root)?;
    let lock = File::create(root.join("turn"))?;
    lock.lock()?;
    Ok(lock)
}

/// A directory for programs that are built once, such as the benchmarks in C.
pub(crate) fn build_dir() -> io::Result<PathBuf> {
    let dir = Place::of_this_process()?.root.join("build");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Where things are on disk.
struct Place {
    exe: PathBuf,
    /// The target directory of the profile, such as `target/debug`.
    profile: PathBuf,
    /// Where everything temporary goes.
    root: PathBuf,
}

impl Place {
    fn of_this_process() -> io::Result<Self> {
        let exe = std::env::current_exe()?;
        let dir = exe
            .parent()
            .ok_or_else(|| Error::other("the program is in no directory"))?;
        // Tests are in deps, examples in examples, programs beside them.
        let inner = ["deps", "examples"];
        let profile = match dir.parent() {
            Some(parent) if inner.iter().any(|name| dir.ends_with(name)) => parent,
            _ => dir,
        };
        Ok(Self {
            profile: profile.to_owned(),
            root: profile.join("farstream-tests").join("tmp"),
            exe,
        })
    }

    fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// The directory of this process.
    fn run(&self) -> PathBuf {
        self.root.join("run").join(std::process::id().to_string())
    }

    /// Replaces the process by itself in an isolated environment. Answers only if
    /// that fails.
    fn start_again(&self, variables: &[(&str, &str)]) -> Error {
        self.sweep();
        match self.command(self.exe.as_os_str(), &self.run(), variables) {
            Ok(mut command) => command
                .args(std::env::args_os().skip(1))
                .env(MARKER, std::process::id().to_string())
                .exec(),
            Err(error) => error,
        }
    }

    /// `program` with the variables that isolate it and those given, and its files in
    /// `dir`.
    fn command(
        &self,
        program: &OsStr,
        dir: &Path,
        variables: &[(&str, &str)],
    ) -> io::Result<Command> {
        let plugins = self.plugins();
        // As a dependency of the tests a plugin is built into deps, by itself beside it.
        let places = [self.profile.join("deps"), self.profile.clone()];
        link_plugins(&plugins, &PLUGINS, &places)?;
        fs::create_dir_all(dir)?;
        let registry = dir.join("registry.bin");
        Base::new(self.root.join("ours"), Some(plugins.clone())).copy_to(&registry)?;
        let mut command = Command::new(program);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command
            .env_remove(MARKER)
            .env("GST_PLUGIN_PATH", plugins)
            .env("GST_REGISTRY", registry)
            .env("GST_REGISTRY_UPDATE", "no")
            .env("XDG_CACHE_HOME", dir.join("cache"))
            .env_remove("G_DEBUG")
            .env_remove("GST_TRACERS")
            .envs(variables.iter().copied());
        Ok(command)
    }

    /// Removes the directories of processes that ended. What cannot be removed
    /// stays until the next time.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("run")) else {
            return;
        };
        for dir in entries.flatten().map(|entry| entry.path()) {
            if is_abandoned(&dir) {
                let _ = fs::remove_dir_all(dir);
            }
        }
    }
}

/// Whether nobody holds the lock of a directory that had time to be locked.
fn is_abandoned(dir: &Path) -> bool {
    let age = fs::metadata(dir).and_then(|m| m.modified()).ok();
    let old = age
        .and_then(|time| time.elapsed().ok())
        .is_some_and(|age| age > GRACE);
    let is_free = match File::open(dir.join("lock")) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => true,
    };
    old && is_free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_sees_our_plugins_and_its_own_registry() {
        init();
        let run = Place::of_this_process().unwrap().run();
        let registry = std::env::var_os("GST_REGISTRY").unwrap();
        assert_eq!(Path::new(&registry), run.join("registry.bin"));
        assert!(run.join("registry.bin").exists());
        assert_eq!(std::env::var("G_DEBUG").unwrap(), "fatal-warnings");
        // The name of a plugin is that of Debian's, which must be hidden.
        for library in PLUGINS {
            let name = &library["lib".len()..library.len() - ".so".len()];
            let file = gst::Registry::get()
                .plugins()
                .into_iter()
                .filter_map(|plugin| plugin.filename())
                .find(|file| file.ends_with(library))
                .unwrap_or_else(|| panic!("{name} is not in the registry"));
            assert_eq!(file.parent(), Some(plugin_dir().unwrap().as_path()));
        }
    }

    #[test]
    fn the_registry_is_not_scanned_again() {
        init();
        let run = Place::of_this_process().unwrap().run();
        let base = Place::of_this_process().unwrap().root.join("ours");
        use std::os::unix::fs::MetadataExt;
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(
            inode(run.join("registry.bin")),
            inode(base.join("registry.bin"))
        );
    }

    #[test]
    fn our_element_is_ours() {
        init();
        assert_ours("fsrtpconference");
    }

    #[test]
    #[should_panic(expected = "fakesink comes from")]
    fn somebody_elses_element_is_not_ours() {
        init();
        assert_ours("fakesink");
    }

    #[test]
    #[should_panic(expected = "there is no element")]
    fn a_missing_element_is_not_ours() {
        init();
        assert_ours("fsnosuchelement");
    }

    #[test]
    fn children_get_a_registry_of_their_own() {
        init();
        let show = || {
            let mut command = command("sh").unwrap();
            let script = "echo $GST_REGISTRY; echo $GST_PLUGIN_PATH; test -f $GST_REGISTRY";
            let output = command.args(["-c", script]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let (one, two) = (show(), show());
        assert_ne!(one, two);
        let dir = plugin_dir().unwrap().display().to_string();
        assert!(one.contains(&dir) && two.contains(&dir));
        assert!(!one.starts_with(&std::env::var("GST_REGISTRY").unwrap()));
    }

    #[test]
    fn abandoned_directories_are_told_from_living_and_fresh_ones() {
        let dir = scratch_dir("abandoned");
        assert!(!is_abandoned(&dir), "fresh");
        let lock = File::create(dir.join("lock")).unwrap();
        lock.lock().unwrap();
        let old = std::time::SystemTime::now() - 2 * GRACE;
        File::open(&dir).unwrap().set_modified(old).unwrap();
        assert!(!is_abandoned(&dir), "locked");
        drop(lock);
        assert!(is_abandoned(&dir), "old and not locked");
    }
}
