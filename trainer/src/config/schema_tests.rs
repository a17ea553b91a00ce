//! The schema of configs beside what reads them.

use super::schema::{Bounds, RANGES, schema, takes_whole_numbers};
use super::tests::{WHOLE, documented};
use super::{Config, SECTIONS};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Table;

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// The config of the tests with these changes, as the program reads it and as an editor does.
fn changed(set: &[&str]) -> (Result<Config, String>, Value) {
    let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
    let mut table: Table = toml::from_str(WHOLE).unwrap();
    super::overrides::apply(&mut table, &set).unwrap();
    let read = Config::parse(WHOLE, Path::new("x.toml"), &set).map_err(|error| error.to_string());
    (read, serde_json::to_value(table).unwrap())
}

/// The schemas of all keys of a section, by their names; those of several kinds have several.
fn keys(section: &Value) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let kinds = section["oneOf"].as_array().cloned().unwrap_or_else(|| vec![section.clone()]);
    for (key, schema) in kinds.iter().flat_map(|kind| kind["properties"].as_object().unwrap()) {
        let table = if schema["items"]["properties"].is_object() { &schema["items"] } else { schema };
        if table["properties"].is_object() {
            for (inner, schemas) in keys(table) {
                all.entry(format!("{key}.{inner}")).or_default().extend(schemas);
            }
        } else {
            all.entry(key.clone()).or_default().push(schema.clone());
        }
    }
    all
}

#[test]
fn it_is_a_schema_of_every_documented_key_and_no_other() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let sections: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sections, SECTIONS.into_iter().collect());
    for name in SECTIONS {
        let keys = keys(&schema["properties"][name]);
        assert_eq!(keys.keys().cloned().collect::<BTreeSet<_>>(), documented(name), "[{name}]");
        for (key, schemas) in &keys {
            for schema in schemas {
                let text = schema["description"].as_str().unwrap_or_default();
                assert!(
                    text.len() > 3 && !text.contains("[`") && !text.contains("# Examples"),
                    "{name}.{key}: {schema}"
                );
            }
        }
    }
    let text = schema.to_string();
    assert!(!text.contains("\"null\"") && !text.contains("$ref") && !text.contains("\"format\""), "{text}");
}

#[test]
fn defaults_are_those_of_the_program() {
    let schema = schema();
    let (config, _) = changed(&["loss.kind=ce", "shrink.scaling=lr"]);
    let written = serde_json::to_value(toml::from_str::<Table>(&config.unwrap().to_toml()).unwrap()).unwrap();
    let mut compared = 0;
    for name in SECTIONS {
        for (key, schemas) in keys(&schema["properties"][name]) {
            let path = format!("/{name}/{}", key.replace('.', "/"));
            let Some(value) = written.pointer(&path).filter(|_| !WHOLE.contains(&format!("\n{key} = "))) else {
                continue;
            };
            for default in schemas.iter().filter_map(|schema| schema.get("default")).take(1) {
                // The first kind is the one that has it, but for the rules of [optim] that share a name.
                let is_shared = schemas.iter().any(|schema| schema.get("default") != Some(default));
                assert!(is_shared || default == value, "{path}: {default} {value}");
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn what_the_program_reads_and_writes_is_valid() {
    let validator = validator();
    for set in [
        &[][..],
        &["model.kind=mlp", "model.widths=[8]", "model.activation=gelu"],
        &["model.kind=mlp", "model.widths=[]", "model.activation={ leaky-relu = { slope = 0.1 } }"],
        &["model.kind=resnet", "model.block=basic", "model.blocks=[1]", "model.width=8", "model.head_bias=uniform"],
        &["model.head_bias=-ln C", "data.mean=[0.5]", "train.keep_checkpoints=3", "train.best=test_loss"],
        &["train.keep_checkpoints=true", "optim.betas=[0, 0.5]", "optim.lr=1", "perturb.lambda=0"],
        &["perturb.kind=none", "shrink.factor=1", "init.from=x", "data.augment={ flip = true }"],
        &["perturb.kind=steepest", "optim.kind=sgd", "optim.nesterov=true"],
        &["perturb.kind=random", "optim.kind=rmsprop", "optim.schedule=step", "optim.step_epochs=[1, 2]"],
        &["optim.kind=lion", "perturb.lambda=1/C"],
        &["optim.kind=adam", "data.only_classes=[0, 1]", "perturb.asam=both", "perturb.asam_scope=matrices"],
    ] {
        let (read, json) = changed(set);
        let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{set:?}: {errors:?}");
        let written: Table = toml::from_str(&read.unwrap().to_toml()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json!(written)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{set:?}, written: {errors:?}");
    }
}

#[test]
fn what_the_program_refuses_by_name_or_type_is_invalid() {
    let validator = validator();
    for set in [
        &["train.epoch=3"][..],
        &["modle.width=3"],
        &["data.augment.flop=true"],
        &["optim.momentum=0.9"],
        &["perturb.kind=steepest", "perturb.lambda=0.1"],
        &["perturb.kind=none", "perturb.rho=0.1"],
        &["model.blocks=[1]"],
        &["model.kind=vti"],
        &["model.kind=3"],
        &["optim.schedule=exponential"],
        &["perturb.lambda=1/K"],
        &["perturb.asam=3"],
        &["train.epochs=1.5"],
        &["train.batch=-64"],
        &["train.seed=x"],
        &["train.keep_checkpoints=all"],
        &["optim.betas=[0.9]"],
        &["data.only_classes=[0, -1]"],
        &["data.augment=3"],
        &["data.mean=grey"],
        &["model.width={a = 1}"],
        &["model.activation=softmax"],
        &["init.head=new"],
    ] {
        let (read, json) = changed(set);
        assert!(read.is_err() && !validator.is_valid(&json), "{set:?}: {read:?}");
    }
    for section in ["data", "model", "optim", "train"] {
        let (_, mut json) = changed(&[]);
        json.as_object_mut().unwrap().remove(section);
        assert!(!validator.is_valid(&json), "{section}");
    }
    for key in ["/train/epochs", "/model/kind", "/optim/lr", "/perturb/rho", "/data/dataset"] {
        let (_, mut json) = changed(&[]);
        let (section, key) = key.rsplit_once('/').unwrap();
        json.pointer_mut(section).unwrap().as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&json), "{section} {key}");
    }
}

/// What a key needs to be checked at all.
fn needs(key: &str) -> &'static [&'static str] {
    match key {
        "data.classes" => &["data.dataset=idx"],
        "data.eval_size" => {
            &["data.size=8", "model.kind=resnet", "model.block=basic", "model.blocks=[1]", "model.width=8"]
        }
        "data.augment.min_area" => &["data.augment.inception_crop=true"],
        "model.widths" => &["model.kind=mlp"],
        "model.blocks" => &["model.kind=resnet", "model.block=basic", "model.width=8"],
        "optim.alpha" => &["optim.kind=rmsprop"],
        "optim.momentum" => &["optim.kind=sgd"],
        "train.accumulate" => &["perturb.kind=none"],
        "perturb.asam_eta" => &["perturb.asam=both"],
        "perturb.rho_min" => &["perturb.rho_schedule=linear"],
        _ => &[],
    }
}

#[test]
fn numbers_out_of_a_range_are_refused_by_the_program_too() {
    let validator = validator();
    let schema = schema();
    for Bounds { key, bounds } in RANGES {
        let (section, name) = key.split_once('.').unwrap();
        let text = json!(keys(&schema["properties"][section])[name]).to_string();
        for (keyword, bound) in *bounds {
            assert!(text.contains(&format!("\"{keyword}\":")), "{key}: {text}");
            let step = if text.contains("\"type\":\"number\"") { 0.001 } else { 1.0 };
            let number = match *keyword {
                "minimum" => bound - step,
                "maximum" => bound + step,
                _ => *bound,
            };
            let value = match *key {
                "model.widths" | "model.blocks" => format!("[{number}]"),
                "loss.class_weights" => format!("[{number}, 1]"),
                "optim.betas" => format!("[{number}, 0.9]"),
                _ => number.to_string(),
            };
            let of_group = key.strip_prefix("optim.groups.");
            let set = match of_group {
                Some(name) => format!("optim.groups=[{{params=[\"*\"],{name}={value}}}]"),
                None => format!("{key}={value}"),
            };
            let key = of_group.map_or((*key).to_owned(), |name| format!("optim.groups[0].{name}"));
            let (read, json) = changed(&[needs(&key), &[&set]].concat());
            let message = read.unwrap_err();
            // A wrong type of a key in a section's own section is named with the latter.
            let last = key.rsplit('.').next().unwrap();
            let is_named = message.contains(&format!("{key} = ")) || message.contains(&format!("{{ {last} = "));
            assert!(is_named || message.contains("is missing"), "{set}: {message}");
            assert!(!validator.is_valid(&json), "{set}");
        }
    }
}

#[test]
fn whole_numbers_are_told_from_others_in_every_section() {
    let whole =
        ["train.batch", "model.depth", "perturb.m", "data.augment.crop_padding", "data.hold_out", "optim.patience"];
    let others = ["optim.lr", "optim.weight_decay", "data.augment.erase", "data.mean", "perturb.lambda", "train.ema"];
    whole.iter().for_each(|key| assert!(takes_whole_numbers(key), "{key}"));
    others.iter().chain(&["model.kind", "a.b", "optim"]).for_each(|key| assert!(!takes_whole_numbers(key), "{key}"));
}
