//! `[data]`: which images, and how they are prepared.

use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use super::augment::AugmentConfig;
use super::error::{Problem, require};

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The data set.
    pub dataset: DatasetKind,
    /// The number of classes, for `idx` only; by default one more than the largest label of the training set.
    pub classes: Option<usize>,
    /// Use only the images of these classes, which become the classes 0, 1, … in this order. Applied before `hold_out` and `train_limit`.
    pub only_classes: Option<Vec<u32>>,
    /// Use `hold_out` training images as the test set instead: the same ones in every run, with the same proportion of every class.
    pub hold_out: Option<usize>,
    /// Train only on the first `train_limit` of the training images that are not held out.
    pub train_limit: Option<usize>,
    /// The side of the square that images are cropped and resized to, in pixels; by default they keep their size. Required for folders of images.
    pub size: Option<usize>,
    /// The same for test images; by default `size`.
    pub eval_size: Option<usize>,
    /// The mean that is subtracted from pixels scaled to 0..1.
    #[serde(default = "half")]
    pub mean: PerChannel,
    /// The standard deviation by which pixels are then divided.
    #[serde(default = "half")]
    pub std: PerChannel,
    /// Rotate images in files according to their EXIF orientation.
    #[serde(default)]
    pub exif_orientation: bool,
    /// Which training images make an epoch.
    #[serde(default)]
    pub sampling: Sampling,
    /// Random augmentation of the training images.
    #[serde(default)]
    pub augment: AugmentConfig,
}

/// Which training images make an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Every image once.
    #[default]
    Once,
    /// As many images, and equally many of every class: those of small classes several times, and of large ones not all of them in each epoch.
    Balanced,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// The UCI optical digits, embedded in the program.
    Digits,
    /// Fashion-MNIST, as IDX files.
    FashionMnist,
    /// MNIST, as IDX files.
    Mnist,
    /// Any other four IDX files that are named as MNIST's.
    Idx,
    /// CIFAR-10 in its binary format.
    #[serde(rename = "cifar-10")]
    Cifar10,
    /// CIFAR-100 in its binary format, with its fine labels.
    #[serde(rename = "cifar-100")]
    Cifar100,
    /// ImageNet-1K as folders of images, with its evaluation sets beside it.
    Imagenet,
    /// Any other folders of images, one for each class.
    ImageFolder,
}

/// A number for all channels, or a list with one number per channel.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of one for each channel")]
pub enum PerChannel {
    /// The same for all channels.
    All(f64),
    /// One per channel.
    Each(Vec<f64>),
}

/// The largest side of an image that is accepted.
const LARGEST: usize = 1 << 14;
/// The largest number of classes in IDX files.
const MAX_CLASSES: usize = 256;

fn half() -> PerChannel {
    PerChannel::All(0.5)
}

impl PerChannel {
    /// The numbers for red, green and blue. For a grey image only the first counts.
    pub fn by_channel(&self) -> [f64; 3] {
        match self {
            PerChannel::All(value) => [*value; 3],
            PerChannel::Each(values) => std::array::from_fn(|c| values.get(c).copied().unwrap_or(values[0])),
        }
    }

    fn check(&self, key: &str, channels: usize, holds: fn(f64) -> bool, reason: &str) -> Result<(), Problem> {
        let value = match self {
            PerChannel::All(value) => value.to_string(),
            PerChannel::Each(values) => {
                let reason = format!("must be a number, or a list of {channels}, one for each channel");
                require(values.len() == channels, key, format!("{values:?}"), &reason)?;
                format!("{values:?}")
            }
        };
        require(self.by_channel().into_iter().all(holds), key, value, reason)
    }
}

impl DatasetKind {
    /// The data set with this name in configs.
    ///
    /// # Errors
    /// The names of all, if it is none of them.
    pub fn named(name: &str) -> Result<DatasetKind, Vec<String>> {
        let word: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        // The message lists the variants in backquotes, after the word itself.
        let listed = |message: String| message.rsplit_once(", expected ").map(|(_, all)| all.to_owned());
        DatasetKind::deserialize(word).map_err(|error| {
            let all = listed(error.to_string()).unwrap_or_default();
            all.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        })
    }

    fn channels(self) -> usize {
        match self {
            DatasetKind::Digits | DatasetKind::FashionMnist | DatasetKind::Mnist | DatasetKind::Idx => 1,
            _ => 3,
        }
    }

    /// Whether its images are files, of any size.
    pub fn is_in_files(self) -> bool {
        matches!(self, DatasetKind::Imagenet | DatasetKind::ImageFolder)
    }
}

impl DataConfig {
    /// The section of this data set with every default.
    pub fn of(dataset: DatasetKind) -> DataConfig {
        DataConfig {
            dataset,
            classes: None,
            only_classes: None,
            hold_out: None,
            train_limit: None,
            size: None,
            eval_size: None,
            mean: half(),
            std: half(),
            exif_orientation: false,
            sampling: Sampling::Once,
            augment: AugmentConfig::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let channels = self.dataset.channels();
        self.mean.check(
            "data.mean",
            channels,
            |v| (0.0..=1.0).contains(&v),
            "pixels are between 0 and 1, and so is their mean",
        )?;
        self.std.check(
            "data.std",
            channels,
            |v| v >= f64::from(f32::MIN_POSITIVE) && v <= 1.0,
            "must be positive, in single precision too; pixels are between 0 and 1, and so is their deviation",
        )?;
        if let Some(classes) = self.classes {
            let idx = self.dataset == DatasetKind::Idx;
            require(idx, "data.classes", classes, "only dataset = \"idx\" takes a number of classes")?;
            let fits = (2..=MAX_CLASSES).contains(&classes);
            require(
                fits,
                "data.classes",
                classes,
                &format!("must be from 2 to {MAX_CLASSES}: labels in IDX files are bytes"),
            )?;
        }
        self.check_only_classes()?;
        require(self.hold_out != Some(0), "data.hold_out", 0, "must be at least 1")?;
        require(self.train_limit != Some(0), "data.train_limit", 0, "must be at least 1")?;
        self.check_sizes()?;
        let reason = "applies only to images in files: imagenet and image-folder";
        require(!self.exif_orientation || self.dataset.is_in_files(), "data.exif_orientation", true, reason)?;
        self.augment.check(channels)
    }

    fn check_only_classes(&self) -> Result<(), Problem> {
        let Some(only) = &self.only_classes else { return Ok(()) };
        let (key, value) = ("data.only_classes", format!("{only:?}"));
        let all = self.dataset != DatasetKind::Imagenet;
        require(all, key, &value, "ImageNet's other evaluation sets use all of its classes; leave it out")?;
        require(only.len() >= 2, key, &value, "needs at least two classes")?;
        let twice = only.iter().enumerate().find(|(i, class)| only[..*i].contains(class));
        require(twice.is_none(), key, &value, "names a class twice")
    }

    fn check_sizes(&self) -> Result<(), Problem> {
        for (key, size) in [("data.size", self.size), ("data.eval_size", self.eval_size)] {
            let size = size.unwrap_or(1);
            require((1..=LARGEST).contains(&size), key, size, &format!("must be between 1 and {LARGEST}"))?;
        }
        if self.size.is_none() && self.dataset.is_in_files() {
            return Err(Problem::Missing { what: "key", key: "data.size".to_owned(), choices: Vec::new() });
        }
        let alone = self.size.is_none().then_some(self.eval_size).flatten();
        alone.map_or(Ok(()), |size| Err(Problem::value("data.eval_size", size, "needs data.size, to train at")))
    }

    /// `images` are the numbers of training images by class, if they are known.
    pub(super) fn check_sampling(&self, images: &[usize]) -> Result<(), Problem> {
        let is_balanced = self.sampling == Sampling::Balanced;
        let Some(class) = images.iter().position(|n| *n == 0).filter(|_| is_balanced) else { return Ok(()) };
        let reason = format!("class {class} has no training images to be sampled; leave the class or the sampling out");
        Err(Problem::value("data.sampling", "\"balanced\"", reason))
    }

    /// Writes out every default that depends on other keys.
    pub(super) fn resolve(&mut self) {
        self.eval_size = self.eval_size.or(self.size);
        self.augment.resolve();
    }
}
