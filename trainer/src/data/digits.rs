//! The embedded digits as a data set.

use super::dataset::{DataSplit, Dataset};
use crate::digits::{CLASSES, Images, SIDE, TEST};
use crate::shape::ImageShape;

/// The [digits](crate::digits): 1,437 training and 360 test images, stratified by class; both in the order of the file.
pub fn digits() -> DataSplit {
    let all = parse();
    let is_test = Images::parse().held_out(TEST);
    let (test, train): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|&i| is_test[i]);
    DataSplit {
        train: all.select("digits, training set", &train),
        test: all.select("digits, test set", &test),
        folder: None,
    }
}

/// All images in the order of the file.
fn parse() -> Dataset {
    let Images { pixels, labels } = Images::parse();
    let shape = ImageShape { channels: 1, height: SIDE, width: SIDE };
    Dataset::in_memory("digits".to_owned(), pixels, shape, 16, labels, CLASSES)
}

#[cfg(test)]
mod tests {
    use super::super::dataset::Images;
    use super::*;

    #[test]
    fn the_split_has_the_promised_sizes_and_every_image_once() {
        let all = parse();
        assert_eq!(all.len(), 1797);
        let pixels = |set: &Dataset| match &set.images {
            Images::Memory(pixels) => pixels.clone(),
            Images::Files(_) => unreachable!("the digits are embedded"),
        };
        let values = pixels(&all).values;
        assert!(values.len() == 1797 * 64 && values.iter().all(|v| *v <= 16));
        let DataSplit { train, test, .. } = digits();
        assert_eq!((train.len(), test.len()), (1437, 360));
        let rows = |set: &Dataset| {
            let pixels = pixels(set);
            (0..set.len()).map(|i| (pixels.image(i).to_vec(), set.labels[i])).collect::<Vec<_>>()
        };
        let mut both = [rows(&train), rows(&test)].concat();
        let mut every = rows(&all);
        both.sort();
        every.sort();
        assert_eq!(both, every);
    }

    #[test]
    fn classes_are_in_both_parts_by_their_share() {
        let DataSplit { train, test, .. } = digits();
        for class in 0..10 {
            let count = |set: &Dataset| set.labels.iter().filter(|l| **l == class).count();
            let exact = (count(&train) + count(&test)) as f64 * 360.0 / 1797.0;
            assert!((count(&test) as f64 - exact).abs() < 1.0, "class {class}");
        }
    }

    #[test]
    fn the_split_never_changes() {
        // Sums taken when the split was made: the tests above check that it is correct, this one that results stay comparable.
        let sum = |set: &Dataset| {
            let Images::Memory(pixels) = &set.images else { panic!("the digits are embedded") };
            pixels
                .values
                .iter()
                .chain(&set.labels.iter().map(|l| *l as u8).collect::<Vec<_>>())
                .fold(0u64, |h, v| (h ^ u64::from(*v)).wrapping_mul(0x0000_0100_0000_01B3))
        };
        let DataSplit { train, test, .. } = digits();
        assert_eq!((sum(&train), sum(&test)), (10562704288569162352, 11611555314737011160));
    }
}
