//! Event files for TensorBoard: records of TensorFlow's `Event` messages in protocol buffers
//! (`tensorflow/core/util/event.proto`, `tensorflow/core/framework/summary.proto`), each between its length and checksums.

use super::error::RunError;
use super::files::TENSORBOARD;
use super::folder::RunFolder;
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The first record of every file.
const VERSION: &str = "brain.Event:2";

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, so that 0 is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1: the session starts, and points of earlier files at its step and beyond do not count any more.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// An open event file.
#[derive(Debug)]
pub struct Board {
    file: File,
    path: PathBuf,
}

impl RunFolder {
    /// Begins a new event file. TensorBoard reads all of a run, and takes of the earlier ones what was before this update.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn board(&self, update: u64) -> Result<Board, RunError> {
        let folder = self.file(TENSORBOARD);
        fs::create_dir_all(&folder).map_err(|e| RunError::folder(&folder, e))?;
        // TensorBoard reads files in the order of their names, of which the first part is the time in seconds.
        let (seconds, process) = (now() as u64, std::process::id());
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.lethe.{process}"));
        let opened = File::options().create(true).append(true).open(&path);
        let mut board = Board { file: opened.map_err(|e| RunError::write(&path, e))?, path };
        board.event(0, What::FileVersion(VERSION.to_owned()))?;
        board.event(update as i64 + 1, What::SessionLog(SessionLog { status: 1 }))?;
        Ok(board)
    }

    /// Removes all event files, and their folder if it is then empty.
    pub(super) fn forget_board(&self) -> Result<(), RunError> {
        let folder = self.file(TENSORBOARD);
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
        let files = entries.filter_map(Result::ok).map(|entry| entry.path());
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.out.tfevents."))
        };
        files.filter(is_ours).try_for_each(|file| super::folder::remove(&file))?;
        // Fails if it contains other files, which are kept.
        let _ = fs::remove_dir(&folder);
        Ok(())
    }
}

impl Board {
    /// Appends numbers at a step: the number of updates made.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, step: u64, numbers: &[(&str, f64)]) -> Result<(), RunError> {
        let value = |(tag, number): &(&str, f64)| Value { tag: (*tag).to_owned(), simple_value: Some(*number as f32) };
        self.event(step as i64, What::Summary(Summary { value: numbers.iter().map(value).collect() }))
    }

    fn event(&mut self, step: i64, what: What) -> Result<(), RunError> {
        let event = Event { wall_time: now(), step, what: Some(what) };
        self.file.write_all(&record(&event.encode_to_vec())).map_err(|e| RunError::write(&self.path, e))
    }
}

/// The time in seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A message between its length and the checksums of both, as in TensorFlow's record files.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), message, &masked(message)].concat()
}

/// The CRC-32C of bytes, rotated and shifted so that it may be part of what a checksum is made of.
fn masked(bytes: &[u8]) -> [u8; 4] {
    CHECKSUM.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::run::Existing;

    /// The events of a file, whose checksums must be right.
    fn events(bytes: &[u8]) -> Vec<Event> {
        let (mut rest, mut events) = (bytes, vec![]);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let message = &rest[12..][..length];
            assert!(rest[8..12] == masked(&rest[..8]) && rest[12 + length..][..4] == masked(message));
            events.push(Event::decode(message).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn events_are_written_between_checksums_and_go_with_the_run() {
        // The published test value of CRC-32C.
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xe306_9283);
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        let mut board = run.board(7).unwrap();
        board.write(8, &[("loss/train", 0.5), ("accuracy/train", 0.0)]).unwrap();
        let events = events(&fs::read(&board.path).unwrap());
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 8, 8]);
        assert_eq!(events[0].what, Some(What::FileVersion(VERSION.to_owned())));
        let Some(What::Summary(summary)) = &events[2].what else { panic!("{events:?}") };
        assert_eq!((summary.value[0].tag.as_str(), summary.value[1].simple_value), ("loss/train", Some(0.0)));
        drop(run);
        RunFolder::create(folder.path(), Existing::Overwrite, &config()).unwrap();
        assert!(!folder.path().join(TENSORBOARD).exists());
    }
}
