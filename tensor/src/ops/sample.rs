//! Drawing from given probabilities.

use crate::dtype::DType;
use crate::random::Draw;
use crate::tensor::Tensor;

impl Tensor {
    /// `samples` draws (`U32`, (…, samples)) from each row of weights (…, n): category i with probability wᵢ / Σw, a function of `draw` and
    /// the position alone. Without `replacement` no category comes twice, and each is drawn in proportion to what is left: the order in which
    /// independent exponential clocks of these rates ring.
    ///
    /// ```
    /// use lethe_tensor::{Device, Tensor, random::Draw};
    /// let weights = Tensor::new(&Device::cpu(), [0.0, 3.0, 1.0]);
    /// let drawn = weights.multinomial(1000, true, Draw::new(1, [0; 3])).to_vec::<u32>()?;
    /// let ones = drawn.iter().filter(|c| **c == 1).count();
    /// assert!((700..800).contains(&ones) && !drawn.contains(&0));
    /// # Ok::<(), lethe_tensor::DeviceError>(())
    /// ```
    ///
    /// # Panics
    /// If the weights are not floats, have no axis or no category, or more than 2²⁴ to count in `F32`, or without replacement more are asked
    /// for than there are categories. On the CPU also if a row has too few weights above 0 (without replacement as many as are asked for), or
    /// their sum is no number; on a GPU, where looking would mean to wait for it, `u32::MAX` is drawn where there is no category to draw. A row
    /// in which only some weights are negative or NaN gives no meaningful draws.
    #[track_caller]
    pub fn multinomial(&self, samples: usize, replacement: bool, draw: Draw) -> Tensor {
        self.check_float("multinomial");
        let Some((&n, rows)) = self.shape().split_last() else {
            panic!("multinomial: weights need an axis of categories, these have shape []")
        };
        assert!(n > 0, "multinomial: {:?} has no category to draw", self.shape());
        let dtype = self.computed_type();
        let none = Tensor::full(self.device(), DType::U32, &[], f64::from(u32::MAX));
        if !replacement {
            assert!(samples <= n, "multinomial: {samples} of {n} categories cannot be drawn without replacement");
            self.check_positive(samples);
            let clocks = Tensor::uniform(self.device(), dtype, self.shape(), draw).log().neg().div(self);
            let drawn = clocks.argsort(-1, false).slice(-1, 0, samples);
            // The clock of a weight of 0 never rings.
            return self.gather(-1, &drawn).gt_scalar(0.0).where_(&drawn, &none);
        }
        // Counted in this type below.
        assert!(dtype == DType::F64 || n <= 1 << 24, "multinomial: {n} categories are more than {dtype} counts, 2²⁴");
        self.check_positive(samples.min(1));
        let shape: Vec<usize> = rows.iter().copied().chain([samples, 1]).collect();
        let cumulated = self.cumsum(-1, false).unsqueeze(-2);
        let total = cumulated.slice(-1, n - 1, n);
        let at = Tensor::uniform(self.device(), dtype, &shape, draw).mul(&total);
        // The category is the number of sums that lie at or below the point; the last sum itself lies above every point but for rounding.
        let one = |x: f64| Tensor::full(self.device(), dtype, &[], x);
        let below = cumulated.slice(-1, 0, n - 1).le(&at).where_(&one(1.0), &one(0.0));
        let drawn = below.sum_axes(&[-1], false).to_dtype(DType::U32);
        let total = total.squeeze(-1);
        total.gt_scalar(0.0).mul(&total.lt_scalar(f64::INFINITY)).where_(&drawn, &none)
    }

    /// On the CPU, whether each row of these weights has so many above 0, and a finite sum.
    #[track_caller]
    fn check_positive(&self, least: usize) {
        if !self.device().is_cpu() || self.numel() == 0 || least == 0 {
            return;
        }
        let number = |x: f64| self.scalar_like(x);
        let counts = self.gt_scalar(0.0).where_(&number(1.0), &number(0.0)).sum_axes(&[-1], false);
        let host = |t: Tensor| t.to_dtype(DType::F64).to_vec::<f64>().expect("the CPU does not fail");
        for (row, (count, sum)) in host(counts).into_iter().zip(host(self.sum_axes(&[-1], false))).enumerate() {
            assert!(sum.is_finite(), "multinomial: the weights of row {row} have the sum {sum}");
            assert!(
                count >= least as f64,
                "multinomial: row {row} has {count} categories of a weight above 0, too few for {least} different draws"
            );
        }
    }
}
