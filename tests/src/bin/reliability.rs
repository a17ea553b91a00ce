//! Kills and damages runs, and writes the table of docs/reliability.md.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    match unix::table(&unix::Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("reliability: {fault}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("reliability: this program kills others by Unix signals");
    std::process::exit(2);
}

#[cfg(unix)]
mod unix {
    use clap::Parser;
    use lethe_tests::document::write_table;
    use lethe_tests::reliability::{Fault, Row, Subject, damaged_files, dates_ahead, full_disk, kills, read_only};
    use std::path::PathBuf;

    /// Kills a training at random moments and resumes it, damages its files, fills its disk, and checks that nothing is lost.
    #[derive(Parser)]
    pub struct Args {
        /// The number of kills.
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// The number of flipped bits, and of files cut off.
        #[arg(long, default_value_t = 100)]
        damages: usize,
        /// The seed of the moments and places.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The program `lethe`; by default the one beside this program.
        #[arg(long)]
        program: Option<PathBuf>,
        /// The device that the runs train on.
        #[arg(long, default_value = "cpu")]
        device: String,
        /// Write the table to this file, below its last heading; by default to standard output.
        #[arg(long)]
        out: Option<PathBuf>,
    }

    pub fn table(args: &Args) -> Result<(), Fault> {
        let beside = || std::env::current_exe().map(|path| path.with_file_name("lethe"));
        let program = args.program.clone().map_or_else(beside, Ok)?;
        let folder = tempfile::tempdir()?;
        let subject = Subject::new(&program, folder.path(), &args.device)?;
        let mut rows = kills(&subject, args.kills, args.seed)?;
        rows.extend(damaged_files(&subject, args.damages, args.seed)?);
        rows.extend([full_disk(&subject)?, read_only(&subject)?, dates_ahead(&subject)?]);
        let line = |row: &Row| format!("| {} | {} | {} |\n", row.what, row.times, row.found);
        let table = format!(
            "| what happened to a run | times | what was found, each time |\n| --- | --- | --- |\n{}",
            rows.iter().map(line).collect::<String>()
        );
        match &args.out {
            None => print!("{table}"),
            Some(path) => write_table(path, &table)?,
        }
        Ok(())
    }
}
