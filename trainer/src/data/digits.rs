//! The UCI optical digits (E. Alpaydin and C. Kaynak, doi 10.24432/C50P49, CC BY 4.0), embedded in the program: 1,797
//! images of 8×8 pixels with values 0 to 16, in a fixed split.

use std::io::Read;

use flate2::read::GzDecoder;

use super::dataset::{DataSplit, Dataset};
use super::hold_out::hold_out;
use super::shape::ImageShape;

const COMPRESSED: &[u8] = include_bytes!("../../data/optdigits.csv.gz");
const SIDE: usize = 8;
const CLASSES: usize = 10;
const TEST: usize = 360;
const SPLIT_SEED: u64 = 0;

/// The digits: 1,437 images to train, 360 to test, each class in both by its share; both in the order of the file.
pub fn digits() -> DataSplit {
    let all = parse();
    let is_test = hold_out(&all.labels, CLASSES, TEST, SPLIT_SEED);
    let (test, train): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|&i| is_test[i]);
    DataSplit { train: all.select("digits, training part", &train), test: all.select("digits, test part", &test) }
}

/// All images in the order of the file.
fn parse() -> Dataset {
    let mut text = String::new();
    GzDecoder::new(COMPRESSED).read_to_string(&mut text).expect("the embedded digits are intact");
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let values: Vec<u8> =
            line.split(',').map(|v| v.parse::<u8>().expect("the embedded digits are numbers")).collect();
        let (label, pixels) = values.split_last().expect("no line of the embedded digits is empty");
        images.extend_from_slice(pixels);
        labels.push(u32::from(*label));
    }
    let shape = ImageShape { channels: 1, height: SIDE, width: SIDE };
    Dataset::in_memory("digits".to_owned(), images, shape, 16, labels, CLASSES)
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
        let DataSplit { train, test } = digits();
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
        let DataSplit { train, test } = digits();
        for class in 0..10 {
            let count = |set: &Dataset| set.labels.iter().filter(|l| **l == class).count();
            let exact = (count(&train) + count(&test)) as f64 * 360.0 / 1797.0;
            assert!((count(&test) as f64 - exact).abs() < 1.0, "class {class}");
        }
    }

    #[test]
    fn the_split_never_changes() {
        // Sums taken when the split was made; the tests above say that it is right, this one that results stay comparable.
        let sum = |set: &Dataset| {
            let Images::Memory(pixels) = &set.images else { panic!("the digits are embedded") };
            pixels
                .values
                .iter()
                .chain(&set.labels.iter().map(|l| *l as u8).collect::<Vec<_>>())
                .fold(0u64, |h, v| (h ^ u64::from(*v)).wrapping_mul(0x0000_0100_0000_01B3))
        };
        let DataSplit { train, test } = digits();
        assert_eq!((sum(&train), sum(&test)), (10562704288569162352, 11611555314737011160));
    }
}
