//! Which checkpoints of a training are kept beside the last two: `train.keep_checkpoints` and `train.best`.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Its word in a config.
    pub fn word(self) -> &'static str {
        match self {
            Measure::TestAccuracy => "test_accuracy",
            Measure::TestLoss => "test_loss",
        }
    }
}
