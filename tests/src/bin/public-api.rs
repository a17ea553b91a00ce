//! Prints docs/public-api.txt from what rustdoc says of the libraries as JSON; `.ci/public-api` calls it.

use public_api::Builder;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("# The public API. Made by `.ci/public-api docs/public-api.txt`; CI compares it.");
    for path in std::env::args().skip(1) {
        let api = Builder::from_rustdoc_json(&path)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build();
        match api {
            Ok(api) => api.items().map(|item| item.to_string()).for_each(|item| println!("{item}")),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
