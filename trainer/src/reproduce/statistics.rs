//! Means over seeds with their confidence intervals.

/// A mean over some runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The number of runs.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// The sample standard deviation (n − 1); NaN for a single run.
    pub sd: f64,
}

/// The mean of some numbers; NaN without any.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_964;
/// The 97.5 % points of Student's t by degrees of freedom, from 1 to 30.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

impl Summary {
    /// The summary of these values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let n = values.len();
        let mean = mean(values);
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let sd = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { f64::NAN };
        (n > 0).then_some(Summary { n, mean, sd })
    }

    /// Half the width of the 95 % confidence interval of the mean, by Student's t; NaN for a single value.
    pub fn half_width(&self) -> f64 {
        let t = self.n.checked_sub(2).map_or(f64::NAN, |i| T.get(i).copied().unwrap_or_else(|| large(i as f64 + 1.0)));
        t * self.sd / (self.n as f64).sqrt()
    }
}

/// The 97.5 % point of Student's t with many degrees of freedom: the first terms of its expansion about the normal one (Cornish and Fisher).
fn large(freedom: f64) -> f64 {
    Z + (Z.powi(3) + Z) / (4.0 * freedom) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * freedom.powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_table_goes_on_where_it_ends() {
        for (freedom, t) in [(30.0, 2.0423), (40.0, 2.0211), (120.0, 1.9799), (1e9, Z)] {
            assert!((large(freedom) - t).abs() < 2e-4, "{freedom}: {}", large(freedom));
        }
        let widths = [30, 31, 32, 33].map(|n| Summary { n, mean: 0.0, sd: 1.0 }.half_width());
        assert!(widths.windows(2).all(|w| w[1] < w[0]), "{widths:?}");
    }

    #[test]
    fn means_have_their_intervals() {
        let s = Summary::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((s.n, s.mean, s.sd), (3, 2.0, 1.0));
        assert!((s.half_width() - 4.303 / 3f64.sqrt()).abs() < 1e-12);
        let one = Summary::of(&[5.0]).unwrap();
        assert!(one.mean == 5.0 && one.sd.is_nan() && one.half_width().is_nan());
        assert_eq!(Summary::of(&[]), None);
    }
}
