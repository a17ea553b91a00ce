//! Which checkpoints of a training are kept beside the last two: `train.keep_checkpoints` and `train.best`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The checkpoints of epochs that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// None of them.
    #[default]
    None,
    /// The last ones, this many.
    Last(usize),
    /// All of them.
    All,
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Keep::None => serializer.serialize_bool(false),
            Keep::Last(count) => serializer.serialize_u64(*count as u64),
            Keep::All => serializer.serialize_bool(true),
        }
    }
}

impl JsonSchema for Keep {
    fn schema_name() -> Cow<'static, str> {
        "Keep".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "integer"], "minimum": 0 })
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keep, D::Error> {
        deserializer.deserialize_any(KeepVisitor)
    }
}

struct KeepVisitor;

impl Visitor<'_> for KeepVisitor {
    type Value = Keep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true (all), false (none) or the number of the last ones to keep")
    }

    fn visit_bool<E: Error>(self, all: bool) -> Result<Keep, E> {
        Ok(if all { Keep::All } else { Keep::None })
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<Keep, E> {
        match usize::try_from(count) {
            Ok(0) => Ok(Keep::None),
            Ok(count) => Ok(Keep::Last(count)),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(count), &self)),
        }
    }
}

/// The measure of an evaluation by which a checkpoint is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The accuracy on the test set: the higher, the better.
    TestAccuracy,
    /// The loss on the test set: the lower, the better.
    TestLoss,
}

impl Measure {
    /// Whether a value of it is better than another; equal ones are not.
    pub fn is_better(self, value: f64, than: f64) -> bool {
        match self {
            Measure::TestAccuracy => value > than,
            Measure::TestLoss => value < than,
        }
    }

    /// How many of the last values in a row are no better than the best before them.
    pub fn since_best(self, values: &[f64]) -> usize {
        self.waits(values, usize::MAX).1
    }

    /// How often more than `patience` values in a row were no better than the best before. After each time the counting begins anew.
    pub fn plateaus(self, values: &[f64], patience: usize) -> u32 {
        self.waits(values, patience).0
    }

    /// The number of waits longer than `patience`, and the length of the present one.
    fn waits(self, values: &[f64], patience: usize) -> (u32, usize) {
        let (mut best, mut waited, mut waits) = (None, 0, 0);
        for &value in values {
            if best.is_none_or(|best| self.is_better(value, best)) {
                (best, waited) = (Some(value), 0);
            } else if waited == patience {
                (waited, waits) = (0, waits + 1);
            } else {
                waited += 1;
            }
        }
        (waits, waited)
    }

    /// Its word in a config.
    pub fn word(self) -> &'static str {
        match self {
            Measure::TestAccuracy => "test_accuracy",
            Measure::TestLoss => "test_loss",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_waited_for_until_one_is_better() {
        let loss = Measure::TestLoss;
        assert_eq!(
            [&[][..], &[1.0], &[1.0, 1.0], &[1.0, 2.0, 0.5], &[1.0, 2.0, 0.5, 0.5, 0.6]].map(|v| loss.since_best(v)),
            [0, 0, 1, 0, 2]
        );
        assert_eq!(Measure::TestAccuracy.since_best(&[50.0, 60.0, 55.0]), 1);
        // As PyTorch's ReduceLROnPlateau with patience 1: lowered at the second value in a row that is no better, then again.
        let values = [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.6, 0.7];
        let lowered: Vec<u32> = (0..=values.len()).map(|n| loss.plateaus(&values[..n], 1)).collect();
        assert_eq!(lowered, [0, 0, 0, 1, 1, 2, 2, 2, 3]);
        assert_eq!(loss.plateaus(&values[..4], 0), 3);
    }
}
