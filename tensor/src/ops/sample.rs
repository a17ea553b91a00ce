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
    /// If the weights are not floats, have no axis or no category, or without replacement more are asked for than there are categories. A row
    /// of weights that are negative, NaN or all 0 gives no meaningful draws; looking would mean to wait for the device.
    #[track_caller]
    pub fn multinomial(&self, samples: usize, replacement: bool, draw: Draw) -> Tensor {
        self.float("multinomial");
        let Some((&n, rows)) = self.shape().split_last() else {
            panic!("multinomial: weights need an axis of categories, these have shape []")
        };
        assert!(n > 0, "multinomial: {:?} has no category to draw", self.shape());
        let dtype = self.computed_type();
        if !replacement {
            assert!(samples <= n, "multinomial: {samples} of {n} categories cannot be drawn without replacement");
            let clocks = Tensor::uniform(self.device(), dtype, self.shape(), draw).log().neg().div(self);
            return clocks.argsort(-1, false).slice(-1, 0, samples);
        }
        let shape: Vec<usize> = rows.iter().copied().chain([samples, 1]).collect();
        let cumulated = self.cumsum(-1, false).unsqueeze(-2);
        let total = cumulated.slice(-1, n - 1, n);
        let at = Tensor::uniform(self.device(), dtype, &shape, draw).mul(&total);
        // The category is the number of sums that lie at or below the point; the last sum itself lies above every point but for rounding.
        let one = |x: f64| Tensor::full(self.device(), dtype, &[], x);
        let below = cumulated.slice(-1, 0, n - 1).le(&at).where_(&one(1.0), &one(0.0));
        below.sum_axes(&[-1], false).to_dtype(DType::U32)
    }
}
