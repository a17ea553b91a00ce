//! Scaled dot-product attention.

use crate::Var;
use lethe_tensor::plan::{Attention, MaskKind};
use lethe_tensor::{DType, Tensor, attention};

impl Var {
    /// `softmax(scale · q kᵀ + mask) v` for q (this) [batch, heads, queries, dim], k and v [batch, heads, keys, dim]; v may have another dim, at the
    /// price of padding, and k and v may have fewer heads, each of which serves a group of consecutive ones of q. The mask (never tracked)
    /// broadcasts to (batch, heads, queries, keys): `U32` with 1 = attend, or a number to be added. `causal`: query i sees keys j ≤ i. A query that
    /// sees no key gives 0. With P the weights: `dV = Pᵀ dO`, `dS = P (dO Vᵀ − Σ dO O)`, `dQ = scale dS K`, `dK = scale dSᵀ Q`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn attention(&self, k: &Var, v: &Var, mask: Option<&Tensor>, scale: f64, causal: bool) -> Var {
        self.attend(k, v, mask.map(|m| Var::constant(m).widened()), scale, causal)
    }

    /// [`Var::attention`] with a bias that is learnt (of relative positions, say): it is added to the scores, to whose shape (batch, heads, queries,
    /// keys) it broadcasts. `dB = Σ P (dO Vᵀ − Σ dO O)`, summed over what was broadcast; the scores' gradient is held in memory for it.
    ///
    /// # Panics
    /// If the shapes do not fit, or the bias is not of floats.
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
        let (o, lse) = attention::forward(&plan, &[q.tensor(), k.tensor(), v.tensor()], tensor);
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
            let grads = attention::backward(&plan, &inputs, o.tensor(), &lse, go.tensor(), mask);
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
    /// If the shape is another.
    #[track_caller]
    pub fn packed_attention(&self, scale: f64, causal: bool) -> Var {
        let qkv = self.widened();
        let plan = attention::packed_plan(qkv.tensor(), scale, causal);
        let (o, lse) = attention::forward(&plan, &[qkv.tensor()], None);
        Var::record_with_result("packed_attention", &[&qkv.clone()], o, move |go, o| {
            if !Var::recorded(&[go, &qkv]) {
                let grads = attention::backward(&plan, &[qkv.tensor()], o.tensor(), &lse, go.tensor(), None);
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
    /// If the shapes do not fit.
    #[track_caller]
    pub fn attention_composed(&self, k: &Var, v: &Var, mask: Option<&Tensor>, scale: f64, causal: bool) -> Var {
        let [k, v] = &self.heads_of(k, v);
        let plan = attention::plan(self.tensor(), k.tensor(), v.tensor(), mask, scale, causal);
        weights(&plan, self, k, mask.map(Var::constant).as_ref()).matmul(v)
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

/// The softmax weights P; rows that see nothing are 0.
#[track_caller]
fn weights(plan: &Attention, q: &Var, k: &Var, mask: Option<&Var>) -> Var {
    let mut scores = q.matmul(&k.t()).mul_scalar(plan.scale);
    let mut visible: Option<Tensor> = None;
    if let (Some(m), Some(described)) = (mask, &plan.mask) {
        match described.kind {
            MaskKind::Additive => scores = &scores + m,
            MaskKind::Bool => visible = Some(m.tensor().clone()),
        }
    }
    if plan.causal {
        let number = |n: usize| Tensor::arange(q.device(), n);
        let before = number(plan.keys).le(&number(plan.queries).unsqueeze(-1));
        visible = Some(visible.map_or(before.clone(), |v| v.mul(&before)));
    }
    let Some(visible) = visible else { return scores.softmax(-1) };
    let visible = visible.to_dtype(DType::U32);
    let low = Var::constant(&scores.tensor().scalar_like(-1e30));
    let zero = Var::constant(&scores.tensor().scalar_like(0.0));
    let visible = Var::constant(&visible);
    visible.where_(&visible.where_(&scores, &low).softmax(-1), &zero)
}

/// dQ, dK, dV and the gradient of the scores from differentiable operations.
fn composed_grads(plan: &Attention, [q, k, v]: [&Var; 3], go: &Var, mask: Option<&Var>) -> ([Var; 3], Var) {
    let p = weights(plan, q, k, mask);
    let dp = go.matmul(&v.t());
    let d_scores = &p * &(&dp - &(&dp * &p).sum(&[-1], true));
    let ds = d_scores.mul_scalar(plan.scale);
    ([ds.matmul(k), ds.t().matmul(q), p.t().matmul(go)], d_scores)
}
