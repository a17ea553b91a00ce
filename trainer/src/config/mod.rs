//! Configs: a TOML file in, a checked [`Config`] out.
//!
//! A config is checked twice: by itself when it is read, and against the data before the first step. It does not know tensors
//! or devices; [`crate::experiment`] builds what it describes. A key that sets something of `lethe_nn` or `lethe_optim` has
//! the type that it has there.

mod analysis;
mod ascent;
mod augment;
mod changes;
mod data;
mod error;
mod groups;
mod init;
mod keep;
mod kinds;
mod loss;
mod model;
mod nearest;
mod optim;
mod overrides;
mod perturb;
mod reading;
#[cfg(test)]
mod refusals;
mod schema;
#[cfg(test)]
mod schema_tests;
mod shrink;
#[cfg(test)]
mod tests;
mod train;

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::Serialize;
use toml::{Table, Value};

pub use analysis::{AnalysisConfig, Protocol, Protocols, Split};
pub use ascent::{Asam, AscentConfig, RhoSchedule};
pub use augment::AugmentConfig;
pub use changes::Change;
pub use data::{DataConfig, DatasetKind, PerChannel, Sampling};
pub use error::{ConfigError, Problem};
pub use groups::GroupConfig;
pub use init::{Head, InitConfig};
pub use keep::{Keep, Measure};
pub use loss::{Balanced, ClassWeights, LossConfig, LossKind};
pub use model::{HeadBias, MlpConfig, ModelConfig, ResnetConfig, VitConfig};
pub use nearest::{nearest, nearest_few};
pub use optim::{LrSchedule, OptimCommon, OptimConfig, RuleConfig};
pub(crate) use overrides::{assigned, value_of};
pub use perturb::{ForgettingConfig, Gamma, Lambda, Likelihood, PerturbConfig};
pub(crate) use schema::takes_whole_numbers;
pub use schema::{SCHEMA, schema};
pub use shrink::{ShrinkConfig, ShrinkScaling};
pub use train::{MAX_THREADS, OnNonfinite, TrainConfig};

use crate::files;
use crate::shape::ImageShape;
use crate::words::count;
use error::require;

/// A complete experiment.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// The images, and how they are prepared.
    pub data: DataConfig,
    /// The network.
    pub model: ModelConfig,
    /// The weights that it starts from, if not random ones.
    pub init: Option<InitConfig>,
    /// The task loss.
    #[schemars(default)]
    pub loss: LossConfig,
    /// The base optimiser.
    pub optim: OptimConfig,
    /// The perturbation.
    #[schemars(default)]
    pub perturb: PerturbConfig,
    /// Shrink and perturb, if it is used.
    pub shrink: Option<ShrinkConfig>,
    /// The number of epochs, the batch size, the seed and so on.
    pub train: TrainConfig,
    /// What is measured during training.
    #[schemars(default)]
    pub analysis: AnalysisConfig,
}

/// The facts about the data that a config is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFacts {
    /// The size of every image.
    pub images: ImageShape,
    /// The number of classes.
    pub classes: usize,
    /// The number of training images.
    pub train: usize,
    /// The class of each training image; empty if they are not known.
    pub labels: Vec<u32>,
}

/// The text of a config: of a file, or for `-` of standard input, which is read once.
pub fn text_of(path: &Path) -> Result<String, ConfigError> {
    static INPUT: OnceLock<String> = OnceLock::new();
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    if path != Path::new("-") {
        if path.is_dir() {
            return Err(failed(is_folder(path)));
        }
        return files::read_to_string(path).map_err(failed);
    }
    if let Some(text) = INPUT.get() {
        return Ok(text.clone());
    }
    let text = std::io::read_to_string(std::io::stdin()).map_err(failed)?;
    Ok(INPUT.get_or_init(|| text).clone())
}

/// Why a folder cannot be read as a config, and which file may be meant.
fn is_folder(path: &Path) -> io::Error {
    let config = path.join("config.toml");
    let meant = if config.is_file() { format!("; its config is {}", config.display()) } else { String::new() };
    io::Error::other(format!("it is a folder{meant}"))
}

const SECTIONS: [&str; 9] = ["data", "model", "init", "loss", "optim", "perturb", "shrink", "train", "analysis"];

impl Config {
    /// Reads a file, applies `--set` arguments and checks the result by itself.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or describes something that cannot be trained.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        Config::parse(&text_of(path)?, path, overrides)
    }

    /// Reads the config of a run that is measured and not trained: the perturbation of a measurement need not divide the batches of the training.
    /// Changes are limited to what a measurement depends on; they cannot alter what was trained.
    ///
    /// # Errors
    /// As [`Config::load`], and if a `--set` argument would change what was trained.
    pub fn load_trained(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        overrides::leave_training(overrides)?;
        Config::parts(&text_of(path)?, path, overrides)
    }

    /// The same from text, without changes; `path` is used in errors only.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse_trained(text: &str, path: &Path) -> Result<Config, ConfigError> {
        Config::parts(text, path, &[])
    }

    /// As [`Config::load`], from text; `path` is used in errors only.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let config = Config::parts(text, path, overrides)?;
        config.check_training().map_err(|problem| problem.in_file(path))?;
        Ok(config)
    }

    /// Which keys of a config these `--set` arguments leave out, in words: if they change the kind of a section, those that only its old kind has.
    /// Nothing of a text or an argument that cannot be read.
    pub fn left_out(text: &str, overrides: &[String]) -> Vec<String> {
        let table = toml::from_str::<Table>(text).ok();
        table.and_then(|mut table| overrides::apply(&mut table, overrides).ok()).unwrap_or_default()
    }

    /// Its sections, each checked by itself.
    fn parts(text: &str, path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let syntax = |e: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), message: e.to_string() };
        let mut table: Table = toml::from_str(text).map_err(syntax)?;
        overrides::apply(&mut table, overrides)?;
        let config = Config::from_table(table).map_err(|problem| problem.in_file(path))?;
        config.check().map_err(|problem| problem.in_file(path))?;
        Ok(config)
    }

    /// Checks the config against the data, and returns it with every default written out.
    ///
    /// # Errors
    /// If the model, the batch or the subset does not fit the data.
    pub fn resolve(&self, facts: &DataFacts) -> Result<Config, Problem> {
        let mut config = self.clone();
        config.model.check_images(facts.images)?;
        let images = facts.images;
        let padding = config.data.augment.crop_padding;
        if padding >= images.height.min(images.width) {
            let reason = format!("must be smaller than the images, {}×{} pixels", images.height, images.width);
            return Err(Problem::value("data.augment.crop_padding", padding, reason));
        }
        let limit = config.data.train_limit.unwrap_or(facts.train);
        if limit > facts.train {
            let reason = format!("the training set has only {}", count(facts.train, "image"));
            return Err(Problem::value("data.train_limit", limit, reason));
        }
        let limit = config.analysis.trained(limit)?;
        if config.train.batch > limit {
            let reason = format!("must not exceed the training set, {}", count(limit, "image"));
            return Err(Problem::value("train.batch", config.train.batch, reason));
        }
        if config.data.dataset == DatasetKind::Idx && config.data.only_classes.is_none() {
            config.data.classes = Some(facts.classes);
        }
        config.data.resolve();
        let images = config.analysis.counts(&facts.labels, facts.classes);
        config.data.check_sampling(&images)?;
        config.loss.resolve(facts.classes, &images)?;
        config.check_slices(facts.images)?;
        config.model.resolve(config.loss.kind, facts.classes, config.init.is_some());
        config.perturb.resolve(facts.classes, config.loss.kind);
        Ok(config)
    }

    /// The config as a TOML document; reading it back gives the same config.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every config can be written as TOML: its keys are strings, its values plain")
    }

    fn from_table(mut table: Table) -> Result<Config, Problem> {
        if let Some(key) = table.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
            return Err(Problem::Unknown {
                what: "section",
                key: key.clone(),
                suggestion: nearest(key, &SECTIONS).map(str::to_owned),
                choices: SECTIONS.map(str::to_owned).to_vec(),
            });
        }
        kinds::check(&table)?;
        let mut take = |name: &str| match table.remove(name) {
            None => Ok(None),
            Some(Value::Table(section)) => Ok(Some(section)),
            Some(value) => Err(Problem::value(name, value, format!("is a value; expected a section [{name}]"))),
        };
        let needed = |name: &str, section: Option<Table>| {
            section.ok_or_else(|| Problem::Missing { what: "section", key: name.to_owned(), choices: Vec::new() })
        };
        Ok(Config {
            data: reading::section("data", needed("data", take("data")?)?)?,
            model: ModelConfig::read(needed("model", take("model")?)?)?,
            init: take("init")?.map(|table| reading::section("init", table)).transpose()?,
            loss: reading::section("loss", take("loss")?.unwrap_or_default())?,
            optim: OptimConfig::read(needed("optim", take("optim")?)?)?,
            perturb: take("perturb")?.map_or(Ok(PerturbConfig::None), PerturbConfig::read)?,
            shrink: take("shrink")?.map(|table| reading::section("shrink", table)).transpose()?,
            train: reading::section("train", needed("train", take("train")?)?)?,
            analysis: reading::section("analysis", take("analysis")?.unwrap_or_default())?,
        })
    }

    /// The checks of the sections that need no data.
    fn check(&self) -> Result<(), Problem> {
        self.data.check()?;
        self.model.check()?;
        self.check_eval_size()?;
        self.check_layer_decay()?;
        self.init.as_ref().map_or(Ok(()), InitConfig::check)?;
        self.loss.check()?;
        self.optim.check()?;
        self.perturb.check()?;
        self.shrink.as_ref().map_or(Ok(()), ShrinkConfig::check)?;
        self.train.check()?;
        self.analysis.check(self.perturb.ascent().is_some())
    }

    /// The checks of how the sections fit together for training.
    fn check_training(&self) -> Result<(), Problem> {
        let (warmup, epochs) = (self.optim.common.warmup_epochs, self.train.epochs);
        // A run without epochs has no schedule.
        if warmup > epochs && epochs > 0 {
            return Err(Problem::value("optim.warmup_epochs", warmup, format!("exceeds train.epochs = {epochs}")));
        }
        let is_even = self.train.batch.is_multiple_of(2);
        let reason = "must be even with data.augment.mixup or cutmix, which mix the images of a batch in pairs";
        require(!self.data.augment.mixes() || is_even, "train.batch", self.train.batch, reason)?;
        let is_twice = self.data.sampling == Sampling::Balanced && self.loss.is_balanced();
        let reason = "would balance the classes twice, with data.sampling = \"balanced\"; leave one of them out";
        require(!is_twice, "loss.class_weights", "\"balanced\"", reason)?;
        let Some(ascent) = self.perturb.ascent() else { return Ok(()) };
        let parts = self.train.accumulate;
        require(
            parts == 1,
            "train.accumulate",
            parts,
            "has no effect with a perturbation: a batch is computed in slices of perturb.m",
        )?;
        let follows = ascent.rho_schedule == RhoSchedule::Lr;
        let falls = !follows || self.optim.common.falls();
        let reason = "has an effect only if the learning rate decreases: with another optim.schedule than \"constant\", and min_lr below lr";
        require(falls || ascent.rho_min == 0.0, "perturb.rho_min", ascent.rho_min, reason)?;
        let rise = ascent.rho_warmup_epochs;
        if rise > epochs && epochs > 0 {
            return Err(Problem::value("perturb.rho_warmup_epochs", rise, format!("exceeds train.epochs = {epochs}")));
        }
        if self.train.batch.is_multiple_of(ascent.m) { Ok(()) } else { Err(self.undivided(ascent.m)) }
    }

    /// Only a network that averages over all positions of an image accepts images of a size that it was not trained on.
    fn check_eval_size(&self) -> Result<(), Problem> {
        let (Some(eval_size), false) = (self.data.eval_size, matches!(self.model, ModelConfig::Resnet(_))) else {
            return Ok(());
        };
        let reason = "a ViT has a position for each patch at its training size, and an MLP a weight for each pixel, so test images must have \
                      data.size; only ResNets accept another size";
        require(Some(eval_size) == self.data.size, "data.eval_size", eval_size, reason)
    }

    /// Layers are counted by the blocks of a transformer.
    fn check_layer_decay(&self) -> Result<(), Problem> {
        let Some(decay) = self.optim.common.layer_decay else { return Ok(()) };
        let key = "optim.layer_decay";
        require(decay > 0.0 && decay <= 1.0, key, decay, "must be above 0 and at most 1, such as 0.75")?;
        let ModelConfig::Vit(vit) = &self.model else {
            return Err(Problem::value(
                key,
                decay,
                "only model.kind = \"vit\" has blocks to count; use [[optim.groups]]",
            ));
        };
        let smallest = decay.powi(vit.depth as i32 + 1);
        let reason = format!(
            "is too small: the embeddings' learning rate would be multiplied by {smallest:e}, 0 in single precision"
        );
        require(smallest as f32 >= f32::MIN_POSITIVE, key, decay, &reason)
    }

    /// Batch norm normalises over the images and pixels of a slice, and needs more than one value per channel in the last stage.
    fn check_slices(&self, images: crate::shape::ImageShape) -> Result<(), Problem> {
        let ModelConfig::Resnet(resnet) = &self.model else { return Ok(()) };
        let slice = self.perturb.ascent().map_or(self.train.batch / self.train.accumulate, |ascent| ascent.m);
        if slice > 1 || resnet.last_pixels(images) > 1 {
            return Ok(());
        }
        let key = if self.perturb.ascent().is_some() { "perturb.m" } else { "train.batch" };
        let reason =
            "batch norm needs more than one value per channel, and the last stage has one pixel; use 2 or more";
        Err(Problem::value(key, slice, reason))
    }

    /// The error of a batch size that m does not divide, with the nearest multiples of m and the nearest divisors of the batch size.
    fn undivided(&self, m: usize) -> Problem {
        const LARGEST: usize = 1 << 16;
        let batch = self.train.batch;
        let multiples = [batch / m, batch / m + 1].map(|slices| slices.saturating_mul(m)).into_iter();
        let multiples: Vec<String> = multiples.filter(|size| *size > 0).map(|size| size.to_string()).collect();
        let mut divisors: Vec<usize> = (1..=batch.min(LARGEST)).filter(|d| batch.is_multiple_of(*d)).collect();
        divisors.sort_by_key(|divisor| divisor.abs_diff(m));
        divisors.truncate(2);
        divisors.sort_unstable();
        let divisors: Vec<String> = divisors.iter().map(usize::to_string).collect();
        let reason = format!(
            "is not divisible by the slice size, perturb.m = {m}, though a batch is cut into slices of m images; set train.batch to a multiple \
             of {m} ({}), or perturb.m to a divisor of {batch} ({})",
            multiples.join(" or "),
            divisors.join(" or ")
        );
        Problem::value("train.batch", batch, reason)
    }
}
