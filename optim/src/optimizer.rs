//! AdamW and SGD with decoupled weight decay, over one vector.

use crate::blocks::table;
use lethe_nn::Theta;
use lethe_tensor::plan::{AdamW as AdamWPlan, Sgd as SgdPlan};
use lethe_tensor::{DType, Tensor, execute_in_place};

/// Factors of one parameter group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// Of the learning rate.
    pub lr_scale: f64,
    /// Of the weight decay.
    pub decay_scale: f64,
}

/// What both optimisers know of the vector: for every block of elements its (lr scale, weight decay).
struct Blocks(Tensor);

impl Blocks {
    /// Frozen parameters have a scale of 0: they neither decay nor move.
    #[track_caller]
    fn new(theta: &Theta, weight_decay: f64, groups: &[Group]) -> Blocks {
        let table = table(theta, |p, _| {
            let group = groups.get(p.tags.group).copied();
            assert!(group.is_some() || p.tags.group == 0, "{}: there is no group {}", p.name, p.tags.group);
            let group = group.unwrap_or(Group { lr_scale: 1.0, decay_scale: 1.0 });
            let scale = if p.tags.frozen { 0.0 } else { group.lr_scale };
            let decay = if p.tags.decayed { weight_decay * group.decay_scale } else { 0.0 };
            [scale, decay]
        });
        Blocks(if theta.values().dtype() == table.dtype() { table } else { table.to_dtype(theta.values().dtype()) })
    }
}

/// A base optimiser: moves θ by an update vector of its layout.
pub trait Optimizer: Send {
    /// One step in place: clips, decays, moves. Nothing is read back. Returns ‖g‖ before clipping, a scalar on the device; where it is not
    /// finite, θ and the moments stay as they were. A norm whose square, after clipping, the vector's type cannot hold counts as infinite:
    /// second moments would be, and θ would never move again.
    ///
    /// # Panics
    /// If the update has not θ's layout.
    fn step(&mut self, theta: &mut Theta, update: &Tensor, lr: f64) -> Tensor;

    /// The vectors that a checkpoint must hold, by name.
    fn state(&self) -> Vec<(&'static str, &Tensor)>;

    /// Steps taken so far.
    fn steps(&self) -> u64;

    /// Puts back what [`Optimizer::state`] and [`Optimizer::steps`] gave.
    ///
    /// # Panics
    /// If they are not as many vectors of θ's layout.
    fn restore(&mut self, vectors: Vec<Tensor>, steps: u64);
}

/// ‖g‖, infinite where the square of the clipped norm is.
fn measured(update: &Tensor, clip: f64) -> Tensor {
    let norm = update.norm();
    let most = if norm.dtype() == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
    let beyond = norm.clamp_max(clip).ge_scalar(most.sqrt());
    beyond.where_(&norm.scalar_like(f64::INFINITY), &norm).force().clone()
}

/// Puts vectors back in the place of others of the same length.
#[track_caller]
fn replace(old: &mut [Tensor], new: Vec<Tensor>) {
    let shapes = |vectors: &[Tensor]| vectors.iter().map(|v| v.shape().to_vec()).collect::<Vec<_>>();
    assert_eq!(shapes(old), shapes(&new), "restoring an optimiser: the vectors' shapes");
    old.clone_from_slice(&new);
}

/// Adam with decoupled weight decay ([`lethe_tensor::plan::AdamW`]).
pub struct AdamW {
    blocks: Blocks,
    moments: [Tensor; 2],
    steps: u64,
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// Added to the root.
    pub eps: f64,
    /// The largest norm of an update that is not clipped; infinite for none.
    pub clip: f64,
}

impl AdamW {
    /// Moments of 0; β = (0.9, 0.999), ε = 1e-8, no clipping. Decay passes by parameters that are tagged so.
    ///
    /// # Panics
    /// If a parameter is in a group that is not given.
    #[track_caller]
    pub fn new(theta: &Theta, weight_decay: f64, groups: &[Group]) -> AdamW {
        let zeros = || theta.values().zeros_like();
        AdamW {
            blocks: Blocks::new(theta, weight_decay, groups),
            moments: [zeros(), zeros()],
            steps: 0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            clip: f64::INFINITY,
        }
    }
}

impl Optimizer for AdamW {
    #[track_caller]
    fn step(&mut self, theta: &mut Theta, update: &Tensor, lr: f64) -> Tensor {
        self.steps += 1;
        let plan = AdamWPlan {
            dtype: update.dtype(),
            n: theta.layout().len(),
            lr,
            betas: self.betas,
            eps: self.eps,
            step: self.steps,
            max_norm: self.clip,
        };
        let norm = measured(update, self.clip);
        let [m, v] = &mut self.moments;
        execute_in_place(plan, &[&update.contiguous(), &self.blocks.0, &norm], &mut [theta.values_mut(), m, v]);
        norm
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("adamw.mean", &self.moments[0]), ("adamw.square", &self.moments[1])]
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    #[track_caller]
    fn restore(&mut self, vectors: Vec<Tensor>, steps: u64) {
        replace(&mut self.moments, vectors);
        self.steps = steps;
    }
}

/// Stochastic gradient descent with momentum and decoupled weight decay ([`lethe_tensor::plan::Sgd`]).
pub struct Sgd {
    blocks: Blocks,
    buffer: Tensor,
    steps: u64,
    /// The share of the past.
    pub momentum: f64,
    /// Nesterov's form.
    pub nesterov: bool,
    /// The largest norm of an update that is not clipped; infinite for none.
    pub clip: f64,
}

impl Sgd {
    /// An empty buffer, no clipping. Decay passes by parameters that are tagged so.
    ///
    /// # Panics
    /// If a parameter is in a group that is not given.
    #[track_caller]
    pub fn new(theta: &Theta, momentum: f64, weight_decay: f64, groups: &[Group]) -> Sgd {
        Sgd {
            blocks: Blocks::new(theta, weight_decay, groups),
            buffer: theta.values().zeros_like(),
            steps: 0,
            momentum,
            nesterov: false,
            clip: f64::INFINITY,
        }
    }
}

impl Optimizer for Sgd {
    #[track_caller]
    fn step(&mut self, theta: &mut Theta, update: &Tensor, lr: f64) -> Tensor {
        let plan = SgdPlan {
            dtype: update.dtype(),
            n: theta.layout().len(),
            lr,
            momentum: self.momentum,
            nesterov: self.nesterov,
            first: self.steps == 0,
            max_norm: self.clip,
        };
        self.steps += 1;
        let norm = measured(update, self.clip);
        let inputs = [&update.contiguous(), &self.blocks.0, &norm];
        execute_in_place(plan, &inputs, &mut [theta.values_mut(), &mut self.buffer]);
        norm
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("sgd.momentum", &self.buffer)]
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    #[track_caller]
    fn restore(&mut self, vectors: Vec<Tensor>, steps: u64) {
        replace(std::slice::from_mut(&mut self.buffer), vectors);
        self.steps = steps;
    }
}
