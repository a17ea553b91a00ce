//! Operations against Pillow's, byte for byte, and the distributions of what is drawn.

use super::colour::{brightness, contrast, hue, saturation, sharpness};
use super::mix::{Mixing, mixed};
use super::planes::Planes;
use super::rand_augment::{OPERATIONS, rand_augment};
use super::streams::{Purpose, Streams};
use super::tone::{autocontrast, equalize, posterize, solarize};
use super::warp::{rotate, shear_x, shear_y, translate, warp};
use super::{erase, jitter};
use crate::config::AugmentConfig;
use crate::shape::ImageShape;
use serde::Deserialize;

const SMALL: ImageShape = ImageShape { channels: 3, height: 7, width: 9 };
const LARGE: ImageShape = ImageShape { channels: 3, height: 30, width: 40 };

/// What Pillow 13 makes of the image [`small`] (`equalize_large`: of [`large`]) by the calls that torchvision's `ColorJitter` and `RandAugment` make of
/// PIL images: `tests/fixtures/pil/augment.py`. The values are hexadecimal in the order CHW.
const PILLOW: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pil/augment.jsonl"));

#[derive(Deserialize)]
struct Case {
    op: String,
    amount: f64,
    values: String,
}

fn image(shape: ImageShape, value: impl Fn(usize, usize, usize) -> usize) -> Vec<u8> {
    let ImageShape { channels, height, width } = shape;
    let all = (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))));
    all.map(|(c, y, x)| value(c, y, x) as u8).collect()
}

fn small() -> Vec<u8> {
    image(SMALL, |c, y, x| 37 * x * x + 91 * y + 53 * c * x * y + 11 * c)
}

fn large() -> Vec<u8> {
    image(LARGE, |c, y, x| x * y / 3 + c * 20 + (x * x + 7 * y) % 50)
}

fn changed(op: &str, amount: f64) -> Vec<u8> {
    let is_large = op == "equalize_large";
    let (mut values, shape) = if is_large { (large(), LARGE) } else { (small(), SMALL) };
    let mut planes = Planes { values: &mut values, shape };
    let image = &mut planes;
    match op {
        "brightness" => brightness(image, amount),
        "contrast" => contrast(image, amount),
        "saturation" => saturation(image, amount),
        "sharpness" => sharpness(image, amount),
        "hue" => hue(image, amount),
        "posterize" => posterize(image, amount as u32),
        "solarize" => solarize(image, amount),
        "autocontrast" => {
            contrast(image, 0.4);
            autocontrast(image);
        }
        "equalize" | "equalize_large" => equalize(image),
        "shear_x" => warp(image, shear_x(amount)),
        "shear_y" => warp(image, shear_y(amount)),
        "translate_x" => warp(image, translate(amount, 0.0)),
        "translate_y" => warp(image, translate(0.0, amount)),
        "rotate" => warp(image, rotate(amount, shape.width, shape.height)),
        _ => panic!("{op}"),
    }
    values
}

#[test]
fn operations_give_the_bytes_that_pillow_gives() {
    let mut cases = 0;
    for line in PILLOW.lines() {
        let Case { op, amount, values } = serde_json::from_str(line).unwrap();
        let got: String = changed(&op, amount).iter().map(|v| format!("{v:02x}")).collect();
        assert_eq!(got, values, "{op} {amount}");
        cases += 1;
    }
    assert_eq!(cases, 47);
}

#[test]
fn grey_images_have_their_own_luminance() {
    let shape = ImageShape { channels: 1, ..SMALL };
    let of = |change: &dyn Fn(&mut Planes<'_>)| {
        let mut values = small()[..63].to_vec();
        change(&mut Planes { values: &mut values, shape });
        values
    };
    let own = small()[..63].to_vec();
    assert_eq!(of(&|image| saturation(image, 0.0)), own);
    assert_eq!(of(&|image| hue(image, 0.3)), own);
    let flat = of(&|image| contrast(image, 0.0));
    assert!(flat.iter().all(|v| *v == flat[0]) && flat[0] > 100 && flat[0] < 150, "{flat:?}");
}

/// The amounts of torchvision's `RandAugment(num_magnitude_bins=31)` at the magnitudes 0, 9 and 30, of images of 40×30 pixels.
#[test]
fn operations_have_the_amounts_of_torchvision() {
    let of = |change: &dyn Fn(&mut Planes<'_>)| {
        let mut values = large();
        change(&mut Planes { values: &mut values, shape: LARGE });
        values
    };
    for (magnitude, shear, across, down, degrees, factor, bits, threshold) in [
        (0, 0.0, 0.0, 0.0, 0.0, 0.0, 8, 255.0),
        (9, 0.09, 5.0, 4.0, 9.0, 0.27, 7, 178.5),
        (30, 0.3, 18.0, 13.0, 30.0, 0.9, 4, 0.0),
    ] {
        for sign in [1.0, -1.0] {
            let same = |name: &str, expected: &dyn Fn(&mut Planes<'_>)| {
                let (_, operation) = OPERATIONS.iter().find(|(own, _)| *own == name).unwrap();
                let got = of(&|image| operation(image, sign * f64::from(magnitude) / 30.0));
                assert!(got == of(expected), "{name} at {magnitude}, direction {sign}");
            };
            same("shear_x", &|image| warp(image, shear_x(sign * shear)));
            same("shear_y", &|image| warp(image, shear_y(sign * shear)));
            same("translate_x", &|image| warp(image, translate(sign * across, 0.0)));
            same("translate_y", &|image| warp(image, translate(0.0, sign * down)));
            same("rotate", &|image| warp(image, rotate(sign * degrees, 40, 30)));
            same("brightness", &|image| brightness(image, 1.0 + sign * factor));
            same("saturation", &|image| saturation(image, 1.0 + sign * factor));
            same("contrast", &|image| contrast(image, 1.0 + sign * factor));
            same("sharpness", &|image| sharpness(image, 1.0 + sign * factor));
            same("posterize", &|image| posterize(image, bits));
            same("solarize", &|image| solarize(image, threshold));
        }
    }
}

fn streams(position: u32) -> Streams {
    Streams { seed: 7, epoch: 3, position }
}

#[test]
fn rand_augment_draws_every_operation_and_0_of_them_change_nothing() {
    let of = |operations: usize, magnitude: usize, position: u32| {
        let mut values = small();
        let random = streams(position).of(Purpose::Operations);
        rand_augment(&mut Planes { values: &mut values, shape: SMALL }, operations, magnitude, random);
        values
    };
    assert_eq!(of(0, 30, 0), small());
    assert_eq!(of(2, 9, 5), of(2, 9, 5));
    let results: std::collections::BTreeSet<Vec<u8>> = (0..300).map(|position| of(1, 30, position)).collect();
    // Nine operations have two directions; the identity and an equalisation of 63 pixels change nothing; of 4 bits and inverted are one each.
    let directed = 2 * 9;
    assert_eq!(results.len(), directed + (OPERATIONS.len() - 9) - 1, "{}", results.len());
}

#[test]
fn factors_are_drawn_from_their_whole_range() {
    let config = AugmentConfig { brightness: 0.5, ..AugmentConfig::default() };
    let brightest = |position: u32| {
        let mut values = vec![100; 63 * 3];
        jitter(&mut Planes { values: &mut values, shape: SMALL }, &config, streams(position).of(Purpose::Colours));
        values[0]
    };
    let all: Vec<u8> = (0..1000).map(brightest).collect();
    assert!(all.iter().all(|v| (50..=150).contains(v)));
    assert!(all.iter().any(|v| *v < 53) && all.iter().any(|v| *v > 146));
    let mean = all.iter().map(|v| f64::from(*v)).sum::<f64>() / 1000.0;
    assert!((mean - 99.5).abs() < 4.6, "{mean}"); // five standard deviations of a mean of 1000
}

#[test]
fn a_rectangle_of_a_third_at_most_is_erased_as_often_as_asked() {
    let shape = ImageShape { channels: 2, height: 32, width: 24 };
    let erased = |position: u32| {
        let mut values = vec![1.0; shape.len()];
        erase(&mut values, shape, 0.25, streams(position).of(Purpose::Erasing));
        let (first, second) = values.split_at(32 * 24);
        assert_eq!(first, second, "all channels lose the same pixels");
        first.iter().filter(|v| **v == 0.0).count()
    };
    let counts: Vec<usize> = (0..2000).map(erased).collect();
    let changed: Vec<usize> = counts.into_iter().filter(|n| *n > 0).collect();
    assert!((400..600).contains(&changed.len()), "{}", changed.len()); // 500 ± five standard deviations
    let (least, most) = (changed.iter().min().unwrap(), changed.iter().max().unwrap());
    assert!((10..40).contains(least) && (230..270).contains(most), "{least} {most}");
}

/// Images of one value each, and what they become.
fn mixture(mixup: f64, cutmix: f64, n: usize) -> (Vec<f32>, super::Mixture) {
    let shape = ImageShape { channels: 1, height: 8, width: 8 };
    let mut images: Vec<f32> = (0..n).flat_map(|i| [i as f32; 64]).collect();
    let labels: Vec<u32> = (0..n as u32).collect();
    let mixing = Mixing::of(&AugmentConfig { mixup, cutmix, ..AugmentConfig::default() }).unwrap();
    let mixture = mixed(&mut images, &labels, shape, (mixing, n), streams(0));
    (images, mixture)
}

#[test]
fn a_mixed_image_has_the_shares_of_its_target() {
    for (mixup, cutmix) in [(0.4, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let (images, mixture) = mixture(mixup, cutmix, 40);
        let labels: Vec<u32> = (0..40).collect();
        let targets = mixture.targets(&labels, 0, 40);
        let kinds = images.chunks(64).enumerate().map(|(i, image)| {
            let (own, other, share) = (i as f32, (39 - i) as f32, mixture.shares[i]);
            assert_eq!(mixture.others[i] as usize, 39 - i);
            let mean = image.iter().sum::<f32>() / 64.0;
            assert!((mean - (share * own + (1.0 - share) * other)).abs() < 1e-3, "{i}: {mean}");
            assert_eq!(targets[i * 40 + i], share);
            assert!((targets[i * 40..][..40].iter().sum::<f32>() - 1.0).abs() < 1e-6);
            image.iter().all(|v| *v == own || *v == other)
        });
        let cut = kinds.filter(|cut| *cut).count();
        let expected = if mixup == 0.0 {
            40..41
        } else if cutmix == 0.0 {
            0..8
        } else {
            8..33
        };
        assert!(expected.contains(&cut), "{cut} of 40 are cut with {mixup} and {cutmix}");
    }
}

#[test]
fn shares_are_those_of_a_beta_distribution() {
    for alpha in [0.2, 1.0, 8.0] {
        let shares: Vec<f64> = mixture(alpha, 0.0, 4000).1.shares.iter().map(|s| f64::from(*s)).collect();
        let mean = shares.iter().sum::<f64>() / 4000.0;
        let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 4000.0;
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((mean - 0.5).abs() < 5.0 * (expected / 4000.0).sqrt(), "α = {alpha}: mean {mean}");
        assert!((variance / expected - 1.0).abs() < 0.15, "α = {alpha}: variance {variance}, not {expected}");
    }
}
