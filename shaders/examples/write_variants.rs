//! Writes every variant of the list as a WGSL file that stands alone, into the folder given: for reading, and for compilers.
//!
//!     cargo run -p lethe-shaders --example write_variants -- DIR

use lethe_shaders::{ParamsForm, variants};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dir) = std::env::args().nth(1) else {
        eprintln!("usage: write_variants DIR");
        return ExitCode::from(2);
    };
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&dir)?;
        for variant in variants() {
            let path = std::path::Path::new(&dir).join(variant.name() + ".wgsl");
            std::fs::write(path, variant.standalone(ParamsForm::Immediate))?;
        }
        Ok(())
    };
    match write() {
        Ok(()) => {
            println!("{} variants in {dir}", variants().len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{dir}: {error}");
            ExitCode::FAILURE
        }
    }
}
