//! Damaged files, disks that are full or read-only, and a clock that was set back.

use super::audit::audit;
use super::subject::{Subject, copy, random};
use super::{Fault, Row};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const LAST: &str = "checkpoint.safetensors";

/// The user and group `nobody`, for whom permissions hold also where the tests run as root.
const NOBODY: u32 = 65534;

/// Flips a bit of the last checkpoint, or cuts it off, at random places: `eval` must refuse it and name the checkpoint before, from which the run
/// is then resumed.
///
/// # Errors
/// If a damaged checkpoint is taken, or the run cannot be resumed.
pub fn damaged_files(subject: &Subject, count: usize, seed: u64) -> Result<Vec<Row>, Fault> {
    let (run, damaged) = (subject.killed_after("to-damage", 60)?, subject.run("damaged"));
    let bytes = fs::read(run.join(LAST))?;
    let flipped = |place: usize, bit: u64| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << bit;
        bytes
    };
    let cut = |place: usize, _| bytes[..place].to_vec();
    let damages: [(&str, &dyn Fn(usize, u64) -> Vec<u8>); 2] =
        [("a bit of the last checkpoint flipped", &flipped), ("the last checkpoint cut off", &cut)];
    let mut rows = vec![];
    for (kind, (what, damage)) in damages.iter().enumerate() {
        copy(&run, &damaged)?;
        for index in 0..count as u64 {
            let draw = |which: u64, bound| random(seed + kind as u64, 2 * index + which, bound);
            fs::write(damaged.join(LAST), damage(draw(0, bytes.len() as u64) as usize, draw(1, 8)))?;
            refused(&mut subject.command("eval", &damaged), "checkpoint-previous.safetensors")?;
        }
        let output = subject.resume(&damaged).args(["--checkpoint", "previous"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        subject.expect_whole(&damaged)?;
        let found = "`eval` refused it and named the checkpoint before, which is whole; resumed from that one, the run ended with the same bytes";
        rows.push(Row { what: what.to_string(), times: count, found: found.to_owned() });
    }
    Ok(rows)
}

/// Resumes a run on a disk that takes no more than a part of a checkpoint.
///
/// # Errors
/// If the program does not fail with the reason, or what was saved is lost.
pub fn full_disk(subject: &Subject) -> Result<Row, Fault> {
    let (run, full) = (subject.killed_after("to-fill", 60)?, subject.run("full"));
    let size = fs::metadata(run.join(LAST))?.len();
    const BLOCK: u64 = 512;
    let limits: Vec<u64> = (0..8).map(|eighths| size * eighths / 8 / BLOCK).collect();
    for limit in &limits {
        copy(&run, &full)?;
        let saved = audit(&full, None)?;
        // Beyond a limit on the size of files a write fails as on a full disk, once the signal that usually comes with it is ignored.
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let resume = subject.resume(&full);
        let mut limited = Command::new("sh");
        limited.args(["-c", &script, "sh"]).arg(resume.get_program()).args(resume.get_args());
        refused(&mut limited, "File too large")?;
        audit(&full, saved)?;
        subject.finish(&full)?;
    }
    Ok(Row {
        what: "the disk full, at eighths of a checkpoint".to_owned(),
        times: limits.len(),
        found: "the program ended with the file and the reason; what was saved is whole; resumed, the run ended with the same bytes".to_owned(),
    })
}

/// Resumes a run in a folder that may not be written.
///
/// # Errors
/// If the program does not say so, or the run cannot be resumed afterwards.
pub fn read_only(subject: &Subject) -> Result<Row, Fault> {
    let run = subject.killed_after("read-only", 60)?;
    let open_to_all = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for path in run
        .ancestors()
        .skip(1)
        .take_while(|path| path.starts_with(std::env::temp_dir()) && *path != std::env::temp_dir())
    {
        open_to_all(path, 0o755)?;
    }
    open_to_all(&run, 0o555)?;
    let saved = audit(&run, None)?;
    let mut resume = subject.resume(&run);
    if fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0) {
        resume.uid(NOBODY).gid(NOBODY);
    }
    refused(&mut resume, &run.display().to_string())?;
    open_to_all(&run, 0o755)?;
    audit(&run, saved)?;
    subject.finish(&run)?;
    let found = "the program said so; afterwards the run was resumed and ended with the same bytes";
    Ok(Row { what: "the folder read-only".to_owned(), times: 1, found: found.to_owned() })
}

/// Resumes a run whose files are dated a year ahead, as after a clock that was set back.
///
/// # Errors
/// If its result differs.
pub fn dates_ahead(subject: &Subject) -> Result<Row, Fault> {
    let run = subject.killed_after("ahead", 60)?;
    let ahead = SystemTime::now() + Duration::from_secs(365 * 24 * 3600);
    for entry in fs::read_dir(&run)? {
        let path = entry?.path();
        if path.is_file() {
            fs::File::options().append(true).open(path)?.set_modified(ahead)?;
        }
    }
    subject.finish(&run)?;
    let found = "the run was resumed and ended with the same bytes: nothing depends on the dates of a run's files";
    Ok(Row { what: "the clock set back by a year".to_owned(), times: 1, found: found.to_owned() })
}

/// Runs a command that must fail with status 1 and a message that contains this.
fn refused(command: &mut Command, part: &str) -> Result<(), Fault> {
    let output = command.output()?;
    let message = String::from_utf8_lossy(&output.stderr);
    match output.status.code() == Some(1) && message.contains(part) && !message.contains("panicked") {
        true => Ok(()),
        false => Err(format!("`{part}` is not in what it said, with {}: {message}", output.status).into()),
    }
}
