//! The models that cases name, put together from differentiable operations.

use super::case::{Answer, Attrs, Case, Unknown, one};
use super::vectors;
use lethe_autograd::{ParamId, ParamLayout, Var};
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::{Forward, State, Statistics};
use lethe_tensor::{ConvOptions, INFER, Tensor};
use std::sync::Arc;

/// Where a model reads its parameters.
pub type Params<'a> = dyn Fn(&str) -> Result<Var, Unknown> + 'a;

/// `{kind: ce or bce, label_smoothing}`: the mean over the batch.
pub fn task_loss(a: &Attrs<'_>) -> Result<TaskLoss, Unknown> {
    let likelihood = match a.str("kind")? {
        "ce" => Likelihood::Softmax,
        "bce" => Likelihood::Sigmoid,
        kind => return Err(Unknown(format!("loss {kind}"))),
    };
    Ok(TaskLoss { likelihood, smoothing: a.f64_maybe("label_smoothing")?.unwrap_or(0.0) })
}

/// Multi-head self-attention with parameters `w_qkv`, `b_qkv`, `w_out`, `b_out`; x (n, tokens, width).
pub fn self_attention(
    x: &Var,
    p: &Params<'_>,
    heads: usize,
    mask: Option<&Tensor>,
    causal: bool,
) -> Result<Var, Unknown> {
    let &[n, tokens, width] = x.shape() else { return Err(Unknown(format!("attention over {:?}", x.shape()))) };
    let dim = width / heads;
    let scale = 1.0 / (dim as f64).sqrt();
    let qkv = x.linear(&p("w_qkv")?, Some(&p("b_qkv")?)).reshape(&[n, tokens, 3, heads, dim]);
    let mixed = match mask {
        None => qkv.packed_attention(scale, causal),
        Some(_) => {
            let [q, k, v] = [0, 1, 2].map(|i| qkv.slice(2, i, i + 1).squeeze(2).transpose(1, 2));
            q.attention(&k, &v, mask, scale, causal).transpose(1, 2)
        }
    };
    Ok(mixed.reshape(&[n, tokens, width]).linear(&p("w_out")?, Some(&p("b_out")?)))
}

/// `x += mha(ln1(x)); x += fc2(gelu(fc1(ln2(x))))`.
pub fn block(x: &Var, p: &Params<'_>, heads: usize, eps: f64) -> Result<Var, Unknown> {
    let normed = x.layer_norm(&p("ln1_w")?, &p("ln1_b")?, eps);
    let x = x + &self_attention(&normed, p, heads, None, false)?;
    let hidden = x.layer_norm(&p("ln2_w")?, &p("ln2_b")?, eps).linear(&p("w_fc1")?, Some(&p("b_fc1")?)).gelu();
    Ok(&x + &hidden.linear(&p("w_fc2")?, Some(&p("b_fc2")?)))
}

/// Patches, positions, blocks, the mean over tokens, a norm and a linear head: logits and their mean loss.
pub fn vit(case: &Case<'_>) -> Answer {
    let a = &case.attrs;
    let (patch, heads, eps) = (a.usize("patch")?, a.usize("heads")?, a.f64("eps")?);
    let loss = task_loss(&a.object("loss")?)?;
    let patches = case.var("x")?.conv2d(
        &case.var("patch_w")?,
        Some(&case.var("patch_b")?),
        &ConvOptions { stride: [patch; 2], ..ConvOptions::default() },
    );
    let (n, width) = (patches.shape()[0], patches.shape()[1]);
    let tokens = patches.reshape(&[n, width, INFER]).transpose(1, 2);
    let mut h = &tokens + &case.var("pos")?;
    for i in 0..a.usize("depth")? {
        h = block(&h, &|name| case.var(&format!("block{i}.{name}")), heads, eps)?;
    }
    let pooled = h.mean_axes(&[1], false).layer_norm(&case.var("ln_w")?, &case.var("ln_b")?, eps);
    let logits = pooled.linear(&case.var("head_w")?, Some(&case.var("head_b")?));
    let mean = loss.mean(&logits, &case.tensor("y")?);
    Ok(one("logits", logits).into_iter().chain(one("loss", mean)).collect())
}

/// `relu(bn2(conv3×3(relu(bn1(conv3×3(x))))) + bnd(conv1×1(x)))`.
pub fn basic_residual_block(case: &Case<'_>) -> Answer {
    let a = &case.attrs;
    let (training, eps, momentum) = (a.flag("training")?, a.f64("eps")?, a.f64_maybe("momentum")?);
    let stride = a.usize("stride")?;
    let mut moved = vec![];
    let mut normed = |x: &Var, name: &str| -> Result<Var, Unknown> {
        let part = |suffix: &str| case.var(&format!("{name}_{suffix}"));
        let (weight, bias, running) = (part("w")?, part("b")?, [part("rm")?, part("rv")?]);
        let running = [running[0].tensor(), running[1].tensor()];
        if !training {
            return Ok(x.batch_norm_eval(&weight, &bias, running, eps));
        }
        let momentum = momentum.ok_or_else(|| Unknown("no attribute momentum".into()))?;
        let out = x.batch_norm(&weight, &bias, running, eps, momentum);
        for (suffix, new) in ["rm", "rv"].iter().zip(&out.running) {
            moved.push((format!("{name}_{suffix}"), Var::constant(new)));
        }
        Ok(out.y)
    };
    let (x, strided) = (case.var("x")?, ConvOptions::new(stride, 1));
    let h = normed(&x.conv2d(&case.var("conv1")?, None, &strided), "bn1")?.relu();
    let h = normed(&h.conv2d(&case.var("conv2")?, None, &ConvOptions::new(1, 1)), "bn2")?;
    let shortcut = normed(&x.conv2d(&case.var("conv_down")?, None, &ConvOptions::new(stride, 0)), "bnd")?;
    moved.push(("out".into(), (&h + &shortcut).relu()));
    Ok(moved)
}

/// A small classifier whose parameters are one vector.
pub struct Network {
    layout: Arc<ParamLayout>,
    state_layout: Arc<ParamLayout>,
    kind: Kind,
}

enum Kind {
    /// `act(norm(x w1ᵀ + b1)) w2ᵀ + b2`.
    Mlp { act: fn(&Var) -> Var, norm: Option<Norm> },
    /// Self-attention with a residual, the mean over tokens, a linear head.
    Attention { heads: usize },
}

struct Norm {
    eps: f64,
    momentum: f64,
}

const STATE: [&str; 2] = ["bn_rm", "bn_rv"];

impl Network {
    /// The network that an attribute describes, if `layout` has just its parameters.
    pub fn new(a: &Attrs<'_>, layout: &Arc<ParamLayout>) -> Result<Network, Unknown> {
        let kind = match a.str("kind")? {
            "mlp" => Kind::Mlp { act: activation(a.str("act")?)?, norm: norm(a)? },
            "attention" => Kind::Attention { heads: a.usize("heads")? },
            kind => return Err(Unknown(format!("model {kind}"))),
        };
        let needed: &[&str] = match &kind {
            Kind::Mlp { norm: None, .. } => &["w1", "b1", "w2", "b2"],
            Kind::Mlp { .. } => &["w1", "b1", "w2", "b2", "bn_w", "bn_b"],
            Kind::Attention { .. } => &["w_qkv", "b_qkv", "w_out", "b_out", "w_head", "b_head"],
        };
        let given: Vec<&str> = layout.iter().map(|(_, p)| p.name.as_str()).collect();
        if needed.len() != given.len() || needed.iter().any(|n| !given.contains(n)) {
            return Err(Unknown(format!("a model with parameters {given:?}")));
        }
        let mut state_layout = ParamLayout::new();
        if let Kind::Mlp { norm: Some(_), .. } = &kind {
            let shape = &layout.get(layout.find("bn_w").expect("needed")).shape;
            STATE.iter().for_each(|name| _ = state_layout.add(name, shape, Default::default()));
        }
        Ok(Network { layout: layout.clone(), state_layout: Arc::new(state_layout), kind })
    }

    /// The running statistics that a case gives, if the network has any.
    pub fn state(&self, case: &Case<'_>) -> Result<State, Unknown> {
        let parts = self.state_layout.iter().map(|(_, p)| Ok((p.name.clone(), case.var(&p.name)?)));
        let parts = parts.collect::<Result<Vec<_>, Unknown>>()?;
        Ok(State::new(vectors::assemble(case, &self.state_layout, &parts)?, &self.state_layout))
    }

    /// The logits of x.
    pub fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let p = |name: &str| f.param(self.layout.find(name).expect("checked when it was made"));
        match &self.kind {
            Kind::Mlp { act, norm } => {
                let hidden = x.linear(&p("w1"), Some(&p("b1")));
                let hidden = match norm {
                    Some(norm) => self.normed(f, norm, &hidden, [&p("bn_w"), &p("bn_b")]),
                    None => hidden,
                };
                act(&hidden).linear(&p("w2"), Some(&p("b2")))
            }
            Kind::Attention { heads } => {
                let mixed = self_attention(x, &|name| Ok(p(name)), *heads, None, false);
                let Ok(mixed) = mixed else { panic!("attention over {:?}", x.shape()) };
                (x + &mixed).mean_axes(&[1], false).linear(&p("w_head"), Some(&p("b_head")))
            }
        }
    }

    fn normed(&self, f: &Forward<'_>, norm: &Norm, x: &Var, [weight, bias]: [&Var; 2]) -> Var {
        let ids: [ParamId; 2] = STATE.map(|name| self.state_layout.find(name).expect("made with it"));
        let running = ids.map(|id| f.state(id));
        let out = x.batch_norm(weight, bias, [&running[0], &running[1]], norm.eps, norm.momentum);
        if f.pass().statistics == Statistics::Batch {
            ids.into_iter().zip(out.running).for_each(|(id, new)| f.move_state(id, new));
        }
        out.y
    }
}

fn activation(name: &str) -> Result<fn(&Var) -> Var, Unknown> {
    Ok(match name {
        "tanh" => Var::tanh,
        "relu" => Var::relu,
        "gelu_erf" => Var::gelu,
        "gelu_tanh" => Var::gelu_tanh,
        "softplus" => Var::softplus,
        "silu" => Var::silu,
        "sigmoid" => Var::sigmoid,
        other => return Err(Unknown(format!("activation {other}"))),
    })
}

fn norm(a: &Attrs<'_>) -> Result<Option<Norm>, Unknown> {
    if !a.flag("batch_norm")? {
        return Ok(None);
    }
    Ok(Some(Norm { eps: a.f64("bn_eps")?, momentum: a.f64("bn_momentum")? }))
}
