//! What `--set` of a sweep says: a key, and the values that it takes. Values are separated by commas that stand in no brackets and no quotes; a range
//! `LOW..HIGH` is drawn from, and with a number behind it becomes that many values.

use crate::config::{ConfigError, assigned, takes_whole_numbers, value_of};
use toml::Value;

/// The least and the most significant digits of numbers within a range: enough to tell them apart, few enough for the name of a folder. With the
/// most, numbers are what they are.
const DIGITS: [usize; 2] = [4, 17];
/// The largest number of values of a range.
const MOST: usize = 1000;
const NOTATION: &str = "expected LOW..HIGH, then `log` for equal ratios instead of equal distances, then the number of values, such as 0.01..1 log 5";

/// A key that a sweep sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its dotted name.
    pub key: String,
    /// The values that it takes.
    pub values: Values,
}

/// The values of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// These, all different.
    List(Vec<Value>),
    /// Those drawn from a range.
    Range(Range),
}

/// Numbers between two others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: f64,
    high: f64,
    /// Whether equal ratios are equally likely, and not equal distances.
    log: bool,
    /// Whether it has whole numbers only.
    whole: bool,
}

impl Axis {
    /// Reads the argument of a `--set`.
    ///
    /// # Errors
    /// If it is no assignment, a value is missing or given twice, or a range is none.
    pub fn parse(text: &str) -> Result<Axis, ConfigError> {
        let read = || {
            let (path, values) = assigned(text)?;
            let key = path.join(".");
            Ok(Axis { values: Values::parse(values, takes_whole_numbers(&key))?, key })
        };
        read().map_err(|reason| ConfigError::Override { text: text.to_owned(), reason })
    }

    /// Whether it has more than one value.
    pub fn varies(&self) -> bool {
        !matches!(&self.values, Values::List(values) if values.len() == 1)
    }
}

impl Values {
    /// `whole` is whether the key takes whole numbers only.
    fn parse(text: &str, whole: bool) -> Result<Values, String> {
        let pieces = pieces(text)?;
        let mut values: Vec<Value> = Vec::new();
        for piece in &pieces {
            match range(piece, whole)? {
                None => values.push(value_of(piece)),
                Some((range, Some(count))) => values.extend(range.spaced(count)?),
                Some((range, None)) if pieces.len() == 1 => return Ok(Values::Range(range)),
                Some((_, None)) => return Err(format!("{piece} is one of several values: {NOTATION}")),
            }
        }
        for (i, value) in values.iter().enumerate() {
            if values[..i].iter().any(|other| is_same(other, value)) {
                return Err(format!("{value} is given twice"));
            }
        }
        Ok(Values::List(values))
    }
}

impl Range {
    /// The number at this share of the way, 0 … 1.
    pub fn at(&self, share: f64) -> Value {
        let Range { low, high, log, whole } = *self;
        if whole {
            // Each whole number has the same room, those at the ends too.
            let (below, above) = (low - 0.5, high + 0.5);
            let number = if log {
                below.max(0.5) * (above / below.max(0.5)).powf(share)
            } else {
                below + (above - below) * share
            };
            return Value::Integer(number.round().clamp(low, high) as i64);
        }
        Value::Float(self.rounded(self.between(share), MOST))
    }

    /// This many numbers from the lowest to the highest.
    fn spaced(&self, count: usize) -> Result<Vec<Value>, String> {
        let Range { low, high, whole, .. } = *self;
        let number = |i: usize| {
            let number = self.between(i as f64 / (count - 1) as f64);
            match (whole, i) {
                (true, _) => Value::Integer(number.round().clamp(low, high) as i64),
                (false, 0) => Value::Float(low),
                (false, i) if i + 1 == count => Value::Float(high),
                (false, _) => Value::Float(self.rounded(number, 10 * (count - 1))),
            }
        };
        let values: Vec<Value> = (0..count).map(number).collect();
        if values.windows(2).any(|pair| is_same(&pair[0], &pair[1])) {
            let kind = if whole { "whole numbers, and this key takes no others" } else { "numbers" };
            return Err(format!("from {low} to {high} there are not {count} different {kind}"));
        }
        Ok(values)
    }

    /// The exact number at a share of the way.
    fn between(&self, share: f64) -> f64 {
        let Range { low, high, log, .. } = *self;
        if log { low * (high / low).powf(share) } else { low + (high - low) * share }
    }

    /// A number of the range with as many digits as it takes to tell so many of its parts apart.
    fn rounded(&self, number: f64, parts: usize) -> f64 {
        let Range { low, high, log, .. } = *self;
        let part = if log { number * (high / low).ln() } else { high - low } / parts as f64;
        // The cast turns what is no number, at 0, into 0.
        let digits = ((number.abs() / part).log10().ceil() as usize).clamp(DIGITS[0], DIGITS[1]);
        let rounded: f64 = format!("{number:.*e}", digits - 1).parse().expect("a number that was written can be read");
        rounded.clamp(low, high)
    }

    /// The number of different values, if it is not as good as infinite.
    pub fn count(&self) -> Option<usize> {
        self.whole.then_some(((self.high - self.low) as usize).saturating_add(1))
    }

    /// As it is written.
    pub fn text(&self) -> String {
        format!("{}..{}{}", self.low, self.high, if self.log { " log" } else { "" })
    }

    /// Whether equal ratios are equally likely.
    pub fn is_log(&self) -> bool {
        self.log
    }
}

/// The range that a text is, with the number of its values if it has one; `None` for other values.
fn range(text: &str, whole: bool) -> Result<Option<(Range, Option<usize>)>, String> {
    let Some((low, rest)) = text.split_once("..") else { return Ok(None) };
    let (low_text, Ok(low)) = (low.trim(), low.trim().parse::<f64>()) else { return Ok(None) };
    let wrong = || format!("{text} is no range: {NOTATION}");
    let mut words = rest.split_whitespace().peekable();
    let high_text = words.next().ok_or_else(wrong)?;
    let high: f64 = high_text.parse().map_err(|_| wrong())?;
    let log = words.next_if_eq(&"log").is_some();
    let count = words.next().map(|word| word.parse::<usize>().map_err(|_| wrong())).transpose()?;
    if words.next().is_some() {
        return Err(wrong());
    }
    if !(low < high && (high - low).is_finite()) {
        return Err(format!("{text}: the first number must be below the second, and both and their distance finite"));
    }
    if log && low <= 0.0 {
        return Err(format!("{text}: with `log` both numbers must be above 0"));
    }
    if count.is_some_and(|count| !(2..=MOST).contains(&count)) {
        return Err(format!("{text}: the number of values must be from 2 to {MOST}"));
    }
    if whole && [low_text, high_text].iter().any(|text| text.parse::<i64>().is_err()) {
        return Err(format!("{text}: this key takes whole numbers, and both ends must be such"));
    }
    Ok(Some((Range { low, high, log, whole }, count)))
}

/// A value as a number, whole or not.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_float().or(value.as_integer().map(|whole| whole as f64))
}

/// Whether a config cannot tell two values apart.
fn is_same(a: &Value, b: &Value) -> bool {
    a == b || number(a).is_some_and(|a| number(b) == Some(a))
}

/// A text cut at its commas, but not within brackets or quotes.
fn pieces(text: &str) -> Result<Vec<&str>, String> {
    let (mut open, mut quote, mut escaped, mut start) = (0i32, None, false, 0);
    let mut pieces = Vec::new();
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(mark), _) if c == mark && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => open += 1,
            (None, ']' | '}') => open -= 1,
            (None, ',') if open == 0 => {
                pieces.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        escaped = false;
    }
    pieces.push(text[start..].trim());
    if open != 0 || quote.is_some() {
        return Err("a bracket or a quote is not closed, or closed without being open".to_owned());
    }
    if pieces.len() > 1 && pieces.iter().any(|piece| piece.is_empty()) {
        return Err("a value between commas is missing".to_owned());
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        match Axis::parse(text).unwrap().values {
            Values::List(values) => values.iter().map(Value::to_string).collect(),
            Values::Range(range) => panic!("{range:?}"),
        }
    }

    #[test]
    fn values_are_cut_at_commas_outside_of_brackets_and_quotes() {
        assert_eq!(list("perturb.rho=0.05, 0.1,2"), ["0.05", "0.1", "2"]);
        assert_eq!(list("model.widths=[64],[64, 64]"), ["[64]", "[64, 64]"]);
        assert_eq!(list("a.b={ x = 1, y = [2, 3] },{}"), ["{ x = 1, y = [2, 3] }", "{}"]);
        assert_eq!(list("a.b=\"x,\\\"y\",'z,'"), ["'x,\"y'", "\"z,\""]);
        assert_eq!(list("optim.schedule=linear,cosine"), ["\"linear\"", "\"cosine\""]);
        assert_eq!(list("init.from=../runs/a"), ["\"../runs/a\""]);
    }

    #[test]
    fn ranges_are_spaced_or_drawn_from() {
        assert_eq!(list("a.b=0.01..1 log 3"), ["0.01", "0.1", "1.0"]);
        assert_eq!(list("a.b=0..1 3"), ["0.0", "0.5", "1.0"]);
        assert_eq!(list("a.b=0.0..0.5 3,0.9"), ["0.0", "0.25", "0.5", "0.9"]);
        assert_eq!(list("train.batch=1..8 log 4"), ["1", "2", "4", "8"]);
        let Values::Range(range) = Axis::parse("a.b=0.01..1 log").unwrap().values else { panic!("a list") };
        assert_eq!([0.0, 0.5, 1.0].map(|share| range.at(share)), [0.01, 0.1, 1.0].map(Value::Float));
        assert_eq!((range.count(), range.text()), (None, "0.01..1 log".to_owned()));
        let Values::Range(range) = Axis::parse("train.batch=1..3").unwrap().values else { panic!("a list") };
        assert_eq!([0.0, 0.3, 0.5, 0.7, 1.0].map(|share| range.at(share)), [1, 1, 2, 3, 3].map(Value::Integer));
        assert_eq!(range.count(), Some(3));
        let Values::Range(range) = Axis::parse(&format!("train.seed={}..{}", i64::MIN, i64::MAX)).unwrap().values
        else {
            panic!("a list")
        };
        assert_eq!((range.count(), range.at(1.0)), (Some(usize::MAX), Value::Integer(i64::MAX)));
    }

    #[test]
    fn numbers_of_narrow_ranges_stay_within_them_and_apart() {
        assert_eq!(list("a.b=0.99993..0.99999 3"), ["0.99993", "0.99996", "0.99999"]);
        assert_eq!(list("a.b=0.99993..0.99999 log 3"), ["0.99993", "0.99996", "0.99999"]);
        assert_eq!(list("a.b=-0.12344..0.12344 3"), ["-0.12344", "0.0", "0.12344"]);
        assert_eq!(list("a.b=0.5..0.6 1000").len(), 1000);
        for text in ["0.99993..0.99999", "0.99993..0.99999 log", "0.00012346..0.00012349", "0.1..1", "-0.12344..0.1"] {
            let Values::Range(range) = Axis::parse(&format!("a.b={text}")).unwrap().values else { panic!("a list") };
            let numbers: Vec<f64> = (0..=100).map(|i| range.at(f64::from(i) / 100.0).as_float().unwrap()).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{text}: {numbers:?}");
            assert!(range.low <= numbers[0] && numbers[100] <= range.high, "{text}: {numbers:?}");
        }
    }

    #[test]
    fn what_is_no_list_and_no_range_is_refused() {
        for (text, part) in [
            ("a.b", "expected key=value"),
            ("rho=1,2", "section.key"),
            ("a.b=1,,2", "between commas is missing"),
            ("a.b=[1,2", "not closed"),
            ("a.b=1,0.5,1.0", "1.0 is given twice"),
            ("a.b=1..x", "is no range"),
            ("a.b=1..2 log log", "is no range"),
            ("a.b=2..1", "must be below"),
            ("a.b=-1e308..1e308", "their distance finite"),
            ("a.b=0..1 log", "above 0"),
            ("a.b=0..1 1", "from 2 to 1000"),
            ("train.batch=0..1 5", "not 5 different whole numbers, and this key takes no others"),
            ("train.batch=0.5..8 5", "takes whole numbers"),
            ("a.b=0..1,3", "one of several values"),
        ] {
            let message = Axis::parse(text).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains(text), "{text}: {message}");
        }
    }
}
