//! Miniatures of CIFAR-10 and CIFAR-100: fewer records, in files of the same names.

use super::painting::{Style, paint};
use super::put::put;
use crate::error::Error;
use lethe_tensor::random::{Draw, Philox};
use std::path::Path;

const SIDE: u32 = 32;
/// The number of records of each class in a file.
const OF_10: u32 = 8;
const OF_100: u32 = 4;
/// The number of fine classes per coarse class.
const FINE: u32 = 5;
const SEED: u64 = 2;

/// Writes the folders of the published archives.
pub fn write(folder: &Path) -> Result<(), Error> {
    let tens = folder.join("cifar-10/cifar-10-batches-bin");
    let files = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".to_owned()]);
    for (number, file) in (0..).zip(files) {
        put(&tens.join(file), &records(10, OF_10, number, |class| vec![class]))?;
    }
    let hundreds = folder.join("cifar-100/cifar-100-binary");
    for (number, file) in (100..).zip(["train.bin", "test.bin"]) {
        put(&hundreds.join(file), &records(100, OF_100, number, |class| vec![class / FINE as u8, class]))?;
    }
    Ok(())
}

/// The records of a file, with the classes in turn.
fn records(classes: u32, of_each: u32, file: u32, labels: fn(u8) -> Vec<u8>) -> Vec<u8> {
    let record = |i: u32| {
        let class = i % classes;
        let mut random = Philox::new(Draw::new(SEED, [file, i, 0]));
        let image = paint(class, SIDE, SIDE, Style::Photograph, &mut random);
        let channel = |c: usize| image.pixels().map(move |pixel| pixel.0[c]).collect::<Vec<u8>>();
        [labels(class as u8), channel(0), channel(1), channel(2)].concat()
    };
    (0..classes * of_each).flat_map(record).collect()
}
