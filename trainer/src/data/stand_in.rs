//! Stand-ins for robustness sets, for data sets that have none: the test images, altered in six ways at one fixed severity each.
//!
//! They are not an established benchmark, and only similar in kind to what ImageNet-V2, -R and -Sketch are to ImageNet. Results on them are always
//! labelled as stand-ins.

use std::fmt::{Display, Formatter};

use lethe_tensor::normal;
use lethe_tensor::random::{Draw, Philox};
use serde::{Deserialize, Serialize};

use crate::shape::ImageShape;

/// The noise's standard deviation, as a fraction of full brightness.
const NOISE: f64 = 0.15;
/// The blur's standard deviation, as a fraction of the image's shorter side, and its minimum in pixels.
const BLUR: f64 = 0.06;
const LEAST_BLUR: f64 = 0.5;
/// The factor by which contrast is reduced.
const CONTRAST: f64 = 0.25;
/// The rotation, in degrees, counter-clockwise.
const TURN: f64 = 30.0;
/// The brightness step between pixels, as a fraction of full brightness, that a sketch draws black.
const EDGE: f64 = 0.5;
const SEED: u64 = 0x5EED_0F57_A9D1;

/// The alteration of every image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandIn {
    /// Gaussian noise on every value.
    GaussianNoise,
    /// A Gaussian blur.
    Blur,
    /// Every value moved towards the image's mean.
    Contrast,
    /// A rotation about the centre; uncovered pixels are black.
    Rotation,
    /// Full brightness minus every value.
    Inversion,
    /// Dark lines on white at changes of brightness.
    EdgeSketch,
}

impl StandIn {
    /// All of them.
    pub const ALL: [StandIn; 6] = [
        StandIn::GaussianNoise,
        StandIn::Blur,
        StandIn::Contrast,
        StandIn::Rotation,
        StandIn::Inversion,
        StandIn::EdgeSketch,
    ];

    /// Its name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            StandIn::GaussianNoise => "gaussian-noise",
            StandIn::Blur => "blur",
            StandIn::Contrast => "contrast",
            StandIn::Rotation => "rotation",
            StandIn::Inversion => "inversion",
            StandIn::EdgeSketch => "edge-sketch",
        }
    }

    /// The altered image, in the order CHW; `index` is its index in the set, which determines its noise.
    pub(super) fn apply(self, image: &[u8], shape: ImageShape, max_value: u8, index: usize) -> Vec<u8> {
        let full = f64::from(max_value);
        let values: Vec<f64> = image.iter().map(|v| f64::from(*v)).collect();
        let plane = shape.height * shape.width;
        let each_plane = |f: &dyn Fn(&[f64]) -> Vec<f64>| values.chunks_exact(plane).flat_map(f).collect::<Vec<f64>>();
        let altered = match self {
            StandIn::GaussianNoise => {
                let mut random = Philox::new(Draw::new(SEED, [index as u32, 0, 0]));
                values.iter().map(|v| v + NOISE * full * normal::quantile(random.uniform())).collect()
            }
            StandIn::Blur => each_plane(&|p| blurred(p, shape)),
            StandIn::Contrast => {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                values.iter().map(|v| mean + CONTRAST * (v - mean)).collect()
            }
            StandIn::Rotation => each_plane(&|p| turned(p, shape)),
            StandIn::Inversion => values.iter().map(|v| full - v).collect(),
            StandIn::EdgeSketch => {
                let grey: Vec<f64> = (0..plane)
                    .map(|i| (0..shape.channels).map(|c| values[c * plane + i]).sum::<f64>() / shape.channels as f64)
                    .collect();
                let lines: Vec<f64> =
                    steps(&grey, shape).map(|step| full * (1.0 - step / (EDGE * full)).max(0.0)).collect();
                lines.repeat(shape.channels)
            }
        };
        altered.into_iter().map(|v| v.round().clamp(0.0, full) as u8).collect()
    }
}

impl Display for StandIn {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "stand-in {}", self.name())
    }
}

/// The value of a plane at a pixel, or at the nearest existing one.
fn at(plane: &[f64], shape: ImageShape, y: isize, x: isize) -> f64 {
    let within = |v: isize, n: usize| v.clamp(0, n as isize - 1) as usize;
    plane[within(y, shape.height) * shape.width + within(x, shape.width)]
}

fn pixels(shape: ImageShape) -> impl Iterator<Item = (isize, isize)> {
    (0..shape.height as isize).flat_map(move |y| (0..shape.width as isize).map(move |x| (y, x)))
}

fn blurred(plane: &[f64], shape: ImageShape) -> Vec<f64> {
    let deviation = (BLUR * shape.height.min(shape.width) as f64).max(LEAST_BLUR);
    let reach = (3.0 * deviation).ceil() as isize;
    let weights: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let along = |plane: &[f64], (dy, dx): (isize, isize)| -> Vec<f64> {
        let value = |y: isize, x: isize| {
            let near = (-reach..=reach).zip(&weights);
            near.map(|(d, w)| w * at(plane, shape, y + d * dy, x + d * dx)).sum::<f64>() / sum
        };
        pixels(shape).map(|(y, x)| value(y, x)).collect()
    };
    along(&along(plane, (0, 1)), (1, 0))
}

fn turned(plane: &[f64], shape: ImageShape) -> Vec<f64> {
    let (sin, cos) = TURN.to_radians().sin_cos();
    let (middle_y, middle_x) = ((shape.height as f64 - 1.0) / 2.0, (shape.width as f64 - 1.0) / 2.0);
    let inside = |y: isize, x: isize| {
        let there = (0..shape.height as isize).contains(&y) && (0..shape.width as isize).contains(&x);
        if there { at(plane, shape, y, x) } else { 0.0 }
    };
    let value = |y: isize, x: isize| {
        let (dy, dx) = (y as f64 - middle_y, x as f64 - middle_x);
        let (from_y, from_x) = (middle_y + cos * dy + sin * dx, middle_x - sin * dy + cos * dx);
        let (top, left) = (from_y.floor(), from_x.floor());
        let (down, right) = (from_y - top, from_x - left);
        let (y, x) = (top as isize, left as isize);
        let row = |y: isize| (1.0 - right) * inside(y, x) + right * inside(y, x + 1);
        (1.0 - down) * row(y) + down * row(y + 1)
    };
    pixels(shape).map(|(y, x)| value(y, x)).collect()
}

/// The change of brightness at each pixel: the magnitude of the Sobel gradient, scaled so that a step of 1 between neighbours gives 1.
fn steps(grey: &[f64], shape: ImageShape) -> impl Iterator<Item = f64> {
    pixels(shape).map(move |(y, x)| {
        let v = |dy: isize, dx: isize| at(grey, shape, y + dy, x + dx);
        let side = |d: isize| v(-1, d) + 2.0 * v(0, d) + v(1, d);
        let level = |d: isize| v(d, -1) + 2.0 * v(d, 0) + v(d, 1);
        ((side(1) - side(-1)) / 8.0).hypot((level(1) - level(-1)) / 8.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 20, width: 20 };

    /// Left half dark, right half bright.
    fn halves() -> Vec<u8> {
        (0..400).map(|i| if i % 20 < 10 { 40 } else { 200 }).collect()
    }

    fn apply(stand_in: StandIn, index: usize) -> Vec<u8> {
        stand_in.apply(&halves(), SHAPE, 255, index)
    }

    #[test]
    fn noise_has_its_deviation_and_depends_on_the_place() {
        let (image, grey) = (apply(StandIn::GaussianNoise, 3), vec![120; 400]);
        assert_eq!(image, apply(StandIn::GaussianNoise, 3));
        assert_ne!(image, apply(StandIn::GaussianNoise, 4));
        let noisy = StandIn::GaussianNoise.apply(&grey, SHAPE, 255, 0);
        let variance = noisy.iter().map(|v| (f64::from(*v) - 120.0).powi(2)).sum::<f64>() / 400.0;
        assert!((variance.sqrt() / 255.0 - NOISE).abs() < 0.02, "{}", variance.sqrt());
    }

    #[test]
    fn each_alters_as_its_name_says() {
        let blur = apply(StandIn::Blur, 0);
        assert!(
            blur[0] == 40 && blur[19] == 200 && (41..120).contains(&blur[9]) && blur[9] + blur[10] == 240,
            "{blur:?}"
        );
        let contrast = apply(StandIn::Contrast, 0);
        assert_eq!((contrast[0], contrast[19]), (100, 140));
        let inverted = apply(StandIn::Inversion, 0);
        assert_eq!((inverted[0], inverted[19]), (215, 55));
        let sketch = apply(StandIn::EdgeSketch, 0);
        assert!(sketch[0] == 255 && sketch[19] == 255 && sketch[9] < 130 && sketch[9] == sketch[10], "{sketch:?}");
        let turned = apply(StandIn::Rotation, 0);
        assert_eq!((turned[0], turned[9 * 20 + 4], turned[9 * 20 + 15]), (0, 40, 200));
        // Counter-clockwise, the bright half rises: above the middle it reaches further left, below it less far.
        assert!(turned[3 * 20 + 8] == 200 && turned[16 * 20 + 11] == 40, "{turned:?}");
    }

    #[test]
    fn colour_images_and_dim_ones_keep_their_range() {
        let shape = ImageShape { channels: 3, height: 5, width: 4 };
        let image: Vec<u8> = (0..60).map(|i| i % 17).collect();
        for stand_in in StandIn::ALL {
            let altered = stand_in.apply(&image, shape, 16, 0);
            assert!(altered.len() == 60 && altered.iter().all(|v| *v <= 16), "{stand_in}: {altered:?}");
            assert_ne!(altered, image, "{stand_in}");
        }
    }
}
