//! The methods of the paper: the columns of the hyper-parameter table that differ from row to row.

use super::Draft;
use std::fmt;

/// A method of the paper: a baseline, or a perturbation in a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// The base optimiser alone.
    Plain,
    /// The base optimiser with shrink and perturb.
    ShrinkPerturb,
    /// The base optimiser with label smoothing, s = 0.1.
    LabelSmoothing,
    /// An extragradient step.
    Perturbed {
        /// The family.
        family: Family,
        /// The perturbation.
        direction: Direction,
        /// The radius.
        reach: Reach,
    },
}

/// The family of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    /// SAM.
    Sam,
    /// GSAM: ξ, and whether the perturbing gradient is normalised before it is decomposed ("norm backup").
    Gsam {
        /// ξ.
        xi: f64,
        /// Norm backup.
        normalised: bool,
    },
    /// ASAM, scaling before the normalisation ("fixed norm") or after it.
    Asam {
        /// Before.
        fixed_norm: bool,
    },
}

/// The direction of a perturbation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Direction {
    /// The task loss.
    Steepest,
    /// L^BF with this λ (`None`: 1/C) and γ.
    Obf {
        /// λ.
        lambda: Option<f64>,
        /// γ.
        gamma: f64,
    },
    /// A random direction.
    Random,
}

/// ρ: a number, or from one at the largest learning rate to another at the smallest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// Constant.
    Constant(f64),
    /// Following the learning rate.
    FollowsLr {
        /// At the largest rate.
        max: f64,
        /// At the smallest.
        min: f64,
    },
}

impl Reach {
    /// The same schedule with another largest radius; the smallest is scaled with it.
    pub fn rescaled(self, rho: f64) -> Reach {
        match self {
            Reach::Constant(_) => Reach::Constant(rho),
            Reach::FollowsLr { max, min } => Reach::FollowsLr { max: rho, min: rho * min / max },
        }
    }

    /// The largest radius.
    pub fn max(self) -> f64 {
        match self {
            Reach::Constant(rho) | Reach::FollowsLr { max: rho, .. } => rho,
        }
    }
}

impl Method {
    /// The sections and keys of a config for this method, with slice size m.
    pub fn write(&self, draft: &mut Draft, m: usize) {
        let (family, direction, reach) = match *self {
            Method::Plain => return,
            Method::ShrinkPerturb => return draft.set("shrink", "factor", "1e-5"),
            Method::LabelSmoothing => return draft.set("loss", "label_smoothing", "0.1"),
            Method::Perturbed { family, direction, reach } => (family, direction, reach),
        };
        let mut key = |name, value: &dyn fmt::Display| draft.set("perturb", name, value);
        match direction {
            Direction::Steepest => key("kind", &"\"steepest\""),
            Direction::Random => key("kind", &"\"random\""),
            Direction::Obf { lambda, gamma } => {
                key("kind", &"\"obf\"");
                key("lambda", &lambda.map_or("\"1/C\"".into(), |lambda| format!("{lambda:?}")));
                key("gamma", &format!("{gamma:?}"));
            }
        }
        key("rho", &format!("{:?}", reach.max()));
        if let Reach::FollowsLr { min, .. } = reach {
            key("rho_min", &format!("{min:?}"));
            key("rho_schedule", &"\"lr\"");
        }
        key("m", &m);
        match family {
            Family::Sam => {}
            Family::Gsam { xi, normalised } => {
                key("gsam_xi", &format!("{xi:?}"));
                key("gsam_backup", &if normalised { "\"normalised\"" } else { "\"raw\"" });
            }
            Family::Asam { fixed_norm } => key("asam", &if fixed_norm { "\"before\"" } else { "\"after\"" }),
        }
    }

    /// Its names in tables: the method and the perturbation.
    pub fn words(&self) -> [&'static str; 2] {
        let (family, direction) = match self {
            Method::Plain => return ["base", "none"],
            Method::ShrinkPerturb => return ["shrink-perturb", "none"],
            Method::LabelSmoothing => return ["label-smoothing", "none"],
            Method::Perturbed { family, direction, .. } => (family, direction),
        };
        let family = match family {
            Family::Sam => "sam",
            Family::Gsam { .. } => "gsam",
            Family::Asam { .. } => "asam",
        };
        let direction = match direction {
            Direction::Steepest => "steepest",
            Direction::Obf { .. } => "obf",
            Direction::Random => "random",
        };
        [family, direction]
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [method, perturbation] = self.words();
        if perturbation == "none" { f.write_str(method) } else { write!(f, "{method}-{perturbation}") }
    }
}
