//! What can be wrong with a config, with messages that say how to fix it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::nearest::nearest;
use crate::words::Brief;

/// A config that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the config {}: {source}", path.display())]
    Read {
        /// The requested file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and column.
        message: String,
    },
    /// A `--set` that cannot be applied.
    #[error("--set {text}: {reason}")]
    Override {
        /// The argument as it was given.
        text: String,
        /// Why it cannot be applied.
        reason: String,
    },
    /// A section, key or value that is wrong, by itself or together with others or with the data.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        problem: Problem,
    },
}

/// One wrong section, key or value, without the name of its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key or section that does not exist.
    #[error("unknown {what} `{key}`{}; choose from {}", hint(suggestion), choices.join(", "))]
    Unknown {
        /// "key" or "section".
        what: &'static str,
        /// The dotted name found.
        key: String,
        /// The most similar existing name, if one is similar enough.
        suggestion: Option<String>,
        /// All names that exist there.
        choices: Vec<String>,
    },
    /// A key that other kinds of the section have.
    #[error("`{key}` belongs to kind = {}, not to \"{kind}\"; leave it out, or choose that kind", any_of(owners))]
    OtherKind {
        /// The dotted name.
        key: String,
        /// The kinds that have it.
        owners: Vec<String>,
        /// The kind of the section.
        kind: String,
    },
    /// A required key or section is missing.
    #[error("{what} `{key}` is missing{}", among(choices))]
    Missing {
        /// "key" or "section".
        what: &'static str,
        /// Its dotted name.
        key: String,
        /// Its possible values, if they are a short list.
        choices: Vec<String>,
    },
    /// A wrong value, with the reason and, if there are few, the choices.
    #[error("{key} = {}: {}", Brief(value), Brief(reason))]
    Value {
        /// The dotted name of the key.
        key: String,
        /// The value found, as TOML.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |s| format!(" (did you mean `{s}`?)"))
}

fn among(choices: &[String]) -> String {
    if choices.is_empty() { String::new() } else { format!("; choose from {}", choices.join(", ")) }
}

/// Words in quotes: `"a", "b" or "c"`.
fn any_of(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

impl Problem {
    /// An unknown key of a section, with the most similar of its keys.
    pub fn unknown_key(section: &str, key: &str, choices: &[&str]) -> Problem {
        Problem::Unknown {
            what: "key",
            key: format!("{section}.{key}"),
            suggestion: nearest(key, choices).map(|near| format!("{section}.{near}")),
            choices: choices.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    /// A wrong value of the key with this dotted name.
    pub fn value(key: &str, value: impl Display, reason: impl Into<String>) -> Problem {
        Problem::Value { key: key.to_owned(), value: value.to_string(), reason: reason.into() }
    }

    /// A value that is not one of a few words.
    pub fn choice(key: &str, value: impl Display, word: &str, choices: &[&str]) -> Problem {
        let near = nearest(word, choices).map_or_else(String::new, |near| format!(" (did you mean \"{near}\"?)"));
        Problem::value(key, value, format!("unknown choice{near}; choose from {}", choices.join(", ")))
    }

    /// The error of the file in which this was found.
    pub fn in_file(self, path: &Path) -> ConfigError {
        ConfigError::Invalid { path: path.to_owned(), problem: self }
    }
}

/// `Ok` if the condition holds, otherwise the error of a wrong value of `key`.
pub(super) fn require(holds: bool, key: &str, value: impl Display, reason: &str) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::value(key, value, reason)) }
}
