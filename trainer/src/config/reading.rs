//! Reads one section of a config into a struct, key by key, so that an error can name the key and its value.
//!
//! The keys of a struct come from serde itself: the structs are plain `Deserialize`, and no list of keys is kept twice.

use std::cell::RefCell;
use std::fmt;

use schemars::{Schema, json_schema};
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected, Visitor};
use toml::{Table, Value};

use super::error::Problem;
use crate::words::plain;

/// Reads the section `name`: every key must be a field of `T`, and every value must fit its field.
pub fn section<T: DeserializeOwned>(name: &str, table: Table) -> Result<T, Problem> {
    check_keys(name, &table, &[fields::<T>()])?;
    let current = RefCell::new(None);
    let entries = table.clone().into_iter().inspect(|(key, _)| *current.borrow_mut() = Some(key.clone()));
    // After the last value no key is wrong: what serde then reports is a missing field.
    let entries = entries.chain(std::iter::from_fn(|| {
        *current.borrow_mut() = None;
        None
    }));
    T::deserialize(MapDeserializer::<_, toml::de::Error>::new(entries))
        .map_err(|error| problem(name, current.borrow().as_ref(), &table, error.message()))
}

/// The problem of a section that serde's message describes; `key` is the key whose value it was reading.
fn problem(section: &str, key: Option<&String>, table: &Table, message: &str) -> Problem {
    let Some(key) = key else {
        return match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(missing) => Problem::Missing { what: "key", key: format!("{section}.{missing}"), choices: Vec::new() },
            None => Problem::value(section, Value::Table(table.clone()), plain(message)),
        };
    };
    let (name, value) = (format!("{section}.{key}"), &table[key]);
    let (what, choices) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    let choices: Vec<&str> = choices.split('`').skip(1).step_by(2).collect();
    let unknown = |what_it_is: &str| what.strip_prefix(what_it_is)?.strip_suffix('`');
    if let Some(word) = unknown("unknown variant `") {
        return Problem::choice(&name, value, word, &choices);
    }
    if let Some(field) = unknown("unknown field `") {
        return Problem::unknown_key(&name, field, &choices);
    }
    let reason = plain(message);
    // A single value is named before the reason.
    let is_single = !matches!(value, Value::Array(_) | Value::Table(_));
    let reason = reason.split_once(", found ").filter(|_| is_single).map_or(&*reason, |(expected, _)| expected);
    Problem::value(&name, value, reason)
}

/// Reads a section whose keys belong to two structs: those of `A`, and all others to `B`.
pub fn section_of_two<A: DeserializeOwned, B: DeserializeOwned>(name: &str, table: Table) -> Result<(A, B), Problem> {
    check_keys(name, &table, &[fields::<A>(), fields::<B>()])?;
    let (a, b): (Table, Table) = table.into_iter().partition(|(key, _)| fields::<A>().contains(&key.as_str()));
    Ok((section(name, a)?, section(name, b)?))
}

/// Removes the key that names a section's kind from its table, and returns its value.
pub fn take_choice(section: &str, key: &str, table: &mut Table, choices: &[&str]) -> Result<String, Problem> {
    let name = format!("{section}.{key}");
    match table.remove(key) {
        None => {
            Err(Problem::Missing { what: "key", key: name, choices: choices.iter().map(|c| (*c).to_owned()).collect() })
        }
        Some(Value::String(word)) if choices.contains(&word.as_str()) => Ok(word),
        Some(value) => Err(Problem::choice(&name, &value, value.as_str().unwrap_or_default(), choices)),
    }
}

/// Reads a number, or `None` for the one word that is allowed instead.
pub fn number_or<'de, D: Deserializer<'de>>(word: &'static str, deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(NumberOr(word))
}

/// What [`number_or`] reads, for editors.
pub fn number_or_schema(word: &str) -> Schema {
    json_schema!({ "anyOf": [{ "type": "number" }, { "const": word }] })
}

struct NumberOr(&'static str);

impl Visitor<'_> for NumberOr {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number or \"{}\"", self.0)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<f64>, E> {
        Ok(Some(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<f64>, E> {
        Ok(Some(value as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<f64>, E> {
        if text == self.0 { Ok(None) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }
}

fn check_keys(section: &str, table: &Table, fields: &[&[&str]]) -> Result<(), Problem> {
    let known = fields.concat();
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Problem::unknown_key(section, key, &known)),
        None => Ok(()),
    }
}

/// The names of the fields of `T`; none if `T` is not a struct.
pub fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Reading always fails; what matters are the fields that serde asks for before.
    let _ = T::deserialize(FieldNames(&mut names));
    names
}

/// A deserializer without data that records which fields it was asked for.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = toml::de::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
