//! Whether numbers are those expected.

/// `|x − e| ≤ absolute + relative |e|`; both 0: the same bits, where −0 equals 0.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Share of the expected value.
    pub relative: f64,
    /// What is allowed at 0.
    pub absolute: f64,
}

impl Tolerance {
    /// NaN matches NaN, an infinity the same infinity.
    fn admits(self, x: f64, e: f64) -> bool {
        x == e
            || x.is_nan() && e.is_nan()
            || e.is_finite() && (x - e).abs() <= self.absolute + self.relative * e.abs() && x.is_finite()
    }
}

/// Compares element by element.
///
/// # Errors
/// The worst element, in words.
pub fn compare(actual: &[f64], expected: &[f64], tolerance: Tolerance) -> Result<(), String> {
    let wrong: Vec<usize> = (0..expected.len()).filter(|&i| !tolerance.admits(actual[i], expected[i])).collect();
    let excess = |i: &usize| {
        let (x, e) = (actual[*i], expected[*i]);
        let allowed = tolerance.absolute + tolerance.relative * e.abs();
        let ratio = (x - e).abs() / allowed.max(f64::MIN_POSITIVE);
        if ratio.is_nan() { f64::INFINITY } else { ratio }
    };
    let Some(&i) = wrong.iter().max_by(|a, b| excess(a).total_cmp(&excess(b))) else { return Ok(()) };
    let Tolerance { relative, absolute } = tolerance;
    Err(format!(
        "{} of {} elements are off, the worst at {i}: {:e}, expected {:e} (rtol {relative:e}, atol {absolute:e})",
        wrong.len(),
        expected.len(),
        actual[i],
        expected[i],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Tolerance = Tolerance { relative: 0.0, absolute: 0.0 };

    #[test]
    fn equal_bits_are_asked_of_data_movement_but_for_the_sign_of_zero() {
        assert!(compare(&[1.0, -0.0], &[1.0, 0.0], EXACT).is_ok());
        assert!(compare(&[1.0 + f64::EPSILON], &[1.0], EXACT).is_err());
    }

    #[test]
    fn only_like_matches_like_among_values_that_are_not_finite() {
        let loose = Tolerance { relative: 1.0, absolute: f64::MAX };
        assert!(compare(&[f64::NAN, f64::INFINITY], &[f64::NAN, f64::INFINITY], EXACT).is_ok());
        for (x, e) in [
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
            (f64::NEG_INFINITY, f64::INFINITY),
            (1.0, f64::INFINITY),
            (f64::INFINITY, 1.0),
        ] {
            assert!(compare(&[x], &[e], loose).is_err(), "{x} for {e}");
        }
    }

    #[test]
    fn the_bound_is_the_readmes() {
        let t = Tolerance { relative: 0.1, absolute: 0.5 };
        assert!(compare(&[11.5], &[10.0], t).is_ok());
        let why = compare(&[10.0, 11.6], &[10.0, 10.0], t).unwrap_err();
        assert!(why.starts_with("1 of 2 elements are off, the worst at 1"), "{why}");
    }
}
