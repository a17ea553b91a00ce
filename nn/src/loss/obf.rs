//! Output bias forgetting (specification, section 1.5): the objective whose ascent forgets what the model predicts anyway.

use super::{Likelihood, Objective};
use lethe_autograd::Var;
use lethe_tensor::{DType, Tensor};

/// The objective of output bias forgetting. Per sample `L^BF(y, z) = (1 − α) L(e_y, z) − L(U, z)`, U = 1/C for every class, to be
/// maximised, with
///
/// ```text
/// α = γ max((1 − λ / ŷ_y) / (1 − λ), 0)            constant in differentiation; λ = 0: α = γ
/// ∂L^BF/∂z = U − α ŷ − (1 − α) e_y
/// ```
///
/// where ŷ are the likelihoods. A sample whose label is `u32::MAX` is left out: its α, loss and gradient are 0, whatever its logits are. Any
/// other label beyond the classes is a panic on the CPU, and gives NaN on a GPU.
///
/// The target of a mixture (mixup, CutMix) is a distribution q over the classes. Its objective is the mean over labels drawn from q,
/// `Σ_y q_y L^BF(y, z)`, each y with its own α; of one class that is all of q it is the objective of that label.
///
/// # Examples
/// ```
/// use lethe_nn::loss::{Likelihood, Obf};
/// use lethe_tensor::{Device, Tensor};
/// let logits = Tensor::new(&Device::cpu(), [[3.0, 0.0], [0.0, 0.0]]);
/// let labels = Tensor::new(&Device::cpu(), [0u32, 1]);
/// let seed = Obf::new(0.0, 1.0, Likelihood::Softmax).seed(&logits, &labels).to_vec::<f32>()?;
/// assert!(seed[0] < 0.0 && seed[1] > 0.0); // what is likely becomes less so,
/// assert!(seed[2].abs() < 1e-6 && seed[3].abs() < 1e-6); // and of a uniform answer there is nothing to forget
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Obf {
    /// λ in [0, 1): the likelihood of the label below which nothing is forgotten.
    pub lambda: f64,
    /// γ: the largest α.
    pub gamma: f64,
    /// How ŷ is read from logits.
    pub likelihood: Likelihood,
}

impl Obf {
    /// Checked parameters.
    ///
    /// # Panics
    /// If λ is not in [0, 1), or γ not in [0, 1].
    #[track_caller]
    pub fn new(lambda: f64, gamma: f64, likelihood: Likelihood) -> Obf {
        assert!((0.0..1.0).contains(&lambda), "OBF: λ = {lambda} is not in [0, 1)");
        assert!((0.0..=1.0).contains(&gamma), "OBF: γ = {gamma} is not in [0, 1]");
        Obf { lambda, gamma, likelihood }
    }

    /// α of each sample, as a column (n, 1): `γ (C_λ − min(C_λ, 1/ŷ_y)) / (C_λ − 1)` with `C_λ = 1/λ`; 1/ŷ_y comes from the logits, so
    /// that a vanishing likelihood is not a division by zero.
    ///
    /// # Panics
    /// If the logits are not (n, classes), the labels do not fit them or are not `U32`, or (on the CPU) a label is neither a class nor `u32::MAX`.
    #[track_caller]
    pub fn alpha(&self, logits: &Tensor, labels: &Tensor) -> Tensor {
        let classes = rows_and_classes(logits)[1];
        let weights = labels.label_weights("OBF", classes, logits.computed_type()).unsqueeze(-1);
        let alpha = self.alpha_within(logits, &labels.lt_scalar(classes as f64).mul(labels).unsqueeze(-1));
        weights.eq_scalar(0.0).where_(&weights, &alpha.mul(&weights))
    }

    /// The same of labels that are classes.
    #[track_caller]
    fn alpha_within(&self, logits: &Tensor, column: &Tensor) -> Tensor {
        if self.lambda == 0.0 {
            return logits.scalar_like(self.gamma);
        }
        self.alpha_at(&self.scores(logits).gather(-1, column))
    }

    /// α of every class as if it were the label, (n, classes).
    fn alpha_of_all(&self, logits: &Tensor) -> Tensor {
        if self.lambda == 0.0 {
            return logits.scalar_like(self.gamma).expand(logits.shape());
        }
        self.alpha_at(&self.scores(logits))
    }

    /// What the likelihood of each class is read from: its logarithm, or for sigmoids the logit itself.
    fn scores(&self, logits: &Tensor) -> Tensor {
        match self.likelihood {
            Likelihood::Softmax => logits.log_softmax(-1),
            Likelihood::Sigmoid => logits.clone(),
        }
    }

    /// α where the label has this score.
    fn alpha_at(&self, score: &Tensor) -> Tensor {
        /// e⁸⁰ is beyond any 1/λ, and finite in every float.
        const CLAMP: f64 = 80.0;
        let c = 1.0 / self.lambda;
        let inverse = score.neg().clamp_max(CLAMP).exp();
        let perplexity = match self.likelihood {
            Likelihood::Softmax => inverse,
            Likelihood::Sigmoid => inverse.add_scalar(1.0),
        };
        perplexity.clamp_max(c).rsub_scalar(c).mul_scalar(self.gamma / (c - 1.0))
    }

    /// ∂(mean L^BF)/∂z (n, classes): what a backward pass is seeded with. The targets are labels (n) or distributions (n, classes).
    ///
    /// # Panics
    /// As [`Obf::alpha`].
    #[track_caller]
    pub fn seed(&self, logits: &Tensor, targets: &Tensor) -> Tensor {
        if targets.dtype() == DType::U32 {
            self.seed_of_labels(logits, targets)
        } else {
            self.seed_of_mixtures(logits, targets)
        }
    }

    fn likelihoods(&self, logits: &Tensor) -> Tensor {
        match self.likelihood {
            Likelihood::Softmax => logits.softmax(-1),
            Likelihood::Sigmoid => logits.sigmoid(),
        }
    }

    #[track_caller]
    fn seed_of_mixtures(&self, logits: &Tensor, shares: &Tensor) -> Tensor {
        let [n, classes] = rows_and_classes(logits);
        let shares = &distributions(shares);
        let forgotten = self.alpha_of_all(logits).mul(shares);
        let kept = shares.sub(&forgotten);
        let all = forgotten.sum_axes(&[-1], true).mul(&self.likelihoods(logits)).add(&kept);
        all.rsub_scalar(1.0 / classes as f64).mul_scalar(1.0 / n as f64)
    }

    #[track_caller]
    fn seed_of_labels(&self, logits: &Tensor, labels: &Tensor) -> Tensor {
        let [n, classes] = rows_and_classes(logits);
        let alpha = self.alpha(logits, labels);
        let likelihoods = self.likelihoods(logits);
        let hit = labels.unsqueeze(-1).eq(&Tensor::arange(logits.device(), classes));
        let kept = alpha.rsub_scalar(1.0);
        let zero = logits.scalar_like(0.0);
        let forgotten = alpha.mul(&likelihoods).add(&hit.where_(&kept, &zero));
        let seed = forgotten.rsub_scalar(1.0 / classes as f64).mul_scalar(1.0 / n as f64);
        ignored(labels).unsqueeze(-1).where_(&zero, &seed)
    }

    /// L^BF of each sample, with α held constant: the true value, and the same gradient as [`Obf::seed`].
    ///
    /// # Panics
    /// As [`Obf::alpha`].
    #[track_caller]
    pub fn rows(&self, logits: &Var, targets: &Tensor) -> Var {
        if targets.dtype() == DType::U32 {
            self.rows_of_labels(logits, targets)
        } else {
            self.rows_of_mixtures(logits, targets)
        }
    }

    /// The cross-entropy is linear in its target but, of sigmoids, for the part that has none, which is that of a target of nothing.
    #[track_caller]
    fn rows_of_mixtures(&self, logits: &Var, shares: &Tensor) -> Var {
        let classes = rows_and_classes(logits.tensor())[1];
        let shares = &distributions(shares);
        let kept = shares.sub(&self.alpha_of_all(logits.tensor()).mul(shares)).force().clone();
        let nothing = kept.zeros_like();
        let part = logits.cross_entropy(&kept, self.likelihood, 0.0);
        let label = match self.likelihood {
            Likelihood::Softmax => part,
            Likelihood::Sigmoid => {
                // Σ_y q_y (1 − α_y) L(e_y) has the share Σ_y q_y (1 − α_y) of what every L(e_y) has, not the whole.
                let whole = logits.cross_entropy(&nothing, self.likelihood, 0.0);
                &part - &(&whole * &Var::constant(&kept.sum_axes(&[-1], false).rsub_scalar(1.0)))
            }
        };
        let uniform = nothing.add_scalar(1.0 / classes as f64).force().clone();
        &label - &logits.cross_entropy(&uniform, self.likelihood, 0.0)
    }

    #[track_caller]
    fn rows_of_labels(&self, logits: &Var, labels: &Tensor) -> Var {
        let classes = rows_and_classes(logits.tensor())[1];
        let ignored = ignored(labels);
        // Before anything is made of them: 0 times the slope of a NaN would be one.
        let logits = &logits.masked_fill(&ignored.unsqueeze(-1), 0.0);
        let alpha = self.alpha(logits.tensor(), labels).squeeze(-1);
        let uniform =
            Tensor::full(logits.device(), logits.tensor().computed_type(), logits.shape(), 1.0 / classes as f64);
        let label = logits.cross_entropy(labels, self.likelihood, 0.0);
        let to_uniform = logits.cross_entropy(&uniform, self.likelihood, 0.0);
        (&(&Var::constant(&alpha.rsub_scalar(1.0)) * &label) - &to_uniform).masked_fill(&ignored, 0.0)
    }
}

/// The mean over samples of L^BF, to be ascended.
impl Objective for Obf {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        asks_for_classes(output.tensor(), targets);
        self.rows(output, targets).mean()
    }

    #[track_caller]
    fn cotangent(&self, output: &Tensor, targets: &Tensor) -> Tensor {
        asks_for_classes(output, targets);
        self.seed(output, targets)
    }
}

/// Only a prediction of classes can be forgotten.
#[track_caller]
fn asks_for_classes(output: &Tensor, targets: &Tensor) {
    let are_labels = targets.dtype() == DType::U32 && output.rank() == 2 && targets.shape() == &output.shape()[..1];
    let are_shares = targets.dtype().is_float() && output.rank() == 2 && targets.shape() == output.shape();
    assert!(
        are_labels || are_shares,
        "OBF forgets predictions of classes: it needs logits (n, classes) and labels (n) u32 or distributions (n, classes), and found an output \
         {:?} and targets {} {:?}; perturb by steepest ascent, at random or by an objective of your own",
        output.shape(),
        targets.dtype(),
        targets.shape()
    );
}

/// Targets that are distributions as they are; other numbers, such as those of a regression, are a panic on the CPU, and NaN on a GPU.
#[track_caller]
fn distributions(targets: &Tensor) -> Tensor {
    /// How far the shares of a row may be from 1 in total: 16-bit floats have three digits.
    const SLACK: f64 = 4e-3;
    let off = targets.sum_axes(&[-1], true).add_scalar(-1.0).abs();
    let are = off.le_scalar(SLACK).mul(&targets.min_axes(&[-1], true).ge_scalar(0.0));
    if targets.device().is_cpu() {
        let are = are.to_vec::<u32>().expect("the CPU does not fail");
        let row = are.iter().position(|is| *is == 0);
        assert!(
            row.is_none(),
            "OBF: row {} of the targets is no distribution over the classes: shares of 0 or more whose sum is 1",
            row.unwrap_or(0)
        );
    }
    are.where_(targets, &targets.scalar_like(f64::NAN)).force().clone()
}

/// The extents of logits.
#[track_caller]
fn rows_and_classes(logits: &Tensor) -> [usize; 2] {
    let &[n, classes] = logits.shape() else { panic!("OBF: logits {:?} are not (n, classes)", logits.shape()) };
    [n, classes]
}

/// 1 where a label leaves its sample out.
fn ignored(labels: &Tensor) -> Tensor {
    labels.eq_scalar(f64::from(u32::MAX))
}
