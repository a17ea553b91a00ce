//! The lethe program.

fn main() -> std::process::ExitCode {
    lethe::cli::main(std::env::args_os())
}
