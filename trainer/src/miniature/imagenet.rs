//! A miniature of ImageNet and its evaluation sets: 20 classes, JPEGs of various sizes and aspect ratios.

use super::painting::{Style, paint};
use super::put::put;
use crate::error::Error;
use image::codecs::jpeg::JpegEncoder;
use lethe_tensor::random::{Draw, Philox};
use std::path::{Path, PathBuf};

const CLASSES: u32 = 20;
/// The number of training images per class.
const TRAIN: u32 = 16;
/// The number of images per class in every other set.
const OTHERS: u32 = 4;
/// One of this number of classes is in ImageNet-R.
const RENDERED: u32 = 5;
const SEED: u64 = 1;

/// A data set of the miniature.
#[derive(Clone, Copy)]
enum Part {
    Train,
    Val,
    V2,
    R,
    Sketch,
}

/// Writes the folders side by side.
pub fn write(folder: &Path) -> Result<(), Error> {
    for class in 0..CLASSES {
        for i in 0..TRAIN {
            let wnid = wnid(class);
            let path = format!("imagenet/train/{wnid}/{wnid}_{i}.JPEG");
            jpeg(folder.join(path), class, i, Part::Train)?;
        }
        for i in 0..OTHERS {
            // Numbered across the classes, as in ImageNet.
            let val = format!("imagenet/val/{}/ILSVRC2012_val_{:08}.JPEG", wnid(class), 1 + i * CLASSES + class);
            jpeg(folder.join(val), class, i, Part::Val)?;
            jpeg(folder.join(format!("imagenet-v2/{class}/{i}.jpeg")), class, i, Part::V2)?;
            jpeg(folder.join(format!("imagenet-sketch/{}/sketch_{i}.JPEG", wnid(class))), class, i, Part::Sketch)?;
            if class % RENDERED == 0 {
                jpeg(folder.join(format!("imagenet-r/{}/art_{i}.jpg", wnid(class))), class, i, Part::R)?;
            }
        }
    }
    // Most images have their own label; some have another one too, some have none.
    let labels = (0..OTHERS * CLASSES).map(|image| match (image % CLASSES, image % 11) {
        (_, 10) => vec![],
        (class, 5) => vec![class, (class + 1) % CLASSES],
        (class, _) => vec![class],
    });
    let labels = serde_json::to_vec(&labels.collect::<Vec<_>>()).expect("lists of numbers can be written as JSON");
    put(&folder.join("imagenet-real/real.json"), &labels)
}

/// A WordNet id: n and eight digits.
fn wnid(class: u32) -> String {
    format!("n{:08}", 1_440_764 + 10_007 * class)
}

fn jpeg(path: PathBuf, class: u32, index: u32, part: Part) -> Result<(), Error> {
    let mut random = Philox::new(Draw::new(SEED, [part as u32, class, index]));
    let (width, height) = (48 + random.below(49), 48 + random.below(49));
    let style = match part {
        Part::Train | Part::Val | Part::V2 => Style::Photograph,
        Part::R => Style::Rendition,
        Part::Sketch => Style::Sketch,
    };
    let image = paint(class, width, height, style, &mut random);
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&image);
    encoded.expect("an RGB image of this size can be encoded into memory");
    put(&path, &bytes)
}
