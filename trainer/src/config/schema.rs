//! The JSON Schema of a config, by which editors complete and check it. Keys, types, defaults and descriptions are those of the config's own types; what
//! they do not say, the ranges of numbers, is listed here, and a test holds each range against what the program refuses.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Config;

/// The name of the file that configs written by `lethe new` point their editors at.
pub const SCHEMA: &str = "lethe.schema.json";

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The bounds of a number, or of every number in a list.
pub(super) struct Bounds {
    /// The dotted name of the key.
    pub key: &'static str,
    /// The keywords with their numbers.
    pub bounds: &'static [(&'static str, f64)],
}

const fn bounds(key: &'static str, bounds: &'static [(&'static str, f64)]) -> Bounds {
    Bounds { key, bounds }
}

const POSITIVE: &[(&str, f64)] = &[("exclusiveMinimum", 0.0)];
const NOT_NEGATIVE: &[(&str, f64)] = &[("minimum", 0.0)];
const COUNT: &[(&str, f64)] = &[("minimum", 1.0)];
const SHARE: &[(&str, f64)] = &[("minimum", 0.0), ("exclusiveMaximum", 1.0)];
const UNIT: &[(&str, f64)] = &[("minimum", 0.0), ("maximum", 1.0)];
const FACTOR: &[(&str, f64)] = &[("minimum", 0.0), ("maximum", 10.0)];
const ALPHA: &[(&str, f64)] = &[("minimum", 0.0), ("maximum", 1000.0)];
const PART: &[(&str, f64)] = &[("exclusiveMinimum", 0.0), ("maximum", 1.0)];
const SIDE: &[(&str, f64)] = &[("minimum", 1.0), ("maximum", 16384.0)];
const WIDTH: &[(&str, f64)] = &[("minimum", 1.0), ("maximum", 1_048_576.0)];
const DEPTH: &[(&str, f64)] = &[("minimum", 1.0), ("maximum", 1000.0)];

/// The ranges of numbers, as far as they do not depend on other keys.
pub(super) const RANGES: &[Bounds] = &[
    bounds("data.classes", &[("minimum", 2.0), ("maximum", 256.0)]),
    bounds("data.hold_out", COUNT),
    bounds("data.train_limit", COUNT),
    bounds("data.size", SIDE),
    bounds("data.eval_size", SIDE),
    bounds("data.mean", UNIT),
    bounds("data.std", PART),
    bounds("data.augment.min_area", PART),
    bounds("data.augment.brightness", FACTOR),
    bounds("data.augment.contrast", FACTOR),
    bounds("data.augment.saturation", FACTOR),
    bounds("data.augment.hue", &[("minimum", 0.0), ("maximum", 0.5)]),
    bounds("data.augment.rand_augment", &[("minimum", 0.0), ("maximum", 14.0)]),
    bounds("data.augment.rand_magnitude", &[("minimum", 0.0), ("maximum", 30.0)]),
    bounds("data.augment.erase", UNIT),
    bounds("data.augment.mixup", ALPHA),
    bounds("data.augment.cutmix", ALPHA),
    bounds("model.widths", WIDTH),
    bounds("model.patch", WIDTH),
    bounds("model.width", WIDTH),
    bounds("model.heads", WIDTH),
    bounds("model.mlp_width", WIDTH),
    bounds("model.depth", DEPTH),
    bounds("model.dropout", SHARE),
    bounds("model.blocks", DEPTH),
    bounds("model.drop_path", SHARE),
    bounds("loss.label_smoothing", SHARE),
    bounds("loss.class_weights", NOT_NEGATIVE),
    bounds("optim.lr", POSITIVE),
    bounds("optim.min_lr", NOT_NEGATIVE),
    bounds("optim.decay_factor", &[("exclusiveMinimum", 0.0), ("exclusiveMaximum", 1.0)]),
    bounds("optim.weight_decay", NOT_NEGATIVE),
    bounds("optim.clip", POSITIVE),
    bounds("optim.layer_decay", PART),
    bounds("optim.groups.lr_scale", POSITIVE),
    bounds("optim.groups.decay_scale", NOT_NEGATIVE),
    bounds("optim.betas", SHARE),
    bounds("optim.alpha", SHARE),
    bounds("optim.eps", POSITIVE),
    bounds("optim.momentum", SHARE),
    bounds("perturb.rho", NOT_NEGATIVE),
    bounds("perturb.rho_min", NOT_NEGATIVE),
    bounds("perturb.m", COUNT),
    bounds("perturb.asam_eta", NOT_NEGATIVE),
    bounds("perturb.gsam_xi", NOT_NEGATIVE),
    bounds("perturb.lambda", SHARE),
    bounds("perturb.gamma", UNIT),
    bounds("shrink.factor", PART),
    bounds("train.epochs", &[("minimum", 0.0), ("maximum", 1_000_000.0)]),
    bounds("train.batch", COUNT),
    bounds("train.eval_batch", COUNT),
    bounds("train.threads", &[("minimum", 0.0), ("maximum", 1024.0)]),
    bounds("train.accumulate", COUNT),
    bounds("train.checkpoint_minutes", &[("minimum", 0.0), ("maximum", 1e9)]),
    bounds("train.max_skipped", COUNT),
    bounds("train.ema", SHARE),
    bounds("analysis.draws", COUNT),
];

/// The schema, of draft 2020-12. It uses no references and only what editors of TOML know.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    tidy(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".to_owned(), json!(DRAFT));
        root.insert("title".to_owned(), json!("A config of Lethe"));
        root.insert("description".to_owned(), json!("What `lethe train` trains; docs/config.md describes every key."));
    }
    for Bounds { key, bounds } in RANGES {
        let (section, rest) = key.split_once('.').expect("a dotted name");
        limit(&mut schema["properties"][section], &rest.split('.').collect::<Vec<_>>(), bounds);
    }
    schema
}

/// Whether the numbers that a key takes, given its dotted name, are whole numbers in every kind of its section that has it.
pub fn takes_whole_numbers(key: &str) -> bool {
    let mut found = vec![schema()];
    for part in key.split('.') {
        let own =
            |of: &Value| alternatives(of).filter_map(|one| one["properties"].get(part).cloned()).collect::<Vec<_>>();
        found = found.iter().flat_map(own).collect();
    }
    let has = |name: &str| found.iter().flat_map(alternatives).any(|one| one["type"] == name);
    has("integer") && !has("number")
}

/// A schema and those that it chooses from.
fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let choices = ["oneOf", "anyOf"].into_iter().filter_map(|word| schema[word].as_array()).flatten();
    std::iter::once(schema).chain(choices)
}

/// Adds bounds to the numbers of a key, in every kind of its section.
fn limit(object: &mut Value, path: &[&str], bounds: &[(&str, f64)]) {
    if let Some(kinds) = object.get_mut("oneOf").and_then(Value::as_array_mut) {
        kinds.iter_mut().for_each(|kind| limit(kind, path, bounds));
    }
    let Some(property) = object.get_mut("properties").and_then(|all| all.get_mut(path[0])) else { return };
    // A list of tables has the schema of its tables.
    let property = if property["items"]["properties"].is_object() { &mut property["items"] } else { property };
    if path.len() > 1 { limit(property, &path[1..], bounds) } else { bound(property, bounds) }
}

fn bound(schema: &mut Value, bounds: &[(&str, f64)]) {
    let Some(schema) = schema.as_object_mut() else { return };
    if schema.get("type").is_some_and(|of| of == "number" || of == "integer") {
        // Every unsigned number has a bound of its own already.
        schema.remove("minimum");
        for (keyword, number) in bounds {
            let whole = (number.fract() == 0.0).then_some(json!(*number as i64));
            schema.insert((*keyword).to_owned(), whole.unwrap_or(json!(number)));
        }
    }
    schema.get_mut("items").into_iter().for_each(|items| bound(items, bounds));
    let choices = schema.get_mut("anyOf").and_then(Value::as_array_mut);
    choices.into_iter().flatten().for_each(|choice| bound(choice, bounds));
}

/// Removes what TOML cannot say and what means nothing outside of Rust, and gives every kind of a section all of its keys.
fn tidy(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    ["title", "format", "$schema"].iter().for_each(|key| drop(object.remove(*key)));
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(text) = object.get("description").and_then(Value::as_str).map(plain) {
        object.insert("description".to_owned(), text.into());
    }
    without_null(object);
    distribute(object);
    for (key, value) in object.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(keys)) => keys.values_mut().for_each(tidy),
            ("anyOf" | "oneOf", Value::Array(choices)) => choices.iter_mut().for_each(tidy),
            ("items", items) => tidy(items),
            _ => {}
        }
    }
}

/// A description without examples and without links within Rust.
fn plain(text: &str) -> String {
    let text = text.split("\n# Examples").next().unwrap_or_default();
    text.replace("[`", "`").replace("`]", "`").trim().replace('\n', " ")
}

/// A key that may be left out never has the value null: TOML has none.
fn without_null(object: &mut Map<String, Value>) {
    if let Some(types) = object.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    for word in ["anyOf", "oneOf"] {
        let Some(choices) = object.get_mut(word).and_then(Value::as_array_mut) else { continue };
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            object.remove(word);
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}

/// Moves the keys that all kinds share into each of them, which then can refuse all others.
fn distribute(object: &mut Map<String, Value>) {
    let is_of_kinds = |kind: &Value| kind["properties"]["kind"].is_object();
    let Some(Value::Array(mut kinds)) = object.get("oneOf").filter(|kinds| is_of_kinds(&kinds[0])).cloned() else {
        return;
    };
    let shared = object.remove("properties").and_then(|shared| shared.as_object().cloned()).unwrap_or_default();
    let required = object.remove("required").and_then(|all| all.as_array().cloned()).unwrap_or_default();
    ["additionalProperties", "unevaluatedProperties"].iter().for_each(|key| drop(object.remove(*key)));
    for kind in kinds.iter_mut().filter_map(Value::as_object_mut) {
        kind.remove("unevaluatedProperties");
        kind.insert("additionalProperties".to_owned(), false.into());
        let description = kind.get("description").cloned().unwrap_or_default();
        if let Some(own) = kind.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
            own["kind"]["description"] = description;
            own.extend(shared.clone());
        }
        if let Some(own) = kind.entry("required").or_insert_with(|| json!([])).as_array_mut() {
            own.extend(required.iter().filter(|key| *key != "kind").cloned());
        }
    }
    object.insert("oneOf".to_owned(), kinds.into());
}
