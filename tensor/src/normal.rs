//! The normal distribution in double precision: what kernels and shaders are measured against, and the coefficients that they share.

const SQRT_2PI: f64 = 2.506_628_274_631_000_5;

/// Φ(x), the standard normal distribution, accurate in both tails.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// φ(x), its density.
pub fn pdf(x: f64) -> f64 {
    (-0.5 * x * x).exp() / SQRT_2PI
}

/// Numerator and denominator of Φ⁻¹ in the middle: coefficients of 0.180625 − (p − 1/2)², constant first.
pub(crate) const CENTRAL: [[f64; 4]; 2] =
    [[3.3871327179, 50.434271938, 159.29113202, 59.109374720], [1.0, 17.895169469, 78.757757664, 67.187563600]];
/// The same for √(−ln tail) up to 5: coefficients of that minus 1.6.
pub(crate) const NEAR: [[f64; 4]; 2] =
    [[1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103], [1.0, 0.73700164250, 0.12021132975, 0.0]];
/// And beyond: of that minus 5.
pub(crate) const FAR: [[f64; 4]; 2] =
    [[6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997], [1.0, 0.24197894225, 0.012258202635, 0.0]];

/// Φ⁻¹(p): the rational approximation PPND7 of M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution"
/// (Applied Statistics 37, 1988), with a relative error of about 1e-7. It needs a logarithm and a square root alone, which every
/// device computes well, so that normal draws agree between devices; it is the definition, not an approximation, of a draw here.
pub fn quantile(p: f64) -> f64 {
    let quotient = |[num, den]: [[f64; 4]; 2], r: f64| {
        let polynomial = |c: [f64; 4]| ((c[3] * r + c[2]) * r + c[1]) * r + c[0];
        polynomial(num) / polynomial(den)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * quotient(CENTRAL, 0.180625 - q * q);
    }
    let r = (-(if q < 0.0 { p } else { 1.0 - p }).ln()).sqrt();
    let x = if r <= 5.0 { quotient(NEAR, r - 1.6) } else { quotient(FAR, r - 5.0) };
    if q < 0.0 { -x } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_inverts_the_distribution() {
        for i in 1..2000 {
            let p = f64::from(i) / 2000.0;
            let x = quantile(p);
            let error = (cdf(x) - p) / pdf(x);
            assert!(error.abs() <= 1.5e-7 * x.abs() + 1e-15, "{p}: {error}");
        }
        let x = quantile(1e-8);
        assert!(((cdf(x) - 1e-8) / pdf(x) / x).abs() < 1.5e-7);
    }
}
