//! Steps of the SAM family. Every step is put together from gradients and arithmetic over θ, so that all that a case looks at can be given; a step
//! that [`Extragradient`] offers takes its update gradient from there.

use super::Found;
use super::loss::obf_objective;
use super::optim::{Rate, decay_1d, optimizer, radius};
use crate::conformance::case::{Answer, Attrs, Case, Unknown};
use crate::conformance::models::{Network, task_loss};
use crate::conformance::vectors::{assemble, layout, row, split, stacked};
use lethe_autograd::{ParamLayout, Var, gradient};
use lethe_nn::loss::{Obf, TaskLoss};
use lethe_nn::{Forward, Pass, State, Theta};
use lethe_optim::{Batch, Extragradient, Perturbation, RhoSchedule};
use lethe_tensor::Tensor;
use std::sync::Arc;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    match case.op {
        "sam_step" => steps(case).map(Some),
        _ => Ok(None),
    }
}

/// The direction of ascent, before its geometry.
enum Ascent {
    /// The gradient of the training loss.
    Steepest,
    /// The gradient of output bias forgetting.
    Obf(Obf),
    /// Given noise, times a sign.
    Noise { parts: Vec<(String, Var)>, sign: f64 },
}

/// Where `T = |θ| + η` scales the direction.
struct Adaptive {
    before: bool,
    after: bool,
    eta: f64,
    /// T = 1 on parameters of at most one axis.
    matrices_only: bool,
}

/// GSAM's decomposition: `g − ξ o`, o the part of the ascent that is orthogonal to g.
struct Surrogate {
    xi: f64,
    /// Whether the ascent that is decomposed has been normalised.
    normalised: bool,
}

/// The step that `sam` describes.
struct Rule {
    ascent: Ascent,
    adaptive: Adaptive,
    surrogate: Option<Surrogate>,
    slice: Option<usize>,
    full_batch: bool,
    eps: f64,
    rho: RhoSchedule,
}

const EPS: f64 = 1e-12;

impl Rule {
    fn read(case: &Case<'_>) -> Result<Rule, Unknown> {
        let s = case.attrs.object("sam")?;
        let word = |name| s.optional(name, serde_json::Value::as_str);
        let ascent = match s.str("perturb")? {
            "steep" => Ascent::Steepest,
            "obf" => Ascent::Obf(obf_objective(&s)?),
            "random" => Ascent::Noise { parts: case.family("noise."), sign: s.f64_maybe("noise_sign")?.unwrap_or(1.0) },
            other => return case.unknown(format!("perturb {other}")),
        };
        let (before, after) = match word("adaptive")?.unwrap_or("none") {
            "none" => (false, false),
            "before" => (true, false),
            "after" => (false, true),
            "both" => (true, true),
            other => return case.unknown(format!("adaptive {other}")),
        };
        let matrices_only = match word("asam_scope")?.unwrap_or("all") {
            "all" => false,
            "matrices" => true,
            other => return case.unknown(format!("asam_scope {other}")),
        };
        let full_batch = match word("update_on")?.unwrap_or("chunk") {
            "chunk" => false,
            "full_batch" => true,
            other => return case.unknown(format!("update_on {other}")),
        };
        let (xi, normalised) = (s.f64_maybe("gsam_xi")?.unwrap_or(0.0), s.flag("gsam_norm_backup")?);
        let fixed = s.f64_maybe("rho")?;
        Ok(Rule {
            ascent,
            adaptive: Adaptive { before, after, eta: s.f64_maybe("asam_eta")?.unwrap_or(0.0), matrices_only },
            surrogate: (xi > 0.0).then_some(Surrogate { xi, normalised }),
            slice: s.get("m").map(|_| s.usize("m")).transpose()?,
            full_batch,
            eps: s.f64_maybe("eps")?.unwrap_or(EPS),
            rho: match (case.attrs.within("rho_schedule")?, fixed) {
                (Some(r), _) => radius(&r)?,
                (None, Some(rho)) => RhoSchedule::Constant(rho),
                (None, None) => return case.unknown("no radius"),
            },
        })
    }

    /// The step of `lethe-optim` that this is, if it is one.
    fn offered(&self, loss: TaskLoss) -> Option<Extragradient> {
        let perturbation = match self.ascent {
            Ascent::Steepest => Perturbation::Steepest,
            Ascent::Obf(obf) => Perturbation::Obf(obf),
            Ascent::Noise { .. } => return None,
        };
        let plain = !self.adaptive.before && !self.adaptive.after && self.surrogate.is_none();
        let step = Extragradient { slice: self.slice, ..Extragradient::sam(perturbation, loss) };
        (plain && !self.full_batch && self.eps == EPS).then_some(step)
    }
}

/// What a step is made of, but for θ, the state and the batch.
struct Step<'a> {
    case: &'a Case<'a>,
    rule: Rule,
    network: Network,
    loss: TaskLoss,
    layout: Arc<ParamLayout>,
}

/// All that a case may look at in one slice.
struct Slice {
    perturb_loss: Tensor,
    perturbed_loss: Tensor,
    /// θ-sized, by the names of the outputs.
    vectors: Vec<(&'static str, Tensor)>,
    update: Tensor,
    state: State,
}

fn norm(v: &Tensor) -> Tensor {
    v.sum_squares(&[], false).sqrt()
}

fn part(batch: &Batch, start: usize, end: usize) -> Batch {
    Batch { inputs: batch.inputs.slice(0, start, end), labels: batch.labels.slice(0, start, end) }
}

impl Step<'_> {
    /// The value, gradient and new state of an objective: OBF's, or the training loss.
    fn gradient(&self, theta: &Tensor, state: &State, batch: &Batch, obf: Option<&Obf>) -> (Tensor, Tensor, State) {
        let mut moved = None;
        let (value, slope) = gradient(theta, &self.layout, |params| {
            let f = Forward::new(params, state, Pass::train(0, 0, 0));
            let logits = self.network.forward(&f, &Var::constant(&batch.inputs));
            moved = Some(f.new_state());
            match obf {
                Some(obf) => obf.rows(&logits, &batch.labels).mean(&[], false),
                None => self.loss.mean(&logits, &batch.labels),
            }
        });
        (value, slope, moved.expect("the objective was evaluated"))
    }

    /// T of every element.
    fn scaling(&self, theta: &Tensor) -> Tensor {
        let scale = theta.abs().add_scalar(self.rule.adaptive.eta);
        if !self.rule.adaptive.matrices_only {
            return scale;
        }
        let mut matrices = vec![0u32; self.layout.len()];
        for (_, p) in self.layout.owned().filter(|(_, p)| p.shape.len() > 1) {
            matrices[p.range()].fill(1);
        }
        let matrices = Tensor::from_slice(theta.device(), &matrices, &[matrices.len()]);
        matrices.select(&scale, &scale.scalar_like(1.0))
    }

    /// The ascent of a slice, the loss that it came from, and the state after that pass.
    fn ascent(
        &self,
        theta: &Tensor,
        state: &State,
        batch: &Batch,
        place: [usize; 2],
    ) -> Result<(Tensor, Tensor, State), Unknown> {
        let obf = match &self.rule.ascent {
            Ascent::Obf(obf) => Some(obf),
            _ => None,
        };
        let (value, slope, state) = self.gradient(theta, state, batch, obf);
        let Ascent::Noise { parts, sign } = &self.rule.ascent else { return Ok((slope, value, state)) };
        let [update, slice] = place;
        let now = |(name, v): &(String, Var)| (name.clone(), Var::constant(&row(&row(v.tensor(), update), slice)));
        let noise = assemble(self.case, &self.layout, &parts.iter().map(now).collect::<Vec<_>>())?;
        Ok((noise.mul_scalar(*sign), value, state))
    }

    /// The perturbation of a slice and the gradient of the training loss there, decomposed if the rule says so.
    fn slice(
        &self,
        theta: &Tensor,
        state: &State,
        whole: &Batch,
        batch: &Batch,
        rho: f64,
        place: [usize; 2],
    ) -> Result<Slice, Unknown> {
        let rule = &self.rule;
        let (ascent, perturb_loss, moved) = self.ascent(theta, state, batch, place)?;
        let scaling = self.scaling(theta);
        let raw = if rule.adaptive.before { scaling.mul(&ascent) } else { ascent.clone() };
        let mut direction = raw.div(&norm(&raw).add_scalar(rule.eps));
        if rule.adaptive.after {
            direction = scaling.mul(&direction);
        }
        let epsilon = direction.mul_scalar(rho);
        let perturbed = theta.add(&epsilon);
        let on = if rule.full_batch { whole } else { batch };
        let (perturbed_loss, slope, _) = self.gradient(&perturbed, &moved, on, None);
        let mut vectors = vec![("perturb_grad", ascent), ("epsilon", epsilon), ("perturbed", perturbed)];
        let mut update = slope.clone();
        if let Some(Surrogate { xi, normalised }) = rule.surrogate {
            let kept = if normalised { direction } else { raw };
            let unit = slope.div(&norm(&slope).add_scalar(rule.eps));
            let orthogonal = kept.sub(&unit.mul(&kept.mul(&unit).sum(&[], false)));
            update = slope.sub(&orthogonal.mul_scalar(xi));
            vectors.extend([("sam_grad", slope), ("orthogonal", orthogonal)]);
        }
        Ok(Slice { perturb_loss, perturbed_loss, vectors, update, state: moved })
    }

    /// All slices of a batch.
    fn slices(&self, theta: &Theta, state: &State, batch: &Batch, rho: f64, t: usize) -> Result<Vec<Slice>, Unknown> {
        let n = batch.len();
        let m = self.rule.slice.unwrap_or(n);
        if m == 0 || !n.is_multiple_of(m) {
            return self.case.unknown(format!("a batch of {n} in slices of {m}"));
        }
        let mut slices: Vec<Slice> = vec![];
        for j in 0..n / m {
            let before = slices.last().map_or(state, |s| &s.state);
            let batch_j = part(batch, j * m, (j + 1) * m);
            slices.push(self.slice(theta.values(), before, batch, &batch_j, rho, [t, j])?);
        }
        Ok(slices)
    }
}

/// Scalars of one step's slices, in a row.
fn in_a_row(slices: &[Slice], of: impl Fn(&Slice) -> &Tensor) -> Tensor {
    let scalars: Vec<Tensor> = slices.iter().map(|s| of(s).reshape(&[])).collect();
    Tensor::stack(&scalars.iter().collect::<Vec<_>>(), 0)
}

fn rows(steps: &[Tensor]) -> Var {
    Var::constant(&Tensor::stack(&steps.iter().collect::<Vec<_>>(), 0))
}

fn steps(case: &Case<'_>) -> Answer {
    let a: &Attrs<'_> = &case.attrs;
    let params = case.family("p.");
    let layout = layout(&params, decay_1d(&a.object("optimizer")?)?);
    let network = Network::new(&a.object("model")?, &layout)?;
    let loss = task_loss(&a.object("loss")?)?;
    let step = Step { case, rule: Rule::read(case)?, network, loss, layout };
    let layout = &step.layout;
    let mut theta = Theta::new(assemble(case, layout, &params)?, layout);
    let mut state = step.network.state(case)?;
    let (mut optimizer, rate) = (optimizer(case, &theta)?, Rate::read(a)?);
    let (x, y, count) = (case.tensor("x")?, case.tensor("y")?, a.usize("steps")?);
    let (mut outputs, mut trace, mut before, mut after) = (vec![], vec![], vec![], vec![]);
    for t in 0..count {
        let batch = Batch { inputs: row(&x, t), labels: row(&y, t) };
        let (lr, rho) = (rate.at(t), step.rule.rho.at(rate.at(t)));
        let slices = step.slices(&theta, &state, &batch, rho, t)?;
        before.push(in_a_row(&slices, |s| &s.perturb_loss));
        after.push(in_a_row(&slices, |s| &s.perturbed_loss));
        let last = slices.last().expect("a batch has a slice");
        let (update, moved) = match step.rule.offered(loss) {
            Some(offered) => {
                let model = |f: &Forward<'_>, x: &Var| step.network.forward(f, x);
                let out = offered.gradient(&theta, &state, &batch, rho, t as u64, &model);
                (out.update, out.state)
            }
            None => {
                let sum = slices[1..].iter().fold(slices[0].update.clone(), |sum, s| sum.add(&s.update));
                (sum.mul_scalar(1.0 / slices.len() as f64), last.state.clone())
            }
        };
        if count == 1 {
            outputs.extend(split(layout, &update, "update_grad."));
            let alone = if slices.len() == 1 { &last.vectors[..] } else { &[] };
            alone.iter().for_each(|(name, v)| outputs.extend(split(layout, v, &format!("{name}."))));
        }
        optimizer.step(&mut theta, &update, lr);
        trace.push(theta.values().clone());
        state = moved;
    }
    outputs.extend(stacked(layout, &trace, "traj."));
    outputs.extend([("perturb_loss".into(), rows(&before)), ("perturbed_loss".into(), rows(&after))]);
    outputs.extend(split(state.layout(), state.values(), ""));
    Ok(outputs)
}
