//! Config files, and changes of them: what is taken has a text that reads as the same config.
#![no_main]

use lethe::config::Config;
use lethe_fuzz as _; // for its limit of memory
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What follows a line of three dashes are changes, one in a line.
    let (text, changes) = text.split_once("\n---\n").unwrap_or((text, ""));
    let changes: Vec<String> = changes.lines().map(str::to_owned).collect();
    let path = Path::new("fuzzed.toml");
    if let Ok(config) = Config::parse(text, path, &changes) {
        let again = Config::parse(&config.to_toml(), path, &[]).expect("what was written is a config");
        // As text: NaN would not equal itself.
        assert_eq!(again.to_toml(), config.to_toml());
    }
    let _ = Config::parse_trained(text, path);
    Config::left_out(text, &changes);
});
