//! The data sets of several configs: which of them are read from the same images, so that each is read once and none is kept longer than needed.

use super::dataset::DataSplit;
use crate::config::DataConfig;
use std::collections::BTreeSet;

impl DataConfig {
    /// The section without what [`load`](super::load) does not depend on: equal for configs whose images are the same.
    pub fn source(&self) -> DataConfig {
        // Every key is named, so that a new one is decided on.
        let DataConfig { dataset, classes, ref only_classes, hold_out, train_limit, size, .. } = *self;
        let DataConfig { eval_size, mean, std, exif_orientation, sampling, augment, .. } = DataConfig::of(dataset);
        DataConfig {
            dataset,
            classes,
            only_classes: only_classes.clone(),
            hold_out,
            train_limit,
            size,
            eval_size,
            mean,
            std,
            exif_orientation,
            sampling,
            augment,
        }
    }
}

/// The numbers of the configs that have the same images, by data set, in the order of their first ones.
pub fn sources<'a>(configs: impl IntoIterator<Item = &'a DataConfig>) -> Vec<(DataConfig, Vec<usize>)> {
    let mut sources: Vec<(DataConfig, Vec<usize>)> = Vec::new();
    for (i, source) in configs.into_iter().map(DataConfig::source).enumerate() {
        match sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, numbers)) => numbers.push(i),
            None => sources.push((source, vec![i])),
        }
    }
    sources
}

/// The remarks on several data sets, of which none is told twice.
#[derive(Debug, Default)]
pub struct Remarks(BTreeSet<String>);

impl Remarks {
    /// Tells those on a data set that were not told before.
    pub fn tell(&mut self, split: &DataSplit, tell: &dyn Fn(&str)) {
        for remark in split.train.remarks.iter().chain(&split.test.remarks) {
            if self.0.insert(remark.clone()) {
                tell(&format!("note: {remark}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DatasetKind, PerChannel, Sampling};

    #[test]
    fn configs_differ_in_their_images_by_what_reading_depends_on() {
        let digits = DataConfig::of(DatasetKind::Digits);
        let mut prepared = digits.clone();
        (prepared.mean, prepared.std, prepared.eval_size) = (PerChannel::All(0.1), PerChannel::All(0.2), Some(9));
        (prepared.sampling, prepared.exif_orientation, prepared.augment.flip) = (Sampling::Balanced, true, true);
        let others = [
            DataConfig::of(DatasetKind::Mnist),
            DataConfig { classes: Some(3), ..digits.clone() },
            DataConfig { only_classes: Some(vec![0, 1]), ..digits.clone() },
            DataConfig { hold_out: Some(3), ..digits.clone() },
            DataConfig { train_limit: Some(3), ..digits.clone() },
            DataConfig { size: Some(9), ..digits.clone() },
        ];
        let all: Vec<&DataConfig> = [&digits].into_iter().chain(&others).chain([&prepared]).collect();
        let sources = sources(all);
        assert_eq!((sources.len(), &sources[0]), (7, &(digits, vec![0, 7])));
    }

    #[test]
    fn a_remark_is_told_once() {
        let mut split = crate::data::digits();
        split.train.remarks.push("odd".into());
        let told = std::cell::RefCell::new(vec![]);
        let mut remarks = Remarks::default();
        remarks.tell(&split, &|line| told.borrow_mut().push(line.to_owned()));
        split.test.remarks.push("even".into());
        remarks.tell(&split, &|line| told.borrow_mut().push(line.to_owned()));
        assert_eq!(told.into_inner(), ["note: odd", "note: even"]);
    }
}
