//! Resizing image batches (n, c, h, w): separable, an axis at a time.

use crate::graph::Var;
use lethe_tensor::collected;

impl Var {
    /// Each pixel of the result is the one of the input at ⌊i · in/out⌋.
    ///
    /// # Panics
    /// If x does not have four axes, or its height, its width or an extent of `size` is 0.
    #[track_caller]
    pub fn interpolate_nearest(&self, size: [usize; 2]) -> Var {
        self.check_sizes("interpolate_nearest", size);
        let mut x = self.clone();
        for (axis, to) in (2..).zip(size) {
            let n = self.shape()[axis];
            if n != to {
                let place = |j: usize| (j as u128 * n as u128 / to as u128) as usize;
                x = x.read_along("interpolate_nearest", axis as isize, to, place);
            }
        }
        x
    }

    /// Each pixel of the result lies between four of the input. Centres of pixels are matched, (i + ½) · in/out − ½, or with
    /// `align_corners` the outermost centres, i · (in − 1)/(out − 1).
    ///
    /// # Panics
    /// If x does not have four axes, or its height, its width or an extent of `size` is 0.
    #[track_caller]
    pub fn interpolate_bilinear(&self, size: [usize; 2], align_corners: bool) -> Var {
        self.check_sizes("interpolate_bilinear", size);
        let mut x = self.clone();
        for (axis, to) in (2..).zip(size) {
            if self.shape()[axis] != to {
                x = x.lerp_along(axis, to, align_corners);
            }
        }
        x
    }

    /// `to` elements of an axis, each between two neighbours.
    #[track_caller]
    fn lerp_along(&self, at: usize, to: usize, align_corners: bool) -> Var {
        let n = self.shape()[at];
        let source = |i: usize| match align_corners {
            true if to == 1 => 0.0,
            true => i as f64 * (n - 1) as f64 / (to - 1) as f64,
            false => ((i as f64 + 0.5) * n as f64 / to as f64 - 0.5).max(0.0),
        };
        let low = |i: usize| (source(i) as usize).min(n - 1);
        let op = "interpolate_bilinear";
        let weights = collected(op, to, (0..to).map(|i| source(i) - low(i) as f64));
        let mut shape = vec![1; self.rank()];
        shape[at] = to;
        let constant = |numbers: &[f64]| Var::constant(&self.tensor().constant_like(numbers, &shape));
        let (near, far) = (constant(&collected(op, to, weights.iter().map(|w| 1.0 - w))), constant(&weights));
        let dim = at as isize;
        let a = self.read_along(op, dim, to, low);
        let b = self.read_along(op, dim, to, |i| (low(i) + 1).min(n - 1));
        // Not a + (b − a) w, which is NaN or infinite for infinite or very large pixels; a neighbour of weight 0 is not used at all.
        let between = Var::constant(&far.tensor().gt_scalar(0.0));
        between.where_(&(&(&a * &near) + &(&b * &far)), &a)
    }

    #[track_caller]
    fn check_sizes(&self, op: &str, size: [usize; 2]) {
        let s = self.shape();
        assert!(s.len() == 4, "{op}: x {s:?} needs four axes (NCHW)");
        assert!(s[2] > 0 && s[3] > 0 && size[0] > 0 && size[1] > 0, "{op}: from {:?} to {size:?} pixels", &s[2..]);
        self.device().check_room(op, self.tensor().computed_type(), &[s[0], s[1], size[0], size[1]]);
    }
}
