//! Where the values of a key stand on an axis: numbers at their place or at that of their logarithm, words one after the other.

use super::axis::{Axis, Values, number};
use super::plan::Plan;
use super::point::word;
use toml::Value;

/// The smallest distance of two labels, as a share of the axis.
const NEAR: f64 = 0.09;
/// The number of labels of an axis whose values are too close together.
const TICKS: usize = 5;
/// The share of an axis that is free on either side.
const MARGIN: f64 = 0.06;
/// With two values only: the ratio from which on they are drawn by their logarithms.
const FAR: f64 = 10.0;

/// An axis of a picture.
pub struct Scale {
    /// The values, in the order of the list or of the numbers.
    values: Vec<Value>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Numbers,
    Logarithms,
    Words,
}

impl Scale {
    /// That of a key, with the values that points have.
    pub fn of(axis: &Axis, plan: &Plan) -> Scale {
        let mut values: Vec<Value> = Vec::new();
        for (_, value) in plan.points.iter().flat_map(|(point, _)| &point.values).filter(|(key, _)| *key == axis.key) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        let numbers: Option<Vec<f64>> = values.iter().map(number).collect();
        let form = match (&axis.values, numbers) {
            (_, None) => Form::Words,
            (Values::Range(range), _) if range.is_log() => Form::Logarithms,
            (Values::List(_), Some(numbers)) if is_geometric(&numbers) => Form::Logarithms,
            _ => Form::Numbers,
        };
        if form != Form::Words {
            values.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
        }
        Scale { values, form }
    }

    /// Whether its values are numbers.
    pub fn is_numeric(&self) -> bool {
        self.form != Form::Words
    }

    /// Its values, in the order of their places.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The place of a value.
    pub fn place(&self, value: &Value) -> f64 {
        let number = || number(value).unwrap_or(f64::NAN);
        match self.form {
            Form::Numbers => number(),
            Form::Logarithms => number().log10(),
            Form::Words => self.values.iter().position(|other| other == value).map_or(f64::NAN, |i| i as f64),
        }
    }

    /// The first and the last place, with some room.
    pub fn span(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.values.first(), self.values.last()) else { return (0.0, 1.0) };
        let (low, high) = (self.place(first), self.place(last));
        let room = if high > low { MARGIN * (high - low) } else { 0.5 };
        (low - room, high + room)
    }

    /// The places with a label: those of the values or, if they are too close together, some at equal distances.
    pub fn ticks(&self) -> Vec<f64> {
        let places: Vec<f64> = self.values.iter().map(|value| self.place(value)).collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return places };
        let is_close = places.windows(2).any(|pair| pair[1] - pair[0] < NEAR * (last - first));
        match self.form {
            Form::Words => places.iter().copied().step_by(places.len().div_ceil((1.0 / NEAR) as usize)).collect(),
            _ if is_close => (0..TICKS).map(|i| first + (last - first) * i as f64 / (TICKS - 1) as f64).collect(),
            _ => places,
        }
    }

    /// The label at a place.
    pub fn label(&self, place: f64) -> String {
        let near = self.values.iter().find(|value| (self.place(value) - place).abs() < 1e-9);
        match (near, self.form) {
            (Some(value), _) => word(value),
            (None, Form::Logarithms) => short(10f64.powf(place)),
            (None, _) => short(place),
        }
    }
}

/// Three significant digits of a number.
fn short(number: f64) -> String {
    let rounded = format!("{number:.2e}").parse().unwrap_or(number);
    word(&Value::Float(rounded))
}

/// Whether the logarithms of numbers are more evenly spaced than the numbers.
fn is_geometric(numbers: &[f64]) -> bool {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    if numbers[0] <= 0.0 {
        return false;
    }
    if let [low, high] = numbers[..] {
        return high / low >= FAR;
    }
    let unevenness = |places: Vec<f64>| {
        let gaps: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.iter().copied().fold(0.0, f64::max) / gaps.iter().copied().fold(f64::INFINITY, f64::min)
    };
    unevenness(numbers.iter().map(|number| number.ln()).collect()) < unevenness(numbers) - 1e-9
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;

    fn scale(set: &str) -> Scale {
        let plan = plan(&[set], 1);
        Scale::of(&plan.axes[0], &plan)
    }

    #[test]
    fn numbers_stand_by_their_size_or_their_logarithm_and_words_in_a_row() {
        let geometric = scale("optim.lr=0.1,0.01,1");
        assert_eq!(geometric.ticks(), [-2.0, -1.0, 0.0]);
        assert_eq!(geometric.ticks().iter().map(|at| geometric.label(*at)).collect::<Vec<_>>(), ["0.01", "0.1", "1"]);
        let even = scale("optim.momentum=0.1,0.2,0.3");
        assert_eq!((even.ticks(), even.span().0 < 0.1), (vec![0.1, 0.2, 0.3], true));
        let words = scale("optim.schedule=linear,constant");
        assert_eq!((words.ticks(), words.label(1.0)), (vec![0.0, 1.0], "constant".to_owned()));
        assert!(!words.is_numeric() && even.is_numeric());
        let many = scale("optim.lr=0.001..1 log 31");
        assert_eq!((many.ticks().len(), many.label(-1.5)), (5, "0.0316".to_owned()));
    }

    #[test]
    fn what_grows_by_a_factor_is_geometric() {
        for (numbers, expected) in [
            (&[0.05, 0.1, 0.2][..], true),
            (&[0.1, 0.2, 0.3], false),
            (&[1e-4, 1e-2], true),
            (&[0.1, 0.2], false),
            (&[0.0, 0.1, 1.0], false),
            (&[0.01, 0.02, 0.05, 0.1], true),
        ] {
            assert_eq!(is_geometric(numbers), expected, "{numbers:?}");
        }
    }
}
