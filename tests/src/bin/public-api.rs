//! Lists the public items of the libraries that rustdoc describes in these JSON files; `.ci/public-api` makes docs/public-api.txt of them.

use public_api::Builder;
use std::process::ExitCode;

fn main() -> ExitCode {
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
