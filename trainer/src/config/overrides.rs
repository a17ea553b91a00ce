//! `--set key=value`: changes of a config on the command line.

use toml::{Table, Value};

use super::error::ConfigError;
use super::kinds;

/// Writes each `key=value` into the table, in order. The key is a dotted path; the value is read as TOML or, if it is not
/// valid TOML, taken as a string (`data.dataset=digits`, `perturb.lambda=1/C`), unless it begins as a list or a table.
///
/// If the kind of a section changes, the file's keys that only the old kind has are removed; returned is which, in words.
pub fn apply(table: &mut Table, overrides: &[String]) -> Result<Vec<String>, ConfigError> {
    let pairs = overrides.iter().map(|text| {
        let reason = |reason| ConfigError::Override { text: text.clone(), reason };
        split(text).map(|(path, value)| (text, path, value)).map_err(reason)
    });
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    let mut left_out = Vec::new();
    for (_, path, value) in &pairs {
        if let ([section, "kind"], Value::String(kind)) = (&path[..], value) {
            left_out.extend(kinds::change(table, section, kind));
        }
    }
    for (text, path, value) in pairs {
        insert(table, &path, value).map_err(|reason| ConfigError::Override { text: text.clone(), reason })?;
    }
    Ok(left_out)
}

/// Refuses changes of what a run was trained with.
pub fn leave_training(overrides: &[String]) -> Result<(), ConfigError> {
    const FREE: [&str; 3] = ["perturb", "analysis", "loss"];
    let is_free = |key: &str| key == "train.eval_batch" || key.split_once('.').is_some_and(|(s, _)| FREE.contains(&s));
    let reason = "the run is already trained; a measurement can change only keys of perturb, analysis and loss, and train.eval_batch";
    match overrides.iter().find(|text| !is_free(text.split('=').next().unwrap_or_default().trim())) {
        Some(text) => Err(ConfigError::Override { text: text.clone(), reason: reason.to_owned() }),
        None => Ok(()),
    }
}

fn split(text: &str) -> Result<(Vec<&str>, Value), String> {
    let (path, text) = assigned(text)?;
    let value = value_of(text);
    if matches!(value, Value::String(_)) && text.starts_with(['[', '{']) {
        return Err(format!(
            "`{text}` is not a TOML value; shells take its quotes away unless the whole argument is in quotes: --set '…'"
        ));
    }
    Ok((path, value))
}

/// The parts of the dotted key, and the text of its value.
///
/// # Errors
/// The reason why it is no assignment.
pub fn assigned(text: &str) -> Result<(Vec<&str>, &str), String> {
    let (path, value) = text.split_once('=').ok_or("expected key=value, such as train.epochs=10")?;
    let path: Vec<&str> = path.trim().split('.').map(str::trim).collect();
    if path.len() < 2 || path.iter().any(|part| part.is_empty()) {
        return Err(format!("`{}` is not a dotted key; expected section.key, such as train.epochs", path.join(".")));
    }
    Ok((path, value.trim()))
}

fn insert(table: &mut Table, path: &[&str], value: Value) -> Result<(), String> {
    let (last, parents) = path.split_last().expect("split gives at least one part");
    let mut parent = table;
    for part in parents {
        let entry = parent.entry(*part).or_insert_with(|| Value::Table(Table::new()));
        parent = entry.as_table_mut().ok_or_else(|| format!("`{part}` is a value, not a section"))?;
    }
    parent.insert((*last).to_owned(), value);
    Ok(())
}

/// The text as a TOML value or, if it is not one, as a string.
pub fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    // More than one key means that the text contained another line; it is not a value then.
    let value = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(toml: &str, text: &str) -> Result<Table, String> {
        let mut table: Table = toml::from_str(toml).unwrap();
        apply(&mut table, &[text.to_owned()]).map_err(|e| e.to_string())?;
        Ok(table)
    }

    #[test]
    fn values_are_toml_or_bare_words() {
        for (text, expected) in [
            ("a.b=3", Value::Integer(3)),
            ("a.b = 3e-4", Value::Float(3e-4)),
            ("a.b=true", Value::Boolean(true)),
            ("a.b=\"3\"", Value::String("3".into())),
            ("a.b=digits", Value::String("digits".into())),
            ("a.b=1/C", Value::String("1/C".into())),
            ("a.b=x=y", Value::String("x=y".into())),
            ("a.b=", Value::String(String::new())),
            ("a.b=1\nc = 2", Value::String("1\nc = 2".into())),
            ("a.b=[1, 2]", Value::Array(vec![Value::Integer(1), Value::Integer(2)])),
            ("a.b=[{c=[\"d.*\"]}]", Value::Array(vec![Value::Table(toml::from_str("c = [\"d.*\"]").unwrap())])),
        ] {
            assert_eq!(set("[a]\nb = 1", text).unwrap()["a"]["b"], expected, "{text}");
        }
    }

    #[test]
    fn another_kind_leaves_out_what_only_the_old_one_has() {
        let mut table: Table =
            toml::from_str("[perturb]\nkind = \"obf\"\nrho = 1\nrh = 2\nlambda = 0\ngamma = 1").unwrap();
        let left_out = apply(&mut table, &["perturb.kind=steepest".to_owned()]).unwrap();
        let said = "perturb.kind = \"steepest\" instead of \"obf\" leaves out perturb.gamma, perturb.lambda";
        assert_eq!(left_out, [said]);
        let kept: Vec<&String> = table["perturb"].as_table().unwrap().keys().collect();
        assert_eq!(kept, ["kind", "rh", "rho"], "a key that no kind has is refused later");
        assert!(apply(&mut table, &["perturb.kind=steepest".to_owned()]).unwrap().is_empty());
    }

    #[test]
    fn paths_are_made_where_they_lack() {
        assert_eq!(set("", "a.b.c=1").unwrap()["a"]["b"]["c"], Value::Integer(1));
        assert_eq!(set("[a]\nx = 1", "a.y=2").unwrap()["a"]["x"], Value::Integer(1));
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for (text, word) in [("a.b", "expected key=value"), ("=1", "not a dotted key"), ("a..b=1", "not a dotted key")]
        {
            assert!(set("", text).unwrap_err().contains(word), "{text}");
        }
        assert!(set("", "a.b=[{c=[d.*]}]").unwrap_err().contains("`[{c=[d.*]}]` is not a TOML value"));
        assert!(set("", "epochs=1").unwrap_err().contains("section.key"));
        assert!(set("[a]\nb = 1", "a.b.c=1").unwrap_err().contains("`b` is a value"));
    }
}
