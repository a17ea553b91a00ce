//! Eigenvalues of small symmetric matrices, by Jacobi's rotations: what cases of a few dozen parameters need, and no method for larger ones.

const MAX_SWEEPS: usize = 20;

/// Pairs of eigenvalue and unit eigenvector, in no order. The matrix is symmetrised first.
pub fn eigen(matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = matrix.len();
    let mut a = matrix.clone();
    (0..n).for_each(|i| (0..n).for_each(|j| a[i][j] = 0.5 * (matrix[i][j] + matrix[j][i])));
    let mut vectors = vec![vec![0.0; n]; n]; // a row for each eigenvector
    (0..n).for_each(|i| vectors[i][i] = 1.0);
    let scale: f64 = a.iter().flatten().map(|x| x * x).sum();
    let off =
        |a: &[Vec<f64>]| (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum::<f64>();
    // Convergence is quadratic: a handful of sweeps reaches rounding.
    for _ in 0..MAX_SWEEPS {
        if off(&a) <= 1e-30 * scale {
            break;
        }
        (0..n).for_each(|p| (p + 1..n).for_each(|q| rotate(&mut a, &mut vectors, p, q)));
    }
    vectors.into_iter().enumerate().map(|(i, v)| (a[i][i], v)).collect()
}

/// The rotation that makes `a[p][q]` vanish.
fn rotate(a: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let ratio = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = ratio.signum() / (ratio.abs() + (ratio * ratio + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..a.len() {
        (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]);
    }
    for k in 0..a.len() {
        (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
        (vectors[p][k], vectors[q][k]) = (c * vectors[p][k] - s * vectors[q][k], s * vectors[p][k] + c * vectors[q][k]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_satisfy_their_equation() {
        let n = 9;
        let entry = |i: usize, j: usize| ((i * j + i + j) as f64).sin();
        let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
        let pairs = eigen(matrix.clone());
        for (value, v) in &pairs {
            assert!((v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
            for i in 0..n {
                let product: f64 = (0..n).map(|j| matrix[i][j] * v[j]).sum();
                assert!((product - value * v[i]).abs() < 1e-12, "{value}: {product}");
            }
        }
        let trace: f64 = (0..n).map(|i| matrix[i][i]).sum();
        assert!((pairs.iter().map(|p| p.0).sum::<f64>() - trace).abs() < 1e-12);
    }
}
