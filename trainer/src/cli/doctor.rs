//! `lethe doctor`.

use super::device::{DeviceArg, list, threads};
use super::options::whole;
use super::output::{say, say_or_end, write_json};
use crate::doctor::{self, Checkup, Finding};
use crate::error::Error;
use crate::words::count;
use clap::Args;
use std::path::PathBuf;

/// What to check, and where to write the results.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    device: DeviceArg,
    /// Number of random cases per operation.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = whole::<u64>(1..=100_000))]
    cases: u64,
    /// Write all results as JSON, to attach to a bug report.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Checks the device and prints a line for each operation, then a summary.
pub fn examine(args: &DoctorArgs) -> Result<(), Error> {
    let folder = args.json.as_ref().and_then(|path| path.parent()).filter(|folder| !folder.as_os_str().is_empty());
    if let (Some(folder), Some(path)) = (folder.filter(|folder| !folder.is_dir()), &args.json) {
        let error =
            std::io::Error::new(std::io::ErrorKind::NotFound, format!("there is no folder {}", folder.display()));
        return Err(Error::Write { path: path.clone(), error });
    }
    // With a file to write, the check continues even if the output is no longer read.
    let say = if args.json.is_some() { say } else { say_or_end };
    let device = args.device.choice.open(threads(0))?;
    let machine = list();
    machine.iter().for_each(|line| say(line));
    say(&format!(
        "\nchecking {device}, {} per operation; errors in units of f32 rounding:\n",
        count(args.cases, "case")
    ));
    say(&format!("{:24} {:>9} {:>9} {:>9}", "operation", "compared", "values", "gradients"));
    let findings = doctor::examine(&device, args.cases, |f| say(&line(f)));
    let checkup = Checkup {
        version: env!("CARGO_PKG_VERSION"),
        machine,
        device: device.to_string(),
        cases: args.cases,
        findings,
    };
    if let Some(path) = &args.json {
        write_json(path, &checkup)?;
    }
    let (failed, all) = (checkup.failed(), checkup.findings.len());
    if failed > 0 {
        return Err(Error::Unsound { failed, all, device: checkup.device });
    }
    let worst = checkup.findings.iter().max_by(|a, b| a.worst.total_cmp(&b.worst)).expect("there are operations");
    say(&format!(
        "\nall {all} operations are correct on {}; the largest error is {:.0} % of what is allowed ({})",
        checkup.device,
        100.0 * worst.worst,
        worst.operation
    ));
    Ok(())
}

fn line(f: &Finding) -> String {
    match &f.failure {
        None => format!("{:24} {:>9} {:>9.2} {:>9.2}", f.operation, f.compared, f.values, f.gradients),
        Some(why) => format!("{:24} WRONG: {why}\n", f.operation),
    }
}
