//! `lethe schema`: the configs of the repository and those that `lethe new` writes are valid.

#![cfg(feature = "program")]

mod common;

use common::{fails, runs};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&runs(&["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::validator_for(&schema).unwrap()
}

/// Why a config is not valid, in words.
fn errors(validator: &Validator, text: &str) -> Vec<String> {
    let json = json!(toml::from_str::<toml::Table>(text).unwrap());
    validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn all_configs_to_train_are_valid() {
    let validator = validator();
    let all = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs"));
    assert!(all.len() > 40);
    let mut texts: Vec<(String, String)> =
        all.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect();
    for data in ["digits", "mnist", "fashion", "cifar10", "cifar100"] {
        texts.push((data.to_owned(), runs(&["new", data])));
    }
    for (name, text) in texts {
        assert_eq!(errors(&validator, &text), [""; 0], "{name}");
        // And not for want of looking at them.
        let wrong = text.replace("[train]\n", "[train]\nepoch = 3\n");
        assert!(!errors(&validator, &wrong).is_empty(), "{name}");
    }
}

#[test]
fn a_new_config_may_name_the_schema_that_is_written_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let [config, schema] = ["a.toml", "own.json"].map(|name| at(name).display().to_string());
    runs(&["new", "digits", "--out", &config, "--schema"]);
    assert!(fs::read_to_string(&config).unwrap().starts_with("#:schema ./lethe.schema.json\n# "));
    runs(&["schema", "--out", &schema]);
    assert_eq!(fs::read_to_string(at("lethe.schema.json")).unwrap(), fs::read_to_string(&schema).unwrap());
    assert!(runs(&["check", &config, "--device", "cpu", "--updates", "1"]).contains("parameters: "));
    fails(&["new", "digits", "--schema"], 2, &["--schema", "needs --out"]);
    fails(&["schema", "--out", "/dev/null/x"], 1, &["/dev/null/x: cannot be written"]);
}
