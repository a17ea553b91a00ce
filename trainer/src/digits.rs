//! The UCI optical digits (E. Alpaydin and C. Kaynak, doi 10.24432/C50P49, CC BY 4.0), embedded: 1,797 images of 8×8 pixels with values 0 to 16,
//! in a fixed split into 1,437 training and 360 test images, stratified by class.

use std::io::Read;

use crate::hold_out::hold_out;
use flate2::read::GzDecoder;
use lethe_optim::Batch;
use lethe_tensor::{Device, Tensor};

const COMPRESSED: &[u8] = include_bytes!("../data/optdigits.csv.gz");
/// The height and width of an image, in pixels.
pub const SIDE: usize = 8;
/// The number of classes: the digits 0 to 9.
pub const CLASSES: usize = 10;
/// The number of test images.
pub const TEST: usize = 360;
const SPLIT_SEED: u64 = 0;

/// All images, in the order of the file.
pub(crate) struct Images {
    /// The pixels, image after image, row by row.
    pub pixels: Vec<u8>,
    /// The digit of each image.
    pub labels: Vec<u32>,
}

impl Images {
    /// Parses the embedded file.
    pub fn parse() -> Images {
        let mut text = String::new();
        GzDecoder::new(COMPRESSED).read_to_string(&mut text).expect("the embedded digits are intact");
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let values: Vec<u8> =
                line.split(',').map(|v| v.parse::<u8>().expect("the embedded digits are numbers")).collect();
            let (label, image) = values.split_last().expect("no line of the embedded digits is empty");
            pixels.extend_from_slice(image);
            labels.push(u32::from(*label));
        }
        Images { pixels, labels }
    }

    /// Which images are held out, if `count` of them are.
    pub fn held_out(&self, count: usize) -> Vec<bool> {
        hold_out(&self.labels, CLASSES, count, SPLIT_SEED)
    }
}

/// The training and the test set on a device: inputs (n, 1, 8, 8) with values from 0 to 1, labels (n).
///
/// ```
/// let (train, test) = lethe::digits::load(&lethe::tensor::Device::cpu());
/// assert_eq!((train.len(), test.len()), (1437, 360));
/// ```
pub fn load(device: &Device) -> (Batch, Batch) {
    let all = Images::parse();
    let is_test = all.held_out(TEST);
    let part = |test: bool| {
        let chosen: Vec<usize> = (0..all.labels.len()).filter(|&i| is_test[i] == test).collect();
        let image = |&i: &usize| all.pixels[i * SIDE * SIDE..][..SIDE * SIDE].iter().map(|v| f32::from(*v) / 16.0);
        let pixels: Vec<f32> = chosen.iter().flat_map(image).collect();
        let labels: Vec<u32> = chosen.iter().map(|&i| all.labels[i]).collect();
        Batch {
            inputs: Tensor::from_slice(device, &pixels, &[chosen.len(), 1, SIDE, SIDE]),
            targets: Tensor::from_slice(device, &labels, &[chosen.len()]),
        }
    };
    (part(false), part(true))
}
