//! Counts, numbers and other programs' words in messages.

use std::any::Any;
use std::fmt;
use std::time::Duration;

/// A count with its noun in singular or plural: "1 epoch", "0 epochs", "2 classes", "3 batches".
pub fn count(number: impl TryInto<u64> + std::fmt::Display + Copy, thing: &str) -> String {
    if number.try_into().is_ok_and(|n| n == 1) { format!("1 {thing}") } else { format!("{number} {}", plural(thing)) }
}

/// The plural of a noun.
fn plural(thing: &str) -> String {
    let hisses = ["s", "x", "sh", "tch"].iter().any(|end| thing.ends_with(end));
    match thing.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{thing}{}", if hisses { "es" } else { "s" }),
    }
}

/// How a run ended that did not make all of its epochs.
pub fn stopped_early(done: usize, epochs: usize) -> String {
    format!("stopped early after {done} of {} (train.stop_after)", count(epochs, "epoch"))
}

/// A time span in its two largest units: `1h 02m`, `3m 20s`, `7s`.
pub fn human(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// The largest number of characters of a number that is written out.
const LONG: usize = 20;
/// The smallest number that is written out.
const SMALL: f64 = 1e-5;

/// A value in a message: numbers in it that are too long or too small to be read are in scientific notation.
pub struct Brief<T>(pub T);

impl<T: fmt::Display> fmt::Display for Brief<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let is_of_word = |c: char| c.is_alphanumeric() || "+-._/\\".contains(c);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len()));
            let (between, next) = after.split_at(after.find(is_of_word).unwrap_or(after.len()));
            match unreadable(word) {
                Some(number) => write!(f, "{number:e}{between}")?,
                None => write!(f, "{word}{between}")?,
            }
            rest = next;
        }
        Ok(())
    }
}

/// The number that a word is, if it is too long or too small to be read.
fn unreadable(word: &str) -> Option<f64> {
    let number = word.parse::<f64>().ok().filter(|x| x.is_finite())?;
    (word.len() > LONG || (number != 0.0 && number.abs() < SMALL)).then_some(number)
}

/// What serde says of a value, as "expected …, found …" without the names of Rust's types.
pub fn plain(message: &str) -> String {
    const WORD: &str = "expected a word in quotes";
    let list = |length: &str| format!("a list of {length}");
    let (wanted, got) = if let Some((length, wanted)) = parts(message, "invalid length ") {
        (wanted, list(length))
    } else if let Some((got, wanted)) = parts(message, "invalid type: ").or_else(|| parts(message, "invalid value: ")) {
        (wanted, found(got))
    } else {
        return if message.starts_with("wanted exactly 1 element") { WORD.to_owned() } else { message.to_owned() };
    };
    let wanted = match wanted {
        "string only" => return WORD.to_owned(),
        "usize" | "u64" => "a whole number, 0 or more".to_owned(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table of keys".to_owned(),
        "fewer elements in array" => "a shorter list".to_owned(),
        other if other.starts_with("struct ") => "a table of keys".to_owned(),
        other => other.strip_prefix("an array of length ").map_or_else(|| other.to_owned(), list),
    };
    format!("expected {wanted}, found {got}")
}

/// What a JSON file holds instead of what was expected, and where.
pub fn unlike(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "something else" } else { "text that is not JSON" };
    format!("{what} in line {}, column {}", error.line(), error.column())
}

/// The message of a panic that was caught.
pub fn of_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// What stands between the beginning of a message and ", expected ", and what follows.
fn parts<'a>(message: &'a str, start: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(start)?.rsplit_once(", expected ")
}

/// Serde's description of what it found.
fn found(described: &str) -> String {
    let quoted = ["integer `", "floating point `", "boolean `"].iter().find_map(|start| described.strip_prefix(start));
    match (quoted.and_then(|text| text.strip_suffix('`')), described) {
        (Some(value), _) => value.to_owned(),
        (None, "sequence") => "a list".to_owned(),
        (None, "map") => "a table".to_owned(),
        (None, other) => other.strip_prefix("string ").unwrap_or(other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_read_whatever_their_size() {
        let brief = |value: &dyn fmt::Display| Brief(value).to_string();
        assert_eq!(
            [1e300, 1e-7, -1e-300, 0.5, 0.0, 1e15].map(|x| brief(&x)),
            ["1e300", "1e-7", "-1e-300", "0.5", "0", "1000000000000000"]
        );
        assert_eq!(brief(&u64::MAX), u64::MAX.to_string());
        assert_eq!(brief(&format!("[{}, 0.1]: nan, \"x\"; ½", 1e30)), "[1e30, 0.1]: nan, \"x\"; ½");
        let path = "/data/0.0000001/1000000000000000000000000";
        assert_eq!(brief(&path), path);
    }

    #[test]
    fn types_of_rust_are_not_named() {
        for (message, expected) in [
            ("invalid type: floating point `1.5`, expected usize", "expected a whole number, 0 or more, found 1.5"),
            ("invalid value: integer `-1`, expected u32", "expected a whole number from 0 to 4294967295, found -1"),
            ("invalid type: string \"a, expected b\", expected f64", "expected a number, found \"a, expected b\""),
            ("invalid type: integer `3`, expected struct AugmentConfig", "expected a table of keys, found 3"),
            ("invalid length 1, expected an array of length 2", "expected a list of 2, found a list of 1"),
            ("invalid type: map, expected a sequence", "expected a list, found a table"),
            ("invalid type: unit variant, expected string only", "expected a word in quotes"),
            ("something else", "something else"),
        ] {
            assert_eq!(plain(message), expected);
        }
    }

    #[test]
    fn words_agree_with_their_numbers() {
        let of = |thing| [0usize, 1, 2].map(|n| count(n, thing));
        assert_eq!(of("epoch"), ["0 epochs", "1 epoch", "2 epochs"]);
        assert_eq!(of("test image"), ["0 test images", "1 test image", "2 test images"]);
        assert_eq!(
            [count(2u64, "class"), count(2, "batch"), count(2, "key"), count(2, "entry")],
            ["2 classes", "2 batches", "2 keys", "2 entries"]
        );
        assert_eq!(count(1i32, "image") + &count(11, "image"), "1 image11 images");
    }

    #[test]
    fn spans_are_short() {
        let spans = [0, 59, 60, 200, 3599, 3600, 90_061].map(|s| human(Duration::from_secs(s)));
        assert_eq!(spans, ["0s", "59s", "1m 00s", "3m 20s", "59m 59s", "1h 00m", "25h 01m"]);
    }
}
