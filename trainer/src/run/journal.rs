//! The journal of a run: which processes trained it, where and by which command, and what happened when. It only grows; unlike the metrics it is not the
//! same in every run of a config.

use super::clock::timestamp;
use super::error::RunError;
use super::files::{LOG, PROCESSES};
use super::folder::RunFolder;
use super::log::Log;
use lethe_tensor::Device;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::SystemTime;

/// A line of `processes.jsonl`.
#[derive(Serialize)]
struct Process {
    /// When it began, in UTC: `20260131-235959`.
    started: String,
    /// The update that it began at.
    update: u64,
    /// Its command line.
    command: Vec<String>,
    /// Lethe's version.
    version: &'static str,
    /// The device that trained.
    device: String,
    /// The CPU back end of this machine, with its vector instructions.
    host: String,
    /// The cores that it could use.
    cores: usize,
    /// The operating system and the processor's architecture.
    system: String,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: std::path::PathBuf,
}

impl RunFolder {
    /// Opens the journal, and records this process in it, which trains from this update on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn journal(&self, device: &Device, update: u64) -> Result<Journal, RunError> {
        let process = Process {
            started: timestamp(SystemTime::now()),
            update,
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION"),
            device: device.to_string(),
            host: Device::cpu().to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        };
        Log::open(&self.file(PROCESSES))?.record(&process)?;
        let path = self.file(LOG);
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let mut journal = Journal { file: opened.map_err(|e| RunError::write(&path, e))?, path };
        let (command, device) = (process.command.join(" "), process.device);
        journal.write(&format!("update {update}: {command} (version {}, {device})", process.version))?;
        Ok(journal)
    }
}

impl Journal {
    /// Appends a line, with the time before it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, line: &str) -> Result<(), RunError> {
        let line = format!("{} {line}\n", timestamp(SystemTime::now()));
        self.file.write_all(line.as_bytes()).map_err(|e| RunError::write(&self.path, e))
    }
}
