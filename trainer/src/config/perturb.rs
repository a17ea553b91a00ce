//! `[perturb]`: the perturbation of θ before the update gradient is computed.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use toml::Table;

use super::ascent::AscentConfig;
use super::error::{Problem, require};
use super::loss::LossKind;
use super::reading::{fields, number_or, number_or_schema, section, section_of_two, take_choice};

/// The section `[perturb]`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PerturbConfig {
    /// No perturbation.
    #[default]
    None,
    /// Along the gradient of the task loss (SAM).
    Steepest(AscentConfig),
    /// Along a random direction, drawn for every slice.
    Random(AscentConfig),
    /// Along the gradient of the output bias forgetting objective L^BF.
    Obf {
        /// The keys that every perturbation has.
        #[serde(flatten)]
        ascent: AscentConfig,
        /// The keys of the objective.
        #[serde(flatten)]
        forgetting: ForgettingConfig,
    },
}

/// The keys of `kind = "obf"`: α = γ · max((1 − λ/ŷ_y)/(1 − λ), 0).
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForgettingConfig {
    /// λ: the likelihood of the true class below which nothing is forgotten; a number, or "1/C".
    pub lambda: Lambda,
    /// γ: the largest α, which is reached where the likelihood of the true class is 1.
    pub gamma: Gamma,
    /// The likelihoods ŷ that the objective uses.
    pub likelihood: Likelihood,
}

/// λ of OBF.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Lambda {
    /// One over the number of classes.
    #[default]
    PerClass,
    /// This number.
    Value(f64),
}

/// γ of OBF, 1 unless given.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gamma(pub f64);

impl Default for Gamma {
    fn default() -> Self {
        Gamma(1.0)
    }
}

/// How OBF computes likelihoods from logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Likelihood {
    /// As the loss does: by softmax with CE, by sigmoid with BCE.
    #[default]
    Auto,
    /// Softmax over the classes.
    Softmax,
    /// A sigmoid per class.
    Sigmoid,
}

/// The kinds of perturbations.
pub(super) const KINDS: [&str; 4] = ["none", "steepest", "obf", "random"];

impl PerturbConfig {
    pub(super) fn keys(kind: &str) -> Option<Vec<&'static str>> {
        match kind {
            "none" => Some(Vec::new()),
            "steepest" | "random" => Some(fields::<AscentConfig>().to_vec()),
            "obf" => Some([fields::<AscentConfig>(), fields::<ForgettingConfig>()].concat()),
            _ => None,
        }
    }

    pub(super) fn read(mut table: Table) -> Result<PerturbConfig, Problem> {
        let kind = take_choice("perturb", "kind", &mut table, &KINDS)?;
        Ok(match kind.as_str() {
            "none" => {
                let NoKeys {} = section("perturb", table)?;
                PerturbConfig::None
            }
            "steepest" => PerturbConfig::Steepest(section("perturb", table)?),
            "random" => PerturbConfig::Random(section("perturb", table)?),
            _ => {
                let (ascent, forgetting) = section_of_two("perturb", table)?;
                PerturbConfig::Obf { ascent, forgetting }
            }
        })
    }

    /// The keys that every perturbation has; `None` without a perturbation.
    pub fn ascent(&self) -> Option<&AscentConfig> {
        match self {
            PerturbConfig::None => None,
            PerturbConfig::Steepest(ascent) | PerturbConfig::Random(ascent) | PerturbConfig::Obf { ascent, .. } => {
                Some(ascent)
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        self.ascent().map_or(Ok(()), |ascent| ascent.check())?;
        match self {
            PerturbConfig::Obf { forgetting, .. } => forgetting.check(),
            PerturbConfig::Random(ascent) => ascent.check_random(),
            _ => Ok(()),
        }
    }

    /// Writes out every default that depends on other keys or on the data.
    pub(super) fn resolve(&mut self, classes: usize, loss: LossKind) {
        if let PerturbConfig::Obf { forgetting, .. } = self {
            forgetting.lambda = Lambda::Value(forgetting.lambda.value(classes));
            forgetting.likelihood = forgetting.likelihood.resolve(loss);
        }
    }
}

impl ForgettingConfig {
    fn check(&self) -> Result<(), Problem> {
        if let Lambda::Value(lambda) = self.lambda {
            let fit = (0.0..1.0).contains(&lambda);
            require(fit, "perturb.lambda", lambda, "must be 0 or more and below 1 (a likelihood), or \"1/C\"")?;
        }
        let gamma = self.gamma.0;
        require((0.0..=1.0).contains(&gamma), "perturb.gamma", gamma, "must be between 0 and 1")
    }
}

impl Lambda {
    const PER_CLASS: &str = "1/C";

    /// Its number, given the number of classes.
    pub fn value(self, classes: usize) -> f64 {
        match self {
            Lambda::PerClass => 1.0 / classes as f64,
            Lambda::Value(value) => value,
        }
    }
}

impl Likelihood {
    /// Softmax or sigmoid, never `Auto`.
    fn resolve(self, loss: LossKind) -> Likelihood {
        match (self, loss) {
            (Likelihood::Auto, LossKind::Ce) => Likelihood::Softmax,
            (Likelihood::Auto, LossKind::Bce) => Likelihood::Sigmoid,
            (given, _) => given,
        }
    }
}

/// The keys of `kind = "none"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoKeys {}

impl Serialize for Lambda {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Lambda::PerClass => serializer.serialize_str(Lambda::PER_CLASS),
            Lambda::Value(value) => serializer.serialize_f64(*value),
        }
    }
}

impl JsonSchema for Lambda {
    fn schema_name() -> Cow<'static, str> {
        "Lambda".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        number_or_schema(Lambda::PER_CLASS)
    }
}

impl<'de> Deserialize<'de> for Lambda {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lambda, D::Error> {
        Ok(number_or(Lambda::PER_CLASS, deserializer)?.map_or(Lambda::PerClass, Lambda::Value))
    }
}
