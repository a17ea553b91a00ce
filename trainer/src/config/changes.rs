//! The differences between two configs, and which keys of a run can still be changed after it has begun.

use super::Config;
use crate::words::Brief;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use toml::{Table, Value};

/// A key with its values in two configs, as TOML; `None` where a config does not have the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The dotted name.
    pub key: String,
    /// Its old value.
    pub from: Option<String>,
    /// Its new value.
    pub to: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{} {} → {}", self.key, Brief(word(&self.from)), Brief(word(&self.to)))
    }
}

impl Change {
    /// All keys in which two configs differ, sorted by name.
    pub fn between(old: &Config, new: &Config) -> Vec<Change> {
        let (old, new) = (old.keys(), new.keys());
        let all: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let change = |key: &String| Change { key: key.clone(), from: old.get(key).cloned(), to: new.get(key).cloned() };
        all.into_iter().map(change).filter(|change| change.from != change.to).collect()
    }

    /// Whether results do not depend on the key.
    pub fn is_immaterial(&self) -> bool {
        matches!(
            self.key.as_str(),
            "train.threads"
                | "train.eval_batch"
                | "train.checkpoint_minutes"
                | "train.checkpoint_updates"
                | "train.tensorboard"
                | "model.recompute"
        )
    }

    /// Whether the key can change during training: the settings that each update reads, the number of epochs, and what is evaluated and saved.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn allowed(&self) -> Result<(), String> {
        let key = self.key.as_str();
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let reason = match (section, name) {
            ("optim", "lr" | "min_lr" | "schedule" | "warmup_epochs" | "clip") => return Ok(()),
            ("optim", "step_epochs" | "decay_factor" | "patience") => return Ok(()),
            ("perturb", "rho" | "rho_min" | "rho_schedule" | "rho_warmup_epochs") => return Ok(()),
            ("train", "epochs" | "threads" | "eval_batch" | "eval_every" | "keep_checkpoints" | "best") => {
                return Ok(());
            }
            ("train", "checkpoint_every" | "checkpoint_minutes" | "checkpoint_updates") => return Ok(()),
            ("train", "stop_after") => return Ok(()),
            ("train", "on_nonfinite" | "max_skipped" | "tensorboard") => return Ok(()),
            ("analysis", "every" | "protocol" | "draws") => return Ok(()),
            ("train", "batch" | "accumulate") => "updates would differ, and an epoch would have another number of them",
            ("train", "ema") => "the average is of all updates so far",
            ("train", "seed") => "the order of images and the random draws so far depend on it",
            ("data", _) => "the run has been trained on these images",
            ("model", "recompute") => return Ok(()),
            ("model", _) => "the parameters belong to this model",
            ("init", _) => "the run has already started",
            ("optim", _) => "the optimiser's state depends on it",
            ("analysis", _) => "it decides which images are trained on",
            _ => "the objective minimised so far depends on it",
        };
        Err(format!(
            "cannot change during training: {reason}; to start a new run from this one's weights: `lethe train \
             CONFIG --set init.from=RUN --set {key}=…`"
        ))
    }
}

impl Config {
    /// Every key by its dotted name, with its value as TOML.
    pub fn keys(&self) -> BTreeMap<String, String> {
        fn gather(prefix: &str, table: &Table, keys: &mut BTreeMap<String, String>) {
            for (key, value) in table {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                match value {
                    Value::Table(table) => gather(&name, table, keys),
                    value => drop(keys.insert(name, value.to_string())),
                }
            }
        }
        let table: Table = toml::from_str(&self.to_toml()).expect("what was written as TOML is TOML");
        let mut keys = BTreeMap::new();
        gather("", &table, &mut keys);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(set: &[&str]) -> Config {
        let text = "[data]\ndataset = \"digits\"\n[model]\nkind = \"mlp\"\nwidths = [4]\n[optim]\nkind = \"sgd\"\nlr = 1\n\
                    [train]\nepochs = 1\nbatch = 8\n";
        let set: Vec<String> = set.iter().map(|s| s.to_string()).collect();
        Config::parse(text, Path::new("x.toml"), &set).unwrap()
    }

    #[test]
    fn keys_that_differ_are_named_with_both_values() {
        let new = config(&["train.batch=16", "optim.clip=1.5", "data.augment.flip=true", "train.epochs=1"]);
        let changes = Change::between(&config(&[]), &new);
        let texts: Vec<String> = changes.iter().map(Change::to_string).collect();
        assert_eq!(texts, ["data.augment.flip false → true", "optim.clip nothing → 1.5", "train.batch 8 → 16"]);
        assert!(Change::between(&new, &new.clone()).is_empty());
    }

    #[test]
    fn what_an_update_reads_anew_can_change_and_what_it_was_made_of_cannot() {
        let of = |set: &[&str]| Change::between(&config(&[]), &config(set));
        let free = ["train.epochs=3", "optim.lr=2", "optim.schedule=constant", "optim.clip=1", "train.eval_every=2"];
        assert!(of(&free).iter().all(|change| change.allowed().is_ok()));
        for (set, word) in [
            ("train.batch=16", "number of them"),
            ("train.seed=1", "draws"),
            ("data.train_limit=64", "images"),
            ("model.widths=[5]", "model"),
            ("optim.momentum=0.5", "optimiser"),
            ("optim.weight_decay=0.5", "optimiser"),
            ("loss.kind=bce", "minimised"),
            ("analysis.split=held-out", "trained on"),
        ] {
            let changes = of(&[set]);
            let reason = changes[0].allowed().unwrap_err();
            assert!(reason.contains(word) && reason.contains("init.from=RUN"), "{set}: {reason}");
        }
    }
}
