//! Matrix products.

use crate::graph::Var;

impl Var {
    /// `Y = A B` over the last two axes; `dA = dY Bᵀ`, `dB = Aᵀ dY`, summed over broadcast batch axes.
    ///
    /// # Panics
    /// If an operand has fewer than two axes, the contracted extents differ, or batch axes do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Var) -> Var {
        let (a, b) = (self.clone(), other.clone());
        Var::record("matmul", &[self, other], self.tensor().matmul(other.tensor()), move |dy| {
            let da = || dy.matmul(&b.t()).sum_to(a.shape());
            let db = || match b.rank() {
                // One B for all rows of all items: one product over all of them.
                2 => a.rows().t().matmul(&dy.rows()),
                _ => a.t().matmul(dy).sum_to(b.shape()),
            };
            vec![a.is_tracked().then(da), b.is_tracked().then(db)]
        })
    }

    /// All axes but the last merged: [rows, n].
    #[track_caller]
    pub(crate) fn rows(&self) -> Var {
        let (n, leading) = self.shape().split_last().expect("an axis");
        self.reshape(&[leading.iter().product(), *n]) // not elements / n: of rows without elements there may be many
    }

    /// `y = x Wᵀ + b`: x […, in], weight [out, in], bias `[out]`. `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy`.
    ///
    /// # Panics
    /// If x has no axis, the weight does not have two, their last axes differ in extent, or the bias's shape is not `[out]`.
    #[track_caller]
    pub fn linear(&self, weight: &Var, bias: Option<&Var>) -> Var {
        let (x, w) = (self.clone(), weight.clone());
        let y = self.tensor().linear(weight.tensor(), bias.map(Var::tensor));
        let inputs: Vec<&Var> = [self, weight].into_iter().chain(bias).collect();
        let bias_tracked = bias.is_some_and(Var::is_tracked);
        let count = inputs.len();
        Var::record("linear", &inputs, y, move |dy| {
            let flat = dy.rows();
            let dx = || match x.rank() {
                1 => flat.matmul(&w).reshape(x.shape()),
                _ => dy.matmul(&w),
            };
            let mut grads = vec![x.is_tracked().then(dx), w.is_tracked().then(|| flat.t().matmul(&x.rows()))];
            grads.push(bias_tracked.then(|| flat.sum_axes(&[0], false)));
            grads.truncate(count);
            grads
        })
    }
}
