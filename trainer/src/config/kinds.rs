//! The sections whose keys depend on their kind: which keys each kind has, and what becomes of a key that another kind has. In a file such a key is
//! refused; if `--set` changes the kind, the file's keys of the old kind are left out, and the program says which.

use toml::{Table, Value};

use super::error::Problem;
use super::model::{self, ModelConfig};
use super::optim::{OptimConfig, RULES};
use super::perturb::{self, PerturbConfig};

/// The sections with a kind, and their kinds.
const KINDS: [(&str, &[&str]); 3] = [("model", &model::KINDS), ("optim", &RULES), ("perturb", &perturb::KINDS)];

/// The keys of a section with this kind; `None` if the section has no kinds or not this one.
fn keys(section: &str, kind: &str) -> Option<Vec<&'static str>> {
    match section {
        "model" => ModelConfig::keys(kind),
        "optim" => OptimConfig::keys(kind),
        "perturb" => PerturbConfig::keys(kind),
        _ => None,
    }
}

/// Checks that no section has a key of another kind than its own.
pub fn check(table: &Table) -> Result<(), Problem> {
    for (section, kinds) in KINDS {
        let Some(entries) = table.get(section).and_then(Value::as_table) else { continue };
        let Some(kind) = entries.get("kind").and_then(Value::as_str) else { continue };
        let Some(own) = keys(section, kind) else { continue };
        for key in entries.keys().filter(|key| *key != "kind" && !own.contains(&key.as_str())) {
            let has_it = |kind: &&&str| keys(section, kind).is_some_and(|keys| keys.contains(&key.as_str()));
            let owners: Vec<String> = kinds.iter().filter(has_it).map(|kind| (*kind).to_owned()).collect();
            if !owners.is_empty() {
                return Err(Problem::OtherKind { key: format!("{section}.{key}"), owners, kind: kind.to_owned() });
            }
        }
    }
    Ok(())
}

/// Removes the keys that the old kind of a section has and the new one does not; returns them in words, if there are any.
pub fn change(table: &mut Table, section: &str, kind: &str) -> Option<String> {
    let entries = table.get_mut(section)?.as_table_mut()?;
    let old = entries.get("kind")?.as_str()?.to_owned();
    let (before, now) = (keys(section, &old)?, keys(section, kind)?);
    let is_gone = |key: &&String| before.contains(&key.as_str()) && !now.contains(&key.as_str());
    let gone: Vec<String> = entries.keys().filter(is_gone).cloned().collect();
    gone.iter().for_each(|key| drop(entries.remove(key)));
    let names: Vec<String> = gone.iter().map(|key| format!("{section}.{key}")).collect();
    let names = names.join(", ");
    (!gone.is_empty()).then(|| format!("{section}.kind = \"{kind}\" instead of \"{old}\" leaves out {names}"))
}
