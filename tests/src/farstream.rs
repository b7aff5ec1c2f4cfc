// SPDX-License-Identifier: MPL-2.0
//! The original Farstream 0.2 (C library, Debian's packages) as the other end of a
//! call and as what benchmarks compare with. It always runs in processes of its own
//! that cannot see our plugins, whose names are the same.

use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::isolation::{build_dir, without_ours};
use crate::registry::VARIABLES;

/// The system's Python, which Debian's GObject bindings belong to.
const PYTHON: &str = "/usr/bin/python3";
/// Set where a test that cannot run is a failure.
const NO_SKIP: &str = "FARSTREAM_TESTS_NO_SKIP";
/// Exit status of [`PROBE`] if a package is missing.
const MISSING: i32 = 77;

/// Tells by exit status 77 which package is missing; all other errors are errors.
const PROBE: &str = "
import sys
def missing(package):
    print(package)
    sys.exit(77)
try:
    import gi
except ImportError:
    missing('python3-gi')
for name, version, package in (('Gst', '1.0', 'gir1.2-gstreamer-1.0'),
                               ('Farstream', '0.2', 'gir1.2-farstream-0.2')):
    try:
        gi.require_version(name, version)
    except ValueError:
        missing(package)
from gi.repository import Farstream, Gst
Gst.init(None)
if not Gst.ElementFactory.find('fsrtpconference'):
    missing('libfarstream-0.2-5')
";

/// An endpoint of the original Farstream that speaks the line
/// [`protocol`](crate::protocol). See its `--help` for what may be added.
///
/// # Errors
///
/// If its registry cannot be made.
pub fn peer() -> io::Result<Command> {
    let mut command = python()?;
    command.arg(source("farstream/peer.py"));
    Ok(command)
}

/// Whether the original Farstream is not installed, so that the calling test cannot
/// run. The reason is printed.
///
/// # Panics
///
/// If it is installed and does not work, or if `FARSTREAM_TESTS_NO_SKIP` is set.
pub fn skip() -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| missing().expect("the original Farstream works"));
    skip_without(reason.as_deref())
}

/// The same for tests of [`setup_bench`], which also need what is needed to compile it.
///
/// # Panics
///
/// As [`skip`].
pub fn skip_bench() -> bool {
    let mut exists = Command::new("pkg-config");
    exists.args(["--exists", "farstream-0.2"]);
    let found = exists.status().is_ok_and(|status| status.success());
    skip() || skip_without((!found).then_some("pkg-config or libfarstream-0.2-dev"))
}

fn skip_without(package: Option<&str>) -> bool {
    let Some(package) = package else {
        return false;
    };
    assert!(
        std::env::var_os(NO_SKIP).is_none(),
        "{package} is not installed, and {NO_SKIP} is set"
    );
    eprintln!("SKIPPED: {package} is not installed");
    true
}

fn missing() -> io::Result<Option<String>> {
    if !Path::new(PYTHON).exists() {
        return Ok(Some("python3".into()));
    }
    let output = python()?.args(["-c", PROBE]).output()?;
    match output.status.code() {
        Some(0) => Ok(None),
        Some(MISSING) => {
            let package = String::from_utf8_lossy(&output.stdout);
            Ok(Some(package.trim().into()))
        }
        _ => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Err(Error::other(format!("{}: {stderr}", output.status)))
        }
    }
}

fn python() -> io::Result<Command> {
    let (registry, cache) = without_ours("farstream")?;
    let mut command = plain(PYTHON);
    command
        .env("GST_REGISTRY", registry)
        .env("GST_REGISTRY_UPDATE", "no")
        .env("XDG_CACHE_HOME", cache)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// `program` without anything that shows it our plugins.
fn plain(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in VARIABLES {
        command.env_remove(name);
    }
    // Farstream itself would not survive fatal warnings.
    command.env_remove("G_DEBUG").env_remove("FS_PLUGIN_PATH");
    command
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The benchmark `bench/farstream_setup.c`, compiled if need be: sets up calls and
/// prints the milliseconds that each took. Its cache is where GStreamer and Farstream
/// keep it by default, since Farstream does not find it elsewhere as it would for its users.
///
/// # Errors
///
/// If it does not compile (a C compiler, pkg-config, libfarstream-0.2-dev and
/// libgstreamer1.0-dev are needed).
pub fn setup_bench() -> io::Result<Command> {
    let dir = build_dir()?;
    let (from, program) = (
        source("bench/farstream_setup.c"),
        dir.join("farstream_setup"),
    );
    let time = |path: &Path| fs::metadata(path).and_then(|m| m.modified());
    if time(&program).is_err() || time(&program)? < time(&from)? {
        let flags = run(Command::new("pkg-config").args([
            "--cflags",
            "--libs",
            "farstream-0.2",
            "gstreamer-1.0",
        ]))?;
        // Under another name first, for whoever runs it at the same time.
        let new = dir.join(format!("farstream_setup.{}", std::process::id()));
        run(Command::new("cc")
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-o"])
            .args([&new, &from])
            .args(flags.split_whitespace()))?;
        fs::rename(&new, &program)?;
    }
    let cache = dir.join("farstream_cache");
    fs::create_dir_all(&cache)?;
    let mut inspect = plain("gst-inspect-1.0");
    run(inspect.arg("coreelements").env("XDG_CACHE_HOME", &cache))?;
    let mut command = plain(program);
    command.env("XDG_CACHE_HOME", cache);
    Ok(command)
}

/// Runs a program to its end and answers what it printed.
fn run(command: &mut Command) -> io::Result<String> {
    let output = command
        .output()
        .map_err(|e| Error::new(e.kind(), format!("{command:?}: {e}")))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(Error::other(format!("{command:?}: {stderr}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_plugins_are_hidden_from_it() {
        crate::isolation::init();
        let command = python().unwrap();
        let value = |name: &str| {
            let mut envs = command.get_envs();
            envs.find(|(key, _)| *key == name)
                .and_then(|(_, value)| value)
        };
        assert_eq!(value("GST_PLUGIN_PATH"), None);
        let registry = fs::read(value("GST_REGISTRY").unwrap()).unwrap();
        let ours = crate::isolation::plugin_dir().unwrap();
        let ours = ours.as_os_str().as_encoded_bytes();
        let holds = |bytes: &[u8]| bytes.windows(ours.len()).any(|window| window == ours);
        assert!(!holds(&registry));
        // The check itself finds it where it should be.
        let own = fs::read(std::env::var_os("GST_REGISTRY").unwrap()).unwrap();
        assert!(holds(&own));
    }

    #[test]
    fn a_peer_without_media_says_so() {
        crate::isolation::init();
        if skip() {
            return;
        }
        let output = peer().unwrap().output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("neither --audio nor --video"));
    }

    #[test]
    fn it_refuses_to_run_with_our_plugins() {
        crate::isolation::init();
        if skip() {
            return;
        }
        // As if somebody had forgotten to hide them.
        let mut command = crate::isolation::command(PYTHON).unwrap();
        command.env_remove("G_DEBUG");
        command.arg(source("farstream/peer.py")).arg("--audio");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("not Farstream's own plugin"), "{stderr}");
    }
}
