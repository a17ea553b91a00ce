//! `[data]`: which images, and how they are prepared.

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The data set.
    pub dataset: DatasetKind,
    /// The number of classes, for `idx` only; by default one more than the largest label of the training set.
    pub classes: Option<usize>,
    /// Only the images of these classes, which become the classes 0, 1, … in this order. Chosen before all that follows.
    pub only_classes: Option<Vec<u32>>,
    /// Take so many training images, of each class its share and the same ones in every run, as the test set.
    pub hold_out: Option<usize>,
    /// Train on the first so many training images only, of those that are not held out.
    pub train_limit: Option<usize>,
    /// The side of the square that images are cut and resized to; by default they stay as they are. Folders of images need it.
    pub size: Option<usize>,
    /// The same for test images; by default `size`.
    pub eval_size: Option<usize>,
    /// Subtracted from every pixel after it is scaled to 0..1.
    #[serde(default = "half")]
    pub mean: PerChannel,
    /// Divides every pixel after that.
    #[serde(default = "half")]
    pub std: PerChannel,
    /// Turn images in files as the camera's note (EXIF orientation) says.
    #[serde(default)]
    pub exif_orientation: bool,
    /// Random changes of the training images.
    #[serde(default)]
    pub augment: AugmentConfig,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// The UCI optical digits, embedded in the program.
    Digits,
    /// Fashion-MNIST, as IDX files.
    FashionMnist,
    /// MNIST, as IDX files.
    Mnist,
    /// Any other four IDX files with MNIST's names.
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

/// A number for all channels, or a list of one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of one for each channel")]
pub enum PerChannel {
    /// The same for all.
    All(f64),
    /// One for each.
    Each(Vec<f64>),
}

/// `[data.augment]`: random changes of the training images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Pad every side with so many black pixels, then cut the image's size out at a random place.
    pub crop_padding: usize,
    /// Mirror every second image, left to right.
    pub flip: bool,
    /// Cut a random part of random area and aspect out, and resize it to the image's size.
    pub inception_crop: bool,
    /// The smallest such part, as a share of the image's area; by default 0.05.
    pub min_area: Option<f64>,
}

/// More than any side of an image that could be meant.
const LARGEST: usize = 1 << 14;
const MIN_AREA: f64 = 0.05;

fn half() -> PerChannel {
    PerChannel::All(0.5)
}

impl PerChannel {
    /// The numbers of red, green and blue. A grey image's only one is the first.
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
    fn channels(self) -> usize {
        match self {
            DatasetKind::Digits | DatasetKind::FashionMnist | DatasetKind::Mnist | DatasetKind::Idx => 1,
            _ => 3,
        }
    }

    /// Whether its images are files, of any size.
    fn in_files(self) -> bool {
        matches!(self, DatasetKind::Imagenet | DatasetKind::ImageFolder)
    }
}

impl AugmentConfig {
    /// The smallest area that is cut out, as a share of the image's.
    pub fn min_area(&self) -> f64 {
        self.min_area.unwrap_or(MIN_AREA)
    }

    fn check(&self) -> Result<(), Problem> {
        let both = self.inception_crop && self.crop_padding > 0;
        let reason = "goes without augment.inception_crop, which cuts parts out already";
        require(!both, "data.augment.crop_padding", self.crop_padding, reason)?;
        let Some(area) = self.min_area else { return Ok(()) };
        require(self.inception_crop, "data.augment.min_area", area, "needs data.augment.inception_crop = true")?;
        require(area > 0.0 && area <= 1.0, "data.augment.min_area", area, "must be above 0, and 1 at most")
    }
}

impl DataConfig {
    /// A data set with every default.
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
            augment: AugmentConfig::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let channels = self.dataset.channels();
        self.mean.check("data.mean", channels, f64::is_finite, "must be finite")?;
        self.std.check("data.std", channels, |v| v.is_finite() && v > 0.0, "must be finite and positive")?;
        if let Some(classes) = self.classes {
            let idx = self.dataset == DatasetKind::Idx;
            require(idx, "data.classes", classes, "only dataset = \"idx\" takes a number of classes")?;
            require(classes >= 2, "data.classes", classes, "must be at least 2")?;
        }
        self.check_only_classes()?;
        require(self.hold_out != Some(0), "data.hold_out", 0, "must be at least 1")?;
        require(self.train_limit != Some(0), "data.train_limit", 0, "must be at least 1")?;
        self.check_sizes()?;
        let reason = "concerns images in files alone: imagenet and image-folder";
        require(!self.exif_orientation || self.dataset.in_files(), "data.exif_orientation", true, reason)?;
        self.augment.check()
    }

    fn check_only_classes(&self) -> Result<(), Problem> {
        let Some(only) = &self.only_classes else { return Ok(()) };
        let (key, value) = ("data.only_classes", format!("{only:?}"));
        let all = self.dataset != DatasetKind::Imagenet;
        require(all, key, &value, "ImageNet's other evaluation sets name all of its classes; leave it out")?;
        require(only.len() >= 2, key, &value, "needs at least two classes")?;
        let twice = only.iter().enumerate().find(|(i, class)| only[..*i].contains(class));
        require(twice.is_none(), key, &value, "names a class twice")
    }

    fn check_sizes(&self) -> Result<(), Problem> {
        for (key, size) in [("data.size", self.size), ("data.eval_size", self.eval_size)] {
            let size = size.unwrap_or(1);
            require((1..=LARGEST).contains(&size), key, size, &format!("must be between 1 and {LARGEST}"))?;
        }
        if self.size.is_none() && self.dataset.in_files() {
            return Err(Problem::Missing { what: "key", key: "data.size".to_owned(), choices: Vec::new() });
        }
        let alone = self.size.is_none().then_some(self.eval_size).flatten();
        alone.map_or(Ok(()), |size| Err(Problem::value("data.eval_size", size, "needs data.size, to train at")))
    }

    /// Every default that depends on other keys written out.
    pub(super) fn resolve(&mut self) {
        self.eval_size = self.eval_size.or(self.size);
        if self.augment.inception_crop {
            self.augment.min_area = Some(self.augment.min_area());
        }
    }
}
