//! Helpers of the tests of folders and records.

use crate::config::Config;
use std::path::Path;

/// The config of a run that is not trained.
pub fn config() -> Config {
    let text = "[data]\ndataset = \"digits\"\n[model]\nkind = \"mlp\"\nwidths = [4]\n[optim]\nkind = \"sgd\"\nlr = 1\n\
                [train]\nepochs = 1\nbatch = 8\n";
    Config::parse(text, Path::new("x.toml"), &[]).unwrap()
}
