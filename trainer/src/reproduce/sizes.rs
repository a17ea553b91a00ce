//! The settings of the reduced scales: models, data, epochs and radii.

/// Keys of a section with their values as TOML.
pub type Keys = &'static [(&'static str, &'static str)];

/// The settings of a reduced scale.
pub struct Sizes {
    /// The data set.
    pub data: Keys,
    /// The models for the ViTs and for the ResNets.
    pub models: [Model; 2],
    /// The batch size.
    pub batch: usize,
    /// The slice size.
    pub m: usize,
    /// The data keys of pre-training and of fine-tuning: five classes each.
    pub halves: [Keys; 2],
    /// The epochs and warm-up epochs of fine-tuning.
    pub tuning_epochs: [usize; 2],
}

/// A reduced model, with few enough images that methods can differ.
pub struct Model {
    /// The keys of its section.
    pub model: Keys,
    /// The data keys of tables.
    pub reported: Keys,
    /// The data keys of tuning radii: as many training images, and other test images.
    pub tuning: Keys,
    /// The largest and the smallest learning rate.
    pub lr: [&'static str; 2],
    /// The epochs and warm-up epochs.
    pub epochs: [usize; 2],
    /// The radii of SAM and GSAM.
    pub sam: Radii,
    /// The radii of ASAM.
    pub asam: Radii,
    /// The best of SAM's radii for random perturbations.
    pub random: f64,
}

/// The radii of a family.
pub struct Radii {
    /// The radii that are tried, in ascending order.
    pub tried: &'static [f64],
    /// The best radii for steepest ascent and for OBF.
    pub best: [f64; 2],
}

/// Tested on the remaining ones of the 1,437 training images; radii are tuned on the 360 test images.
pub const DIGITS: Sizes = Sizes {
    data: &[("dataset", "\"digits\"")],
    models: [
        Model {
            model: &[("kind", "\"vit\""), ("patch", "2"), ("width", "64"), ("depth", "4"), ("heads", "4")],
            reported: &[("hold_out", "1037")],
            tuning: &[("train_limit", "400")],
            lr: ["1e-3", "1e-5"],
            epochs: [120, 12],
            sam: Radii { tried: &[0.002, 0.005, 0.01, 0.02, 0.05], best: [0.01, 0.02] },
            asam: Radii { tried: &[0.01, 0.02, 0.05, 0.1, 0.2], best: [0.05, 0.02] },
            random: 0.002,
        },
        Model {
            model: &[("kind", "\"resnet\""), ("block", "\"basic\""), ("blocks", "[1, 1, 1]"), ("width", "16")],
            reported: &[("hold_out", "1337")],
            tuning: &[("train_limit", "100")],
            lr: ["0.1", "1e-3"],
            epochs: [240, 24],
            sam: Radii { tried: &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0], best: [0.5, 0.5] },
            asam: Radii { tried: &[0.2, 0.5, 1.0, 2.0, 5.0], best: [2.0, 1.0] },
            random: 0.1,
        },
    ],
    batch: 64,
    m: 16,
    halves: [
        &[("only_classes", "[0, 1, 2, 3, 4]"), ("hold_out", "400")],
        &[("only_classes", "[5, 6, 7, 8, 9]"), ("hold_out", "500"), ("train_limit", "128")],
    ],
    tuning_epochs: [60, 3],
};

/// Tested on the test set; radii are tuned on 10,000 training images that are not trained on.
pub const FASHION: Sizes = Sizes {
    data: &[("dataset", "\"fashion-mnist\""), ("train_limit", "4000")],
    models: [
        Model {
            model: &[
                ("kind", "\"vit\""),
                ("patch", "4"),
                ("width", "64"),
                ("depth", "4"),
                ("heads", "4"),
                ("mlp_width", "128"),
            ],
            reported: &[],
            tuning: &[("hold_out", "10000")],
            lr: ["3e-3", "3e-5"],
            epochs: [20, 2],
            sam: Radii { tried: &[0.01, 0.03, 0.1, 0.3], best: [0.1, 0.03] },
            asam: Radii { tried: &[0.1, 0.3, 1.0, 3.0], best: [0.3, 1.0] },
            random: 0.01,
        },
        Model {
            model: &[("kind", "\"resnet\""), ("block", "\"basic\""), ("blocks", "[1, 1, 1]"), ("width", "16")],
            reported: &[],
            tuning: &[("hold_out", "10000")],
            lr: ["0.1", "1e-3"],
            epochs: [20, 2],
            sam: Radii { tried: &[0.02, 0.05, 0.1, 0.2], best: [0.02, 0.2] },
            asam: Radii { tried: &[0.2, 0.5, 1.0, 2.0], best: [0.2, 0.5] },
            random: 0.05,
        },
    ],
    batch: 64,
    m: 32,
    halves: [&[("only_classes", "[0, 1, 2, 3, 4]")], &[("only_classes", "[5, 6, 7, 8, 9]"), ("train_limit", "512")]],
    tuning_epochs: [60, 3],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_radii_are_among_those_that_were_tried() {
        for model in DIGITS.models.iter().chain(&FASHION.models) {
            for Radii { tried, best } in [&model.sam, &model.asam] {
                assert!(tried.is_sorted() && best.iter().all(|rho| tried.contains(rho)), "{best:?} of {tried:?}");
            }
            assert!(model.sam.tried.contains(&model.random), "{}", model.random);
        }
    }

    /// The tables that `lethe reproduce radii` wrote.
    #[test]
    fn the_radii_are_those_that_were_best_when_they_were_tuned() {
        let digits = include_str!("../../../docs/results/digits/radii.md");
        let fashion = include_str!("../../../docs/results/fashion/radii.md");
        for (sizes, table) in [(&DIGITS, digits), (&FASHION, fashion)] {
            for (name, model) in ["vit", "resnet"].into_iter().zip(&sizes.models) {
                let best = [
                    ("sam-steepest", model.sam.best[0], model.sam.tried),
                    ("sam-obf", model.sam.best[1], model.sam.tried),
                    ("sam-random", model.random, model.sam.tried),
                    ("asam-steepest", model.asam.best[0], model.asam.tried),
                    ("asam-obf", model.asam.best[1], model.asam.tried),
                ];
                for (method, best, tried) in best {
                    let tried: Vec<String> = tried.iter().map(f64::to_string).collect();
                    let line = format!("| {name} | {method} | {best} | {} |", tried.join(", "));
                    assert!(table.lines().any(|found| found == line), "{line}");
                }
            }
        }
    }
}
