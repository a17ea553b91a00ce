//! The points of a sweep: one value for every key that varies. All combinations, or some that are drawn.

use super::axis::{Axis, Values};
use crate::config::Problem;
use crc::{CRC_32_ISO_HDLC, Crc};
use lethe_tensor::random::Draw;
use std::collections::HashSet;
use toml::Value;

/// The largest number of points.
const MOST: usize = 10_000;
/// How many draws in a row may repeat points, and how many more for each point that there is, up to twice as many as may be drawn.
const PATIENCE: [usize; 2] = [1000, 200];
/// The name of the only point of a sweep in which nothing but the seed varies.
const ONLY: &str = "base";
/// The largest length of a value, and of all, in the name of a folder.
const LONG: [usize; 2] = [32, 160];
/// Tells the draws of sweeps apart from all others under the same seed.
const STREAM: u32 = 0x5357_4545;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Values of the keys that vary.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The name of its folder.
    pub name: String,
    /// Key and value, in the order of the axes.
    pub values: Vec<(String, Value)>,
}

/// How many points are drawn, and by which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Draws {
    /// Their number.
    pub count: usize,
    /// The seed.
    pub seed: u64,
}

impl Point {
    fn of(values: Vec<(String, Value)>) -> Point {
        Point { name: name(&values), values }
    }

    /// Its values as arguments of `--set`.
    pub fn set(&self) -> Vec<String> {
        self.values.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// The value of a key, as short as it can be.
    pub fn word(&self, key: &str) -> String {
        self.values.iter().find(|(own, _)| own == key).map_or_else(String::new, |(_, value)| word(value))
    }
}

/// A value without quotes and without a needless ".0".
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // Display writes zeros for very small and very large numbers.
        Value::Float(number) if *number != 0.0 && !(1e-4..1e7).contains(&number.abs()) => format!("{number:e}"),
        Value::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// All combinations of the values, the last axis varying fastest.
///
/// # Errors
/// If a range has no number of values, or there are too many.
pub fn grid(axes: &[&Axis]) -> Result<Vec<Point>, Problem> {
    let mut all: Vec<Vec<(String, Value)>> = vec![vec![]];
    for axis in axes {
        let Values::List(values) = &axis.values else {
            let reason =
                "is a range to draw from: give --random N, or a number of values behind it, such as 0.01..1 log 5";
            return Err(Problem::value(&format!("--set {}", axis.key), axis.values.text(), reason));
        };
        check_count(all.len().saturating_mul(values.len()))?;
        let with = |point: &Vec<(String, Value)>, value: &Value| {
            point.iter().cloned().chain([(axis.key.clone(), value.clone())]).collect()
        };
        all = all.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    Ok(all.into_iter().map(Point::of).collect())
}

/// Points drawn without repetition. A smaller number of them are the first ones of a larger number.
///
/// # Errors
/// If there are not so many, or nothing to draw.
pub fn drawn(axes: &[&Axis], draws: Draws) -> Result<Vec<Point>, Problem> {
    let refuse = |reason: String| Err(Problem::value("--random", draws.count, reason));
    if axes.is_empty() {
        return refuse(
            "there is nothing to draw: give a key several values or a range, such as --set optim.lr=0.01..1".to_owned(),
        );
    }
    check_count(draws.count)?;
    let all = axes.iter().try_fold(1usize, |all, axis| Some(all.saturating_mul(axis.values.count()?)));
    if let Some(all) = all.filter(|all| *all < draws.count) {
        return refuse(format!(
            "there are only {all} points, and none is drawn twice; leave --random out for all of them"
        ));
    }
    // Numbers with few digits may be drawn again, but not forever; the last of a finite number of points take longer.
    let patience = PATIENCE[0] + PATIENCE[1] * all.unwrap_or(0).min(2 * MOST);
    let (mut points, mut seen, mut last) = (Vec::new(), HashSet::new(), 0);
    for number in 0.. {
        if points.len() == draws.count {
            break;
        }
        if number - last > patience {
            return refuse(format!(
                "only {} different points were found in {number} draws: ask for no more, or widen a range",
                points.len()
            ));
        }
        let value = |axis: &&Axis| (axis.key.clone(), axis.values.at(share(draws.seed, &axis.key, number)));
        let values: Vec<_> = axes.iter().map(value).collect();
        if seen.insert(values.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>()) {
            points.push(Point::of(values));
            last = number;
        }
    }
    Ok(points)
}

/// A number in [0, 1) of this seed, key and draw, whatever the other keys are.
fn share(seed: u64, key: &str, number: usize) -> f64 {
    let draw = Draw::new(seed, [CHECKSUM.checksum(key.as_bytes()), STREAM, 0]);
    let bits = (u64::from(draw.bits(2 * number)) << 32) | u64::from(draw.bits(2 * number + 1));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn check_count(points: usize) -> Result<(), Problem> {
    let reason = format!("a sweep has at most {MOST} points; --random N draws some of them");
    if points <= MOST { Ok(()) } else { Err(Problem::value("the number of points", points, reason)) }
}

impl Values {
    /// The number of different values, if it is not as good as infinite.
    fn count(&self) -> Option<usize> {
        match self {
            Values::List(values) => Some(values.len()),
            Values::Range(range) => range.count(),
        }
    }

    /// The value at this share of all, at least 0 and below 1.
    fn at(&self, share: f64) -> Value {
        match self {
            Values::List(values) => values[((share * values.len() as f64) as usize).min(values.len() - 1)].clone(),
            Values::Range(range) => range.at(share),
        }
    }

    /// As they are written.
    pub fn text(&self) -> String {
        match self {
            Values::List(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(","),
            Values::Range(range) => range.text(),
        }
    }
}

/// The name of a folder: the last part of every key with its value.
fn name(values: &[(String, Value)]) -> String {
    if values.is_empty() {
        return ONLY.to_owned();
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let short = |key: &str| {
        let is_shared = values.iter().filter(|(other, _)| last(other) == last(key)).count() > 1;
        if is_shared { key.to_owned() } else { last(key) }
    };
    let parts: Vec<String> = values.iter().map(|(key, value)| format!("{}={}", short(key), slug(value))).collect();
    shortened(&parts.join("_"), LONG[1])
}

/// A value as a part of a file name. Where characters are lost, a checksum tells such values apart.
fn slug(value: &Value) -> String {
    let text = word(value);
    if let Value::Array(items) = value
        && !items.is_empty()
        && items.iter().all(|item| item.is_integer() || item.is_float())
    {
        return shortened(&items.iter().map(word).collect::<Vec<_>>().join("-"), LONG[0]);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let kept: String = text.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let is_changed = kept != text || kept.is_empty() || kept.starts_with('.');
    if is_changed { format!("{}-{:08x}", cut(&kept, LONG[0]), checksum(&text)) } else { shortened(&kept, LONG[0]) }
}

fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { format!("{}-{:08x}", cut(text, most), checksum(text)) }
}

/// The names are ASCII.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.len().min(most)]
}

fn checksum(text: &str) -> u32 {
    CHECKSUM.checksum(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| Axis::parse(text).unwrap()).collect()
    }

    fn names(points: &[Point]) -> Vec<&str> {
        points.iter().map(|point| point.name.as_str()).collect()
    }

    #[test]
    fn a_grid_has_every_combination_with_a_name_of_its_own() {
        let all = axes(&["perturb.rho=0.05,0.1", "model.widths=[64],[64,32]"]);
        let points = grid(&all.iter().collect::<Vec<_>>()).unwrap();
        let expected = ["rho=0.05_widths=64", "rho=0.05_widths=64-32", "rho=0.1_widths=64", "rho=0.1_widths=64-32"];
        assert_eq!(names(&points), expected);
        assert_eq!(points[1].set(), ["perturb.rho=0.05", "model.widths=[64, 32]"]);
        assert_eq!(names(&grid(&[]).unwrap()), ["base"]);
        let all = axes(&["model.kind=mlp,vit", "optim.kind=sgd", "optim.lr=1e-5,1.0"]);
        let points = grid(&all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(names(&points)[0], "model.kind=mlp_optim.kind=sgd_lr=1e-5");
        let odd = axes(&["a.b=1/C,1-C,\"\",\"..\",[],\"ä\""]);
        let points = grid(&odd.iter().collect::<Vec<_>>()).unwrap();
        let fits = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.=_".contains(c));
        assert!(names(&points).into_iter().all(fits) && names(&points)[1] == "b=1-C", "{:?}", names(&points));
        let unique: std::collections::BTreeSet<&str> = names(&points).into_iter().collect();
        assert_eq!(unique.len(), points.len());
        let long = Axis::parse(&format!("a.b={}", "x".repeat(500))).unwrap();
        assert!(grid(&[&long]).unwrap()[0].name.len() < 60);
    }

    #[test]
    fn draws_are_of_the_seed_without_repetition_and_go_on_where_fewer_end() {
        let all = axes(&["a.b=1,2,3", "a.c=0.01..1 log"]);
        let all: Vec<&Axis> = all.iter().collect();
        let of = |count, seed| drawn(&all, Draws { count, seed }).unwrap();
        let eight = of(8, 0);
        assert_eq!((&eight[..3], eight.len()), (&of(3, 0)[..], 8));
        assert_ne!(eight, of(8, 1));
        let lists = axes(&["a.b=1,2,3", "a.c=4,5"]);
        let lists: Vec<&Axis> = lists.iter().collect();
        let mut whole = drawn(&lists, Draws { count: 6, seed: 3 }).unwrap();
        let mut same = grid(&lists).unwrap();
        assert_ne!(whole, same);
        [&mut whole, &mut same].into_iter().for_each(|points| points.sort_by(|a, b| a.name.cmp(&b.name)));
        assert_eq!(whole, same);
        let values = of(400, 7).into_iter().map(|point| point.values[1].1.as_float().unwrap());
        let below = values.filter(|value| *value < 0.1).count();
        assert!((150..250).contains(&below), "half of them are below the geometric mean: {below}");
    }

    #[test]
    fn what_cannot_be_drawn_or_spanned_is_refused() {
        let lists = axes(&["a.b=1,2", "a.c=0.01..1", "train.batch=1..2"]);
        let message = |found: Result<Vec<Point>, Problem>| found.unwrap_err().to_string();
        assert!(message(drawn(&[&lists[0], &lists[2]], Draws { count: 5, seed: 0 })).contains("only 4 points"));
        assert!(message(drawn(&[], Draws { count: 5, seed: 0 })).contains("nothing to draw"));
        assert!(message(grid(&[&lists[1]])).contains("--set a.c = 0.01..1: is a range to draw from"));
        // Numbers with four digits are not so many, and that is found soon.
        let narrow = axes(&["a.b=0.1..1"]);
        let found = message(drawn(&[&narrow[0]], Draws { count: MOST, seed: 0 }));
        assert!(found.contains("different points were found in "), "{found}");
        let all = axes(&["train.batch=-9223372036854775808..9223372036854775807", "train.epochs=1..10000"]);
        for axis in &all {
            assert_eq!(drawn(&[axis], Draws { count: MOST, seed: 0 }).unwrap().len(), MOST);
        }
        let many = axes(&["a.b=1..1000 1000", "a.c=1..11 11"]);
        assert!(message(grid(&[&many[0], &many[1]])).contains("at most 10000 points"));
    }
}
