//! Pooling. The backward passes are linear, and differentiable themselves.

use crate::graph::Var;
use lethe_tensor::plan::{Pool2d, PoolKind};
use lethe_tensor::{INFER, PoolOptions, Tensor, adaptive_plan};

impl Var {
    /// The largest element of each window; `dx` gets dy at the place of the first largest.
    ///
    /// # Panics
    /// If x does not have four axes, or the window does not fit ([`PoolOptions::plan`]).
    #[track_caller]
    pub fn max_pool2d(&self, options: &PoolOptions) -> Var {
        let plan = options.plan(PoolKind::Max, self.tensor());
        let (y, index) = self.tensor().max_pool2d_with_indices(options);
        Var::record("max_pool2d", &[self], y, move |dy| vec![Some(dy.max_pool2d_backward(&plan, &index))])
    }

    /// dy put at the places of the largest; its own derivative reads those places.
    #[track_caller]
    fn max_pool2d_backward(&self, plan: &Pool2d, index: &Tensor) -> Var {
        let dx = self.tensor().pool2d_backward(plan, Some(index));
        let (shape, index) = (self.shape().to_vec(), index.clone());
        Var::record("max_pool2d_backward", &[self], dx, move |ddx| {
            let [n, c, h, w] = <[usize; 4]>::try_from(ddx.shape()).expect("four axes");
            let index = index.reshape(&[n, c, INFER]);
            vec![Some(ddx.reshape(&[n, c, h * w]).gather(2, &index).reshape(&shape))]
        })
    }

    /// The mean of each window; with `count_pad` the divisor is the whole window, else the cells inside the image. `dx` spreads dy evenly.
    ///
    /// # Panics
    /// If x does not have four axes, or the window does not fit ([`PoolOptions::plan`]).
    #[track_caller]
    pub fn avg_pool2d(&self, options: &PoolOptions, count_pad: bool) -> Var {
        let plan = options.plan(PoolKind::Average { count_pad }, self.tensor());
        self.average("avg_pool2d", plan, move |x, o| x.avg_pool2d(&o, count_pad), *options)
    }

    /// The means over an even division into `output` cells; `[1, 1]` is global pooling.
    ///
    /// # Panics
    /// If x does not have four axes, or its height, its width or an extent of `output` is 0.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: [usize; 2]) -> Var {
        let plan = adaptive_plan(self.tensor(), output);
        self.average("adaptive_avg_pool2d", plan, move |x, _| x.adaptive_avg_pool2d(output), PoolOptions::new(1, 1, 0))
    }

    #[track_caller]
    fn average(
        &self,
        op: &'static str,
        plan: Pool2d,
        pool: impl Fn(&Var, PoolOptions) -> Var + Copy + 'static,
        options: PoolOptions,
    ) -> Var {
        let y = match plan.kind {
            PoolKind::Average { count_pad } => self.tensor().avg_pool2d(&options, count_pad),
            _ => self.tensor().adaptive_avg_pool2d(plan.output),
        };
        Var::record(op, &[self], y, move |dy| {
            let dx = dy.tensor().pool2d_backward(&plan, None);
            // The pass is linear: its derivative is the pooling itself.
            vec![Some(Var::record("avg_pool2d_backward", &[dy], dx, move |ddx| vec![Some(pool(ddx, options))]))]
        })
    }
}
