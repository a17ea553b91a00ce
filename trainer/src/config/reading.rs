//! Reads one section of a config into a struct, key by key, so that an error can name the key and its value.
//!
//! The keys of a struct come from serde itself: the structs are plain `Deserialize`, and no list of keys is kept twice.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected, Visitor};
use toml::{Table, Value};

use super::error::Problem;

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
    T::deserialize(MapDeserializer::<_, toml::de::Error>::new(entries)).map_err(|error| {
        let message = &in_plain_words(error.message());
        let key = current.borrow();
        match (key.as_ref(), message.strip_prefix("missing field `").and_then(|m| m.strip_suffix('`'))) {
            (Some(key), _) => Problem::value(&format!("{name}.{key}"), &table[key], &**message),
            (None, Some(missing)) => {
                Problem::Missing { what: "key", key: format!("{name}.{missing}"), choices: Vec::new() }
            }
            (None, None) => Problem::value(name, Value::Table(table.clone()), &**message),
        }
    })
}

/// Serde's message about a value, without the names of Rust types.
fn in_plain_words(message: &str) -> String {
    let words = [
        ("unknown variant", "unknown choice"),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
    ];
    words.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
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
