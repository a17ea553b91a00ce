//! Optimisers and schedules.

use crate::conformance::case::Found;
use crate::conformance::case::{Answer, Attrs, Case, Unknown, one};
use crate::conformance::vectors::{assemble, host, layout, row, split, stacked};
use lethe_autograd::{ParamId, ParamLayout, Tags, Var};
use lethe_nn::{State, Theta};
use lethe_optim::{AdamW, Decay, Descent, Optimizer, RhoSchedule, Schedule, Sgd, ShrinkPerturb, ShrinkScaling};
use lethe_tensor::Tensor;
use std::sync::Arc;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    Ok(Some(match case.op {
        "optimizer_trajectory" => trajectory(case)?,
        "linear_schedule" => schedules(case)?,
        "shrink_and_perturb" => shrink_and_perturb(case)?,
        _ => return Ok(None),
    }))
}

fn shrink_and_perturb(case: &Case<'_>) -> Answer {
    let a = &case.attrs;
    let scaling = match (a.f64_maybe("lr")?, a.f64_maybe("lr_max")?) {
        (Some(_), Some(max)) => ShrinkScaling::Lr { max },
        (None, None) => ShrinkScaling::Constant,
        _ => return case.unknown("one of lr and lr_max without the other"),
    };
    let lr = a.f64_maybe("lr")?.unwrap_or(1.0);
    // θ and the state alike: each is the case's vector.
    let mut layout = ParamLayout::new();
    layout.add("x", case.tensor("theta")?.shape(), Tags::default());
    let layout = Arc::new(layout);
    let whole = |name: &str| assemble(case, &layout, &[("x".into(), case.var(name)?)]);
    let of = |values: Tensor| (Theta::new(values.clone(), &layout), State::new(values, &layout));
    let ((init, init_state), (mut theta, mut state)) = (of(whole("init")?), of(whole("theta")?));
    ShrinkPerturb::new(a.f64("factor")?, scaling, &init, &init_state).apply(&mut theta, &mut state, lr);
    Ok(one("out", Var::constant(&layout.view(theta.values(), ParamId(0)))))
}

/// What the learning rate is at every update.
pub enum Rate {
    Constant(f64),
    Linear(Schedule),
}

impl Rate {
    /// `schedule`, or else `lr`.
    pub fn read(a: &Attrs<'_>) -> Result<Rate, Unknown> {
        match a.within("schedule")? {
            Some(s) => Ok(Rate::Linear(linear(&s)?)),
            None => Ok(Rate::Constant(a.f64("lr")?)),
        }
    }

    /// At update t = 0, 1, …
    pub fn at(&self, t: usize) -> f64 {
        match self {
            Rate::Constant(lr) => *lr,
            Rate::Linear(s) => s.at(t as u64),
        }
    }
}

fn linear(s: &Attrs<'_>) -> Result<Schedule, Unknown> {
    Ok(Schedule {
        start: s.f64("warmup_init")?,
        max: s.f64("max")?,
        min: s.f64("min")?,
        warmup: s.usize("warmup_steps")? as u64,
        total: s.usize("total_steps")? as u64,
        decay: Decay::Linear,
    })
}

/// A radius that follows the learning rate.
pub fn radius(r: &Attrs<'_>) -> Result<RhoSchedule, Unknown> {
    Ok(RhoSchedule::FollowsLr {
        min: r.f64("rho_min")?,
        max: r.f64("rho_max")?,
        lr_min: r.f64("lr_min")?,
        lr_max: r.f64("lr_max")?,
    })
}

fn schedules(case: &Case<'_>) -> Answer {
    let a = &case.attrs;
    let schedule = linear(&a.object("schedule")?)?;
    let rates: Vec<f64> = (0..a.usize("steps")?).map(|t| schedule.at(t as u64)).collect();
    let mut outputs = one("lr", Var::constant(&host(case, &rates)));
    if let Some(r) = a.within("rho")? {
        let radius = radius(&r)?;
        let radii: Vec<f64> = rates.iter().map(|lr| radius.at(0, *lr)).collect();
        outputs.push(("rho".into(), Var::constant(&host(case, &radii))));
    }
    Ok(outputs)
}

/// Whether tensors of at most one axis decay.
pub fn decay_1d(optimizer: &Attrs<'_>) -> Result<bool, Unknown> {
    Ok(optimizer.optional("decay_1d", serde_json::Value::as_bool)?.unwrap_or(true))
}

/// The optimiser that `optimizer` and `clip_norm` describe.
pub fn optimizer(case: &Case<'_>, theta: &Theta) -> Result<Box<dyn Optimizer>, Unknown> {
    let o = case.attrs.object("optimizer")?;
    let clip = case.attrs.f64_maybe("clip_norm")?.unwrap_or(f64::INFINITY);
    let decay = o.f64("weight_decay")?;
    Ok(match o.str("name")? {
        "adamw" => {
            let rule = AdamW { betas: [o.f64("beta1")?, o.f64("beta2")?], eps: o.f64("eps")? };
            let mut adamw = Descent::new(rule, theta, decay);
            adamw.clip = clip;
            Box::new(adamw)
        }
        "sgd" => {
            let rule = Sgd { momentum: o.f64("momentum")?, nesterov: o.flag("nesterov")? };
            let mut sgd = Descent::new(rule, theta, decay);
            sgd.clip = clip;
            Box::new(sgd)
        }
        name => return Err(Unknown(format!("optimizer {name}"))),
    })
}

fn trajectory(case: &Case<'_>) -> Answer {
    let a = &case.attrs;
    let (params, gradients) = (case.family("p."), case.family("g."));
    let layout = layout(&params, decay_1d(&a.object("optimizer")?)?);
    let mut theta = Theta::new(assemble(case, &layout, &params)?, &layout);
    let mut optimizer = optimizer(case, &theta)?;
    let rate = Rate::read(a)?;
    let (mut trace, mut norms) = (vec![], vec![]);
    for t in 0..a.usize("steps")? {
        let now = |(name, v): &(String, Var)| (name.clone(), Var::constant(&row(v.tensor(), t)));
        let update = assemble(case, &layout, &gradients.iter().map(now).collect::<Vec<_>>())?;
        norms.push(optimizer.step(&mut theta, &update, rate.at(t)).reshape(&[]));
        trace.push(theta.values().clone());
    }
    let mut outputs = stacked(&layout, &trace, "traj.");
    let norms = Tensor::stack(&norms.iter().collect::<Vec<_>>(), 0);
    outputs.push(("grad_norms".into(), Var::constant(&norms)));
    for (name, vector) in optimizer.state() {
        let short = match name {
            "adamw.mean" => "m",
            "adamw.square" => "v",
            "sgd.momentum" => "buf",
            other => other,
        };
        outputs.extend(split(&layout, vector, &format!("state.{short}.")));
    }
    Ok(outputs)
}
