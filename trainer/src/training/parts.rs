//! The images of a run, by purpose.

use crate::config::{Config, Split};
use crate::data::{DataSplit, Dataset};
use std::sync::Arc;

/// The images that are trained on, tested on, and analysed.
pub struct Parts {
    /// The training images without those held out.
    pub train: Arc<Dataset>,
    /// The test images.
    pub test: Arc<Dataset>,
    /// The images whose outputs are analysed: the test images, or those held out.
    pub analysed: Arc<Dataset>,
}

impl Parts {
    /// Divides a data set as a resolved config says.
    pub fn of(config: &Config, DataSplit { train, test, .. }: DataSplit) -> Parts {
        let test = Arc::new(test);
        match config.analysis.split {
            Split::Test => Parts { train: Arc::new(train), analysed: test.clone(), test },
            Split::HeldOut => {
                let (trained, held_out) = Split::HeldOut.indices(train.len());
                let analysed = train.select(&format!("{}, held out", train.name), &held_out);
                let train = train.select(&train.name, &trained);
                Parts { train: Arc::new(train), test, analysed: Arc::new(analysed) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use std::path::Path;

    #[test]
    fn every_tenth_training_image_is_held_out_of_training() {
        let config = |split: &str| {
            let text = format!(
                "[data]\ndataset = \"digits\"\n[model]\nkind = \"mlp\"\nwidths = [4]\n[optim]\nkind = \"sgd\"\nlr = 1\n\
                 [train]\nepochs = 1\nbatch = 8\n[analysis]\nsplit = \"{split}\"\n"
            );
            Config::parse(&text, Path::new("x.toml"), &[]).unwrap()
        };
        let all = digits();
        let parts = Parts::of(&config("held-out"), all.clone());
        assert_eq!((parts.train.len(), parts.analysed.len()), (1294, 143));
        let image = |set: &Dataset, index: usize| set.select("one", &[index]);
        assert_eq!(image(&parts.analysed, 1), image(&all.train, 19));
        assert_eq!(image(&parts.train, 9), image(&all.train, 10));
        let parts = Parts::of(&config("test"), all.clone());
        assert!(*parts.train == all.train && *parts.analysed == all.test && *parts.test == all.test);
    }
}
