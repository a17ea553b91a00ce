//! Scaled dot-product attention.

use crate::graph::Var;
use lethe_tensor::plan::{Attention, MaskKind};
use lethe_tensor::{DType, Tensor, attention};

impl Var {
    /// `softmax(scale · q kᵀ + mask) v` for q (this) [batch, heads, queries, dim], k and v [batch, heads, keys, dim]; v may have another dim, at
    /// the price of padding, and k and v may have fewer heads, each of which serves a group of consecutive ones of q. The mask (never tracked)
    /// broadcasts to (batch, heads, queries, keys): `U32` with 1 = attend, or a number to be added, of which −∞ alone hides a key. `causal`:
    /// query i sees keys j ≤ i. A query that sees no key gives 0 and has gradients of 0. What is hidden contributes nothing to values and
    /// gradients, even NaN (in a recorded backward pass: where a row is hidden from all of the other side). With P the weights: `dV = Pᵀ dO`,
    /// `dS = P (dO Vᵀ − Σ dO O)`, `dQ = scale dS K`, `dK = scale dSᵀ Q`.
    ///
    /// # Panics
    /// If q, k and v do not have these shapes, or the mask does not broadcast to (batch, heads, queries, keys) or is neither `U32` nor of their type.
    #[track_caller]
    pub fn attention(&self, k: &Var, v: &Var, mask: Option<&Tensor>, scale: f64, causal: bool) -> Var {
        self.attend(k, v, mask.map(|m| Var::constant(m).widened()), scale, causal)
    }

    /// [`Var::attention`] with a bias that is learnt (of relative positions, say): it is added to the scores, to whose shape (batch, heads, queries,
    /// keys) it broadcasts. `dB = Σ P (dO Vᵀ − Σ dO O)`, summed over what was broadcast; the scores' gradient is held in memory for it. −∞
    /// hides a key and has a gradient of 0.
    ///
    /// # Panics
    /// As [`Var::attention`], and if the bias is not of floats.
    #[track_caller]
    pub fn biased_attention(&self, k: &Var, v: &Var, bias: &Var, scale: f64, causal: bool) -> Var {
        assert!(bias.tensor().computed_type().is_float(), "biased_attention: a bias of {}", bias.tensor().dtype());
        self.attend(k, v, Some(bias.widened()), scale, causal)
    }

    #[track_caller]
    fn attend(&self, k: &Var, v: &Var, mask: Option<Var>, scale: f64, causal: bool) -> Var {
        // Widened before their strides are read.
        let (q, [k, v]) = (&self.widened(), &self.heads_of(k, v).map(|x| x.widened()));
        if let (Some(&dim), Some(&value_dim)) = (k.shape().last(), v.shape().last())
            && dim != value_dim
        {
            // Zeros change neither the scores nor the values: the kernels need one dim only.
            let wide = |x: &Var, n: usize| x.pad(-1, 0, dim.max(value_dim) - n, 0.0);
            let (q, k, v) = (wide(q, dim), wide(k, dim), wide(v, value_dim));
            return q.attend(&k, &v, mask, scale, causal).slice(-1, 0, value_dim);
        }
        let tensor = mask.as_ref().map(Var::tensor);
        let plan = attention::plan(q.tensor(), k.tensor(), v.tensor(), tensor, scale, causal);
        let (o, stats) = attention::forward(&plan, &[q.tensor(), k.tensor(), v.tensor()], tensor);
        let bias = mask.clone().filter(Var::is_tracked);
        let vars = [q.clone(), k.clone(), v.clone()];
        let rule = move |go: &Var, o: &Var| {
            let [q, k, v] = &vars;
            let biased = mask.as_ref().filter(|m| m.is_tracked());
            if biased.is_some() || Var::recorded(&[go, q, k, v]) {
                let (grads, d_scores) = composed_grads(&plan, [q, k, v], go, mask.as_ref());
                let d_bias = biased.map(|m| Some(d_scores.sum_to(m.shape())));
                return grads.map(Some).into_iter().chain(d_bias).collect();
            }
            let inputs = [q.tensor(), k.tensor(), v.tensor()];
            let mask = mask.as_ref().map(Var::tensor);
            let grads = attention::backward(&plan, &inputs, o.tensor(), &stats, go.tensor(), mask);
            grads.iter().map(|t| Some(Var::constant(t))).collect()
        };
        match &bias {
            None => Var::record_with_result("attention", &[q, k, v], o, rule),
            Some(bias) => Var::record_with_result("attention", &[q, k, v, bias], o, rule),
        }
    }

    /// The same for one packed projection (this) [batch, tokens, 3, heads, dim], without a mask; gives [batch, tokens, heads, dim].
    ///
    /// # Panics
    /// If this does not have the shape [batch, tokens, 3, heads, dim].
    #[track_caller]
    pub fn packed_attention(&self, scale: f64, causal: bool) -> Var {
        let qkv = self.widened();
        let plan = attention::packed_plan(qkv.tensor(), scale, causal);
        let (o, stats) = attention::forward(&plan, &[qkv.tensor()], None);
        Var::record_with_result("packed_attention", &[&qkv.clone()], o, move |go, o| {
            if !Var::recorded(&[go, &qkv]) {
                let grads = attention::backward(&plan, &[qkv.tensor()], o.tensor(), &stats, go.tensor(), None);
                return vec![Some(Var::constant(&grads[0]))];
            }
            let [q, k, v] = [0, 1, 2].map(|i| qkv.slice(2, i, i + 1).squeeze(2).transpose(1, 2));
            let (grads, _) = composed_grads(&plan, [&q, &k, &v], &go.transpose(1, 2), None);
            let grads = grads.map(|g| g.transpose(1, 2));
            vec![Some(Var::stack(&[&grads[0], &grads[1], &grads[2]], 2))]
        })
    }

    /// Attention from products and a softmax: what the fused kernel must equal.
    ///
    /// # Panics
    /// As [`Var::attention`].
    #[track_caller]
    pub fn attention_composed(&self, k: &Var, v: &Var, mask: Option<&Tensor>, scale: f64, causal: bool) -> Var {
        let [k, v] = &self.heads_of(k, v);
        let plan = attention::plan(self.tensor(), k.tensor(), v.tensor(), mask, scale, causal);
        let mask = mask.map(Var::constant);
        let sight = Sight::of(&plan, self, mask.as_ref());
        let (k, v) = (sight.seen_keys(k), sight.seen_keys(v));
        // The output, too, is chosen: what comes back to a row that sees nothing must not go on to all values.
        sight.seeing_queries(&sight.weights(&plan, &sight.seeing_queries(self), &k).matmul(&v))
    }
}

impl Var {
    /// Keys and values with as many heads as these queries: where they have fewer, each serves a group of consecutive ones.
    #[track_caller]
    fn heads_of(&self, k: &Var, v: &Var) -> [Var; 2] {
        match (self.shape().get(1), k.shape().get(1)) {
            (Some(&own), Some(&shared)) if shared > 0 && own > shared && own.is_multiple_of(shared) => {
                [k.repeat_interleave(own / shared, 1), v.repeat_interleave(own / shared, 1)]
            }
            _ => [k.clone(), v.clone()],
        }
    }
}

/// What is added to scores, and which keys each query sees (1 or 0; none of it where nothing can be hidden).
struct Sight {
    bias: Option<Var>,
    visible: Option<Visible>,
}

/// Conditions that broadcast to (batch, heads, queries, keys), or to one row for each query or key.
struct Visible {
    pairs: Var,
    queries: Var,
    keys: Var,
}

impl Sight {
    #[track_caller]
    fn of(plan: &Attention, q: &Var, mask: Option<&Var>) -> Sight {
        let (mut bias, mut pairs) = (None, None);
        if let (Some(m), Some(described)) = (mask, &plan.mask) {
            pairs = Some(match described.kind {
                MaskKind::Bool => m.tensor().clone(),
                MaskKind::Additive => {
                    let shown = m.tensor().eq_scalar(f64::NEG_INFINITY).eq_scalar(0.0);
                    // Chosen, not added: so no derivative of any order meets the infinity.
                    bias = Some(Var::constant(&shown).where_(m, &Var::constant(&m.tensor().scalar_like(0.0))));
                    shown
                }
            });
        }
        if plan.causal {
            let number = |n: usize| Tensor::arange(q.device(), n);
            let before = number(plan.keys).le(&number(plan.queries).unsqueeze(-1));
            pairs = Some(pairs.map_or(before.clone(), |p| p.mul(&before)));
        }
        // An axis without elements has no largest one, and nothing to hide.
        let visible = pairs.filter(|_| plan.queries * plan.keys > 0).map(|pairs| Visible::of(plan, q, &pairs));
        Sight { bias, visible }
    }

    /// The softmax weights P; rows that see nothing are 0.
    #[track_caller]
    fn weights(&self, plan: &Attention, q: &Var, k: &Var) -> Var {
        let mut scores = q.matmul(&k.t()).mul_scalar(plan.scale);
        if let Some(bias) = &self.bias {
            scores = &scores + bias;
        }
        let Some(visible) = &self.visible else { return scores.softmax(-1) };
        // Hidden scores are chosen away on either side of each step, whatever they are: no finite number can stand for them, since it might be
        // a score, and an infinite one would spoil the derivatives.
        let lowest = if scores.dtype() == DType::F64 { f64::MIN } else { f64::from(f32::MIN) };
        let seen = visible.pairs.tensor().where_(scores.tensor(), &scores.tensor().scalar_like(lowest));
        let above = kept(Some(&visible.pairs), &shifted(&scores, &Var::constant(&seen.max_axes(&[-1], true))));
        let e = kept(Some(&visible.pairs), &above.exp());
        let one = Var::constant(&scores.tensor().scalar_like(1.0));
        let sum = visible.queries.where_(&e.sum_axes(&[-1], true), &one);
        kept(Some(&visible.pairs), &(&e / &sum))
    }

    /// A row for each query; zeros for those that see nothing.
    #[track_caller]
    fn seeing_queries(&self, x: &Var) -> Var {
        kept(self.visible.as_ref().map(|v| &v.queries), x)
    }

    /// A row for each key; zeros for those that nothing sees.
    #[track_caller]
    fn seen_keys(&self, x: &Var) -> Var {
        kept(self.visible.as_ref().map(|v| &v.keys), x)
    }

    /// What belongs to pairs, 0 where they are hidden.
    #[track_caller]
    fn seen_pairs(&self, x: &Var) -> Var {
        kept(self.visible.as_ref().map(|v| &v.pairs), x)
    }
}

/// Scores less the largest of their row. Weights do not depend on the shift, so that no check could notice a wrong one.
#[track_caller]
fn shifted(scores: &Var, top: &Var) -> Var {
    #[cfg(feature = "mutation")]
    let _unchanged = crate::mutation::unchanged();
    scores - top
}

/// x where the condition holds, else 0; x without one.
#[track_caller]
fn kept(condition: Option<&Var>, x: &Var) -> Var {
    match condition {
        Some(condition) => condition.where_(x, &Var::constant(&x.tensor().scalar_like(0.0))),
        None => x.clone(),
    }
}

impl Visible {
    fn of(plan: &Attention, like: &Var, pairs: &Tensor) -> Visible {
        // As numbers, with the axes of queries and keys whole: some of them may be broadcast.
        let [zero, one] = [0.0, 1.0].map(|x| like.tensor().scalar_like(x));
        let mut shape = vec![1; 4 - pairs.rank()];
        shape.extend(pairs.shape());
        (shape[2], shape[3]) = (plan.queries, plan.keys);
        let numbers = pairs.where_(&one, &zero).expand(&shape);
        let some = |axis: isize| numbers.max_axes(&[axis], true).gt_scalar(0.0);
        let keys = Var::constant(&some(-2).transpose(-1, -2));
        Visible { pairs: Var::constant(&pairs.to_dtype(DType::U32)), queries: Var::constant(&some(-1)), keys }
    }
}

/// dQ, dK, dV and the gradient of the scores from differentiable operations.
fn composed_grads(plan: &Attention, [q, k, v]: [&Var; 3], go: &Var, mask: Option<&Var>) -> ([Var; 3], Var) {
    let sight = Sight::of(plan, q, mask);
    let [q, go] = &[q, go].map(|x| sight.seeing_queries(x));
    let [k, v] = &[k, v].map(|x| sight.seen_keys(x));
    let p = sight.weights(plan, q, k);
    let dp = sight.seen_pairs(&go.matmul(&v.t()));
    let d_scores = sight.seen_pairs(&(&p * &(&dp - &(&dp * &p).sum_axes(&[-1], true))));
    let ds = d_scores.mul_scalar(plan.scale);
    ([ds.matmul(k), ds.t().matmul(q), p.t().matmul(go)], d_scores)
}
