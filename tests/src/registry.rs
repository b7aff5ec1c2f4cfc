// SPDX-License-Identifier: MPL-2.0
//! Registries of GStreamer plugins, made once and handed out as copies.
//!
//! Scanning a few hundred plugins takes a quarter of a second, so it is done once
//! for all processes under a file lock, and again when a plugin changes. Processes
//! then start from a copy of their own and with scanning switched off.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

/// Variables that decide which plugins a process sees. Those ending in `_1_0` go
/// before the plain ones, so both forms are taken away before one is set.
pub(crate) const VARIABLES: [&str; 6] = [
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_REGISTRY",
    "GST_REGISTRY_1_0",
    "GST_REGISTRY_UPDATE",
    "GST_REGISTRY_DISABLE",
];

/// Where the system's plugins are, if it is not GStreamer's own default.
const SYSTEM_PATH: [&str; 2] = ["GST_PLUGIN_SYSTEM_PATH_1_0", "GST_PLUGIN_SYSTEM_PATH"];

/// A registry from which others are copied.
pub(crate) struct Base {
    /// Holds the registry, its lock and what it was made from.
    dir: PathBuf,
    /// Directory of plugins that go before the system's.
    plugins: Option<PathBuf>,
}

impl Base {
    /// The registry kept in `dir`, of the system's plugins and those in `plugins`.
    pub(crate) fn new(dir: PathBuf, plugins: Option<PathBuf>) -> Self {
        Self { dir, plugins }
    }

    /// Puts an up-to-date copy at `to`.
    pub(crate) fn copy_to(&self, to: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let lock = File::create(self.dir.join("lock"))?;
        lock.lock()?;
        let base = self.dir.join("registry.bin");
        let key = self.dir.join("made-from");
        // The first line tells where the system's plugins are.
        let old = fs::read_to_string(&key).unwrap_or_default();
        let current = match old.lines().next() {
            Some(system) if base.exists() => self.fingerprint(Path::new(system))? == old,
            _ => false,
        };
        if !current {
            let system = self.make(&base)?;
            fs::write(&key, self.fingerprint(&system)?)?;
        }
        // GStreamer replaces a registry as a whole and never writes into it, so
        // another name for the same file is as good as a copy.
        let _ = fs::remove_file(to);
        fs::hard_link(&base, to).or_else(|_| fs::copy(&base, to).map(|_| ()))
    }

    /// Scans all plugins into `base` and answers where the system's are.
    fn make(&self, base: &Path) -> io::Result<PathBuf> {
        let new = self.dir.join("registry.new");
        let _ = fs::remove_file(&new);
        let mut inspect = Command::new("gst-inspect-1.0");
        inspect.arg("coreelements").stdin(Stdio::null());
        for name in VARIABLES {
            inspect.env_remove(name);
        }
        // Some of the system's plugins warn when scanned.
        inspect.env_remove("G_DEBUG").env("GST_REGISTRY", &new);
        if let Some(plugins) = &self.plugins {
            inspect.env("GST_PLUGIN_PATH", plugins);
        }
        let output = inspect
            .output()
            .map_err(|e| Error::other(format!("gst-inspect-1.0: {e} (gstreamer1.0-tools)")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let core = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Filename"))
            .map(|rest| Path::new(rest.trim()));
        let system = match core.and_then(Path::parent) {
            Some(dir) if output.status.success() => dir.to_owned(),
            _ => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                return Err(Error::other(format!("gst-inspect-1.0 failed: {stderr}")));
            }
        };
        fs::rename(&new, base)?;
        Ok(system)
    }

    /// Everything the content of the registry depends on.
    fn fingerprint(&self, system: &Path) -> io::Result<String> {
        let mut text = format!("{}\n{}\n", system.display(), stamp(system)?);
        for name in SYSTEM_PATH {
            let value = std::env::var_os(name).unwrap_or_default();
            text += &format!("{name}={}\n", value.display());
        }
        if let Some(dir) = &self.plugins {
            let mut files = fs::read_dir(dir)?
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()?;
            files.sort();
            for file in files {
                text += &format!("{} {}\n", file.display(), stamp(&file)?);
            }
        }
        Ok(text)
    }
}

/// Size and time of last change of what `path` points to.
fn stamp(path: &Path) -> io::Result<String> {
    let metadata =
        fs::metadata(path).map_err(|e| Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH);
    let nanos = changed.map(|d| d.as_nanos()).unwrap_or_default();
    Ok(format!("{} {nanos}", metadata.len()))
}

/// Makes `dir` hold links to the newest of each library in `libraries`, found in
/// the first of `places` that has it, and nothing else.
pub(crate) fn link_plugins(dir: &Path, libraries: &[&str], places: &[PathBuf]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let lock = File::create(dir.with_extension("lock"))?;
    lock.lock()?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !libraries.iter().any(|l| OsStr::new(l) == entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    for library in libraries {
        let link = dir.join(library);
        let file = places.iter().map(|p| p.join(library)).find(|f| f.exists());
        if file.is_some() && file == fs::read_link(&link).ok() {
            continue;
        }
        let _ = fs::remove_file(&link);
        if let Some(file) = file {
            std::os::unix::fs::symlink(file, &link)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = crate::isolation::scratch_dir(&format!("registry-{name}"));
        fs::create_dir_all(dir.join("plugins")).unwrap();
        dir
    }

    #[test]
    fn a_changed_plugin_renews_the_registry() {
        let dir = scratch("renewed");
        let base = Base::new(dir.join("base"), Some(dir.join("plugins")));
        base.copy_to(&dir.join("one")).unwrap();
        base.copy_to(&dir.join("two")).unwrap();
        let inode = |name: &str| {
            use std::os::unix::fs::MetadataExt;
            fs::metadata(dir.join(name)).unwrap().ino()
        };
        assert_eq!(inode("one"), inode("two"), "was scanned without need");
        fs::write(dir.join("plugins/libx.so"), "not a plugin").unwrap();
        base.copy_to(&dir.join("three")).unwrap();
        assert_ne!(inode("one"), inode("three"), "was not scanned again");
    }

    #[test]
    fn only_the_named_libraries_are_linked_from_the_first_place() {
        let dir = scratch("links");
        for (place, library) in [("a", "liba.so"), ("b", "liba.so"), ("b", "libb.so")] {
            fs::create_dir_all(dir.join(place)).unwrap();
            fs::write(dir.join(place).join(library), place).unwrap();
        }
        let plugins = dir.join("plugins");
        fs::write(plugins.join("libold.so"), "").unwrap();
        let places = [dir.join("a"), dir.join("b")];
        for _ in 0..2 {
            let libraries = ["liba.so", "libb.so", "libmissing.so"];
            link_plugins(&plugins, &libraries, &places).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(&plugins)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["liba.so", "libb.so"]);
        assert_eq!(fs::read_to_string(plugins.join("liba.so")).unwrap(), "a");
    }
}
