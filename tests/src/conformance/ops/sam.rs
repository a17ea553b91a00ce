//! Steps of the SAM family, slice by slice as [`Extragradient`] takes them, so that all that a case looks at can be given.

use super::loss::obf_objective;
use super::optim::{Rate, decay_1d, optimizer, radius};
use crate::conformance::case::Found;
use crate::conformance::case::{Answer, Attrs, Case, Unknown};
use crate::conformance::models::{Network, task_loss};
use crate::conformance::vectors::{assemble, layout, row, split, stacked};
use lethe_autograd::{ParamLayout, Var};
use lethe_nn::{Forward, State, Theta};
use lethe_optim::{
    Adaptive, Ascent, Backup, Batch, Extragradient, Geometry, Perturbation, RhoSchedule, Scale, Scope, SliceIndex,
    StepOutput, SurrogateGap, UpdateOn,
};
use lethe_tensor::Tensor;
use std::sync::Arc;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    match case.op {
        "sam_step" => steps(case).map(Some),
        _ => Ok(None),
    }
}

/// The step that a case describes, and the noise that it gives in place of a random direction.
struct Step<'a> {
    case: &'a Case<'a>,
    rule: Extragradient,
    rho: RhoSchedule,
    noise: Vec<(String, Var)>,
    sign: f64,
    network: Network,
    layout: Arc<ParamLayout>,
}

/// What a case may look at in one slice.
struct Slice {
    perturb_loss: Tensor,
    /// θ-sized, by the names of the outputs.
    vectors: Vec<(&'static str, Tensor)>,
    out: StepOutput,
}

fn rule(case: &Case<'_>) -> Result<Extragradient, Unknown> {
    let s = case.attrs.object("sam")?;
    let word = |name| s.optional(name, serde_json::Value::as_str);
    let perturbation = match s.str("perturb")? {
        "steep" => Perturbation::Steepest,
        "obf" => Perturbation::Ascend(obf_objective(&s)?),
        "random" => Perturbation::Random,
        other => return case.unknown(format!("perturb {other}")),
    };
    let scope = match word("asam_scope")?.unwrap_or("all") {
        "all" => Scope::All,
        "matrices" => Scope::Matrices,
        other => return case.unknown(format!("asam_scope {other}")),
    };
    let eta = s.f64_maybe("asam_eta")?.unwrap_or(0.0);
    let adaptive = |scale| Geometry::Adaptive(Adaptive { scale, eta, scope });
    let geometry = match word("adaptive")?.unwrap_or("none") {
        "none" => Geometry::Euclidean,
        "before" => adaptive(Scale::Before),
        "after" => adaptive(Scale::After),
        "both" => adaptive(Scale::Both),
        other => return case.unknown(format!("adaptive {other}")),
    };
    let update_on = match word("update_on")?.unwrap_or("chunk") {
        "chunk" => UpdateOn::Slice,
        "full_batch" => UpdateOn::Batch,
        other => return case.unknown(format!("update_on {other}")),
    };
    let backup = if s.flag("gsam_norm_backup")? { Backup::Normalised } else { Backup::Raw };
    let xi = s.f64_maybe("gsam_xi")?;
    if let Some(eps) = s.f64_maybe("eps")?.filter(|eps| *eps != 1e-12) {
        return case.unknown(format!("eps {eps}"));
    }
    Ok(Extragradient {
        geometry,
        surrogate_gap: xi.map(|xi| SurrogateGap { xi, backup }),
        update_on,
        slice: s.get("m").map(|_| s.usize("m")).transpose()?,
        ..Extragradient::sam(perturbation, task_loss(&case.attrs.object("loss")?)?)
    })
}

fn rho(case: &Case<'_>) -> Result<RhoSchedule, Unknown> {
    let fixed = case.attrs.object("sam")?.f64_maybe("rho")?;
    match (case.attrs.within("rho_schedule")?, fixed) {
        (Some(r), _) => radius(&r),
        (None, Some(rho)) => Ok(RhoSchedule::Constant(rho)),
        (None, None) => case.unknown("no radius"),
    }
}

impl Step<'_> {
    /// One slice, `batch` and `samples` being all samples and its own.
    fn slice(
        &self,
        theta: &Theta,
        state: &State,
        [batch, samples]: [&Batch; 2],
        rho: f64,
        index: SliceIndex,
    ) -> Result<Slice, Unknown> {
        let (rule, model) = (&self.rule, |f: &Forward<'_>, x: &Var| self.network.forward(f, x));
        let mut ascent: Ascent = rule.ascent(theta, state, samples, index, &model);
        let perturb_loss = match rule.perturbation {
            Perturbation::Ascend(obf) => {
                obf.rows(&Var::constant(&ascent.output), &samples.targets).mean().tensor().clone()
            }
            _ => ascent.loss.clone(),
        };
        if rule.perturbation == Perturbation::Random {
            let now = |(name, v): &(String, Var)| {
                (name.clone(), Var::constant(&row(&row(v.tensor(), index.update as usize), index.slice)))
            };
            let noise = assemble(self.case, &self.layout, &self.noise.iter().map(now).collect::<Vec<_>>())?;
            ascent.p = noise.mul_scalar(self.sign);
        }
        let direction = rule.geometry.direction(theta, ascent.p.clone());
        let mut vectors = vec![("perturb_grad", ascent.p.clone()), ("epsilon", direction.epsilon(rho))];
        vectors.push(("perturbed", direction.step_from(theta, rho).values().clone()));
        let again = ascent.clone();
        let out = rule.descend(theta, ascent, (batch, samples), rho, index, &model);
        if let Some(gap) = rule.surrogate_gap {
            let sam = Extragradient { surrogate_gap: None, ..*rule };
            let slope = sam.descend(theta, again, (batch, samples), rho, index, &model).update;
            let perpendicular = SurrogateGap::perpendicular(&gap.backup(&direction), &slope);
            vectors.extend([("orthogonal", perpendicular.reshape(slope.shape())), ("sam_grad", slope)]);
        }
        Ok(Slice { perturb_loss, vectors, out })
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
            let before = slices.last().map_or(state, |s| &s.out.state);
            let samples = batch.slice(j * m, (j + 1) * m);
            let index = SliceIndex { update: t as u64, slice: j };
            slices.push(self.slice(theta, before, [batch, &samples], rho, index)?);
        }
        Ok(slices)
    }

    /// The update gradient of a batch: the step's own, but for noise that is given.
    fn update(&self, theta: &Theta, state: &State, batch: &Batch, rho: f64, t: usize, slices: &[Slice]) -> Tensor {
        if self.rule.perturbation == Perturbation::Random {
            let sum = slices[1..].iter().fold(slices[0].out.update.clone(), |sum, s| sum.add(&s.out.update));
            return sum.mul_scalar(1.0 / slices.len() as f64);
        }
        let model = |f: &Forward<'_>, x: &Var| self.network.forward(f, x);
        self.rule.gradient(theta, state, batch, rho, t as u64, &model).update
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
    let (noise, sign) = (case.family("noise."), a.object("sam")?.f64_maybe("noise_sign")?.unwrap_or(1.0));
    let step = Step { case, rule: rule(case)?, rho: rho(case)?, noise, sign, network, layout };
    let layout = &step.layout;
    let mut theta = Theta::new(assemble(case, layout, &params)?, layout);
    let mut state = step.network.state(case)?;
    let (mut optimizer, rate) = (optimizer(case, &theta)?, Rate::read(a)?);
    let (x, y, count) = (case.tensor("x")?, case.tensor("y")?, a.usize("steps")?);
    let (mut outputs, mut trace, mut before, mut after) = (vec![], vec![], vec![], vec![]);
    for t in 0..count {
        let batch = Batch { inputs: row(&x, t), targets: row(&y, t) };
        let (lr, rho) = (rate.at(t), step.rho.at(t as u64, rate.at(t)));
        let slices = step.slices(&theta, &state, &batch, rho, t)?;
        let update = step.update(&theta, &state, &batch, rho, t, &slices);
        before.push(in_a_row(&slices, |s| &s.perturb_loss));
        after.push(in_a_row(&slices, |s| &s.out.perturbed_loss));
        if count == 1 {
            outputs.extend(split(layout, &update, "update_grad."));
            let alone = if slices.len() == 1 { &slices[0].vectors[..] } else { &[] };
            alone.iter().for_each(|(name, v)| outputs.extend(split(layout, v, &format!("{name}."))));
        }
        optimizer.step(&mut theta, &update, lr);
        trace.push(theta.values().clone());
        state = slices.into_iter().next_back().expect("a batch has a slice").out.state;
    }
    outputs.extend(stacked(layout, &trace, "traj."));
    outputs.extend([("perturb_loss".into(), rows(&before)), ("perturbed_loss".into(), rows(&after))]);
    outputs.extend(split(state.layout(), state.values(), ""));
    Ok(outputs)
}
