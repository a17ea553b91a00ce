//! The paper's published results (tables 1, 2, B.1 and B.2), for comparison.

use super::{Architecture, Direction};
use Architecture::{Resnet50, Resnet101, VitS16, VitS32};

/// A mean and its standard deviation; NaN if the source is not legible.
#[derive(Clone, Copy, Debug)]
pub struct Measured(pub f64, pub f64);

impl Measured {
    /// The text for tables, with this number of decimals.
    pub fn text(self, decimals: usize) -> String {
        let Measured(mean, sd) = self;
        if mean.is_nan() { "–".into() } else { format!("{mean:.decimals$} ± {sd:.decimals$}") }
    }
}

const ILLEGIBLE: Measured = Measured(f64::NAN, f64::NAN);

/// A row of table 1 or B.1: top-1 accuracies in percent on ImageNet (V1), ReaL, V2, R and Sketch, and the sharpness.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    /// The model.
    pub architecture: Architecture,
    /// The method and the perturbation, in [`super::Method::words`]'s words.
    pub method: [&'static str; 2],
    /// V1, ReaL, V2, R, Sketch.
    pub accuracy: [Measured; 5],
    /// The dominant eigenvalue of the Hessian.
    pub sharpness: Measured,
}

const fn row(
    architecture: Architecture,
    method: [&'static str; 2],
    a: [f64; 5],
    sd: [f64; 5],
    sharpness: Measured,
) -> Anchor {
    let accuracy = [
        Measured(a[0], sd[0]),
        Measured(a[1], sd[1]),
        Measured(a[2], sd[2]),
        Measured(a[3], sd[3]),
        Measured(a[4], sd[4]),
    ];
    Anchor { architecture, method, accuracy, sharpness }
}

const BASE: [&str; 2] = ["base", "none"];
const SAM_STEEPEST: [&str; 2] = ["sam", "steepest"];
const SAM_OBF: [&str; 2] = ["sam", "obf"];
const GSAM_STEEPEST: [&str; 2] = ["gsam", "steepest"];
const GSAM_OBF: [&str; 2] = ["gsam", "obf"];

/// Table 1: three seeds.
#[rustfmt::skip]
pub const TABLE_1: [Anchor; 20] = [
    row(VitS32, BASE,          [69.29, 75.31, 55.48, 19.02, 16.38], [0.26, 0.28, 0.58, 0.47, 0.34], Measured(165.6, 15.2)),
    row(VitS32, SAM_STEEPEST,  [72.77, 78.89, 58.81, 21.63, 19.68], [0.06, 0.05, 0.33, 0.23, 0.50], Measured(14.9, 1.1)),
    row(VitS32, SAM_OBF,       [74.49, 81.31, 61.13, 25.31, 22.58], [0.04, 0.05, 0.18, 0.41, 0.13], Measured(3.9, 1.4)),
    row(VitS32, GSAM_STEEPEST, [73.41, 79.48, 59.94, 22.18, 20.28], [0.05, 0.08, 0.15, 0.15, 0.15], Measured(11.6, 1.2)),
    row(VitS32, GSAM_OBF,      [74.41, 81.41, 61.08, 25.15, 22.24], [0.12, 0.11, 0.18, 0.23, 0.07], Measured(3.1, 0.7)),
    row(VitS16, BASE,          [74.30, 80.04, 61.28, 20.25, 18.15], [0.10, 0.04, 0.09, 0.27, 0.11], ILLEGIBLE),
    row(VitS16, SAM_STEEPEST,  [78.73, 85.47, 66.98, 25.69, 24.10], [0.08, 0.05, 0.14, 0.09, 0.33], Measured(2.4, 0.4)),
    row(VitS16, SAM_OBF,       [80.30, 86.14, 68.62, 27.19, 26.45], [0.13, 0.13, 0.05, 0.27, 0.22], Measured(17.1, 2.8)),
    row(VitS16, GSAM_STEEPEST, [78.95, 84.31, 66.80, 24.92, 24.41], [0.13, 0.06, 0.43, 0.43, 0.52], Measured(6.0, 0.3)),
    row(VitS16, GSAM_OBF,      [80.32, 86.26, 68.83, 27.48, 25.92], [0.06, 0.07, 0.12, 0.10, 0.13], Measured(4.3, 1.4)),
    row(Resnet50, BASE,          [76.86, 83.28, 65.00, 20.29, 20.53], [0.07, 0.11, 0.14, 0.36, 0.46], ILLEGIBLE),
    row(Resnet50, SAM_STEEPEST,  [77.49, 83.78, 65.26, 21.08, 21.18], [0.06, 0.05, 0.21, 0.16, 0.32], Measured(170.1, 18.9)),
    row(Resnet50, SAM_OBF,       [77.67, 84.01, 65.70, 21.63, 22.17], [0.07, 0.03, 0.45, 0.18, 0.26], Measured(164.4, 25.0)),
    row(Resnet50, GSAM_STEEPEST, [77.43, 83.79, 65.37, 21.37, 21.52], [0.12, 0.19, 0.26, 0.21, 0.56], Measured(171.0, 16.8)),
    row(Resnet50, GSAM_OBF,      [77.66, 84.09, 66.01, 21.76, 22.26], [0.08, 0.07, 0.09, 0.23, 0.47], Measured(161.4, 10.9)),
    row(Resnet101, BASE,          [78.44, 84.39, 66.61, 22.91, 23.45], [0.08, 0.02, 0.19, 0.83, 1.31], ILLEGIBLE),
    row(Resnet101, SAM_STEEPEST,  [79.09, 85.05, 67.24, 23.64, 24.80], [0.08, 0.09, 0.20, 0.38, 0.20], Measured(155.1, 12.0)),
    row(Resnet101, SAM_OBF,       [79.27, 85.17, 67.85, 24.21, 25.56], [0.06, 0.10, 0.17, 0.26, 0.47], Measured(170.4, 2.1)),
    row(Resnet101, GSAM_STEEPEST, [79.11, 85.00, 67.52, 23.65, 24.79], [0.04, 0.08, 0.21, 0.39, 0.13], Measured(166.1, 2.8)),
    row(Resnet101, GSAM_OBF,      [79.40, 85.37, 68.05, 24.52, 25.44], [0.07, 0.16, 0.35, 0.10, 0.33], Measured(165.7, 28.4)),
];

const SHRINK: [&str; 2] = ["shrink-perturb", "none"];
const SMOOTHING: [&str; 2] = ["label-smoothing", "none"];

/// The rows of table B.1 that are not in table 1.
#[rustfmt::skip]
pub const TABLE_B1: [Anchor; 10] = [
    row(VitS32, SHRINK,               [69.05, 75.29, 55.45, 18.99, 16.14], [0.07, 0.08, 0.32, 0.11, 0.23], Measured(325.8, 290.9)),
    row(VitS32, SMOOTHING,            [69.75, 75.94, 55.95, 19.66, 16.82], [0.10, 0.10, 0.30, 0.16, 0.20], Measured(1959.9, 1319.8)),
    row(VitS32, ["sam", "random"],    [69.23, 75.43, 55.27, 19.03, 16.45], [0.28, 0.31, 0.26, 0.27, 0.37], Measured(147.4, 30.4)),
    row(VitS32, ["asam", "steepest"], [74.45, 81.23, 60.78, 24.07, 21.68], [0.11, 0.11, 0.25, 0.12, 0.23], Measured(6.5, 0.4)),
    row(VitS32, ["asam", "obf"],      [74.73, 81.24, 60.95, 24.65, 22.40], [0.19, 0.25, 0.28, 0.26, 0.10], Measured(30.3, 11.6)),
    row(Resnet50, SHRINK,               [76.83, 83.28, 64.62, 20.25, 20.97], [0.03, 0.10, 0.27, 0.31, 0.37], Measured(256.6, 31.7)),
    row(Resnet50, SMOOTHING,            [77.18, 83.93, 65.53, 21.25, 21.11], [0.31, 0.21, 0.19, 0.30, 0.01], Measured(277.8, 6.3)),
    row(Resnet50, ["sam", "random"],    [77.00, 83.27, 64.76, 20.56, 20.94], [0.10, 0.11, 0.15, 0.26, 0.24], Measured(220.4, 10.9)),
    row(Resnet50, ["asam", "steepest"], [77.30, 84.07, 65.55, 21.71, 21.75], [0.02, 0.03, 0.16, 0.02, 0.15], Measured(33.6, 2.99)),
    row(Resnet50, ["asam", "obf"],      [78.17, 84.66, 66.55, 23.84, 24.21], [0.07, 0.05, 0.15, 0.12, 0.42], Measured(39.1, 1.28)),
];

/// A row of table 2: top-1 accuracies on CIFAR-10 and CIFAR-100 after fine-tuning, over six runs.
#[derive(Clone, Copy, Debug)]
pub struct FineTuning {
    /// The model.
    pub architecture: Architecture,
    /// The perturbations of SAM in pre-training and in fine-tuning.
    pub perturbations: [&'static str; 2],
    /// CIFAR-10 and CIFAR-100.
    pub accuracy: [Measured; 2],
}

const fn tuned(
    architecture: Architecture,
    perturbations: [&'static str; 2],
    ten: Measured,
    hundred: Measured,
) -> FineTuning {
    FineTuning { architecture, perturbations, accuracy: [ten, hundred] }
}

/// Table 2.
#[rustfmt::skip]
pub const FINE_TUNING: [FineTuning; 8] = [
    tuned(VitS32, ["none", "steepest"], Measured(97.74, 0.08), Measured(86.94, 0.09)),
    tuned(VitS32, ["none", "obf"],      Measured(97.79, 0.04), Measured(87.04, 0.13)),
    tuned(VitS32, ["steepest", "none"], Measured(97.69, 0.04), Measured(86.21, 0.17)),
    tuned(VitS32, ["obf", "none"],      Measured(97.92, 0.05), Measured(86.99, 0.10)),
    tuned(Resnet50, ["none", "steepest"], Measured(96.84, 0.12), Measured(83.29, 0.25)),
    tuned(Resnet50, ["none", "obf"],      Measured(96.91, 0.10), Measured(83.41, 0.23)),
    tuned(Resnet50, ["steepest", "none"], Measured(96.16, 0.16), Measured(81.81, 0.21)),
    tuned(Resnet50, ["obf", "none"],      Measured(96.40, 0.24), Measured(81.91, 0.23)),
];

const fn fixed(alpha: f64) -> Direction {
    Direction::Obf { lambda: Some(0.0), gamma: alpha }
}

/// Table B.2: ViT-S/32, SAM, top-1 accuracy on ImageNet: with steepest ascent, with OBF and a fixed α (λ = 0), and with OBF, γ = 1 and λ = 1/C.
pub const FIXED_ALPHA: [(Direction, f64); 9] = [
    (Direction::Steepest, 72.81),
    (fixed(0.0), 73.33),
    (fixed(1e-5), 72.73),
    (fixed(1e-4), 72.49),
    (fixed(1e-3), 73.11),
    (fixed(1e-2), 73.65),
    (fixed(1e-1), 73.77),
    (fixed(1.0), 74.15),
    (Direction::Obf { lambda: None, gamma: 1.0 }, 74.53),
];
