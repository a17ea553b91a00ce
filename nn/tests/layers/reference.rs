//! What layers compute, in plain loops over doubles.

/// x Wᵀ + b over rows of `inputs` numbers.
pub fn linear(x: &[f64], w: &[f64], b: &[f64], inputs: usize) -> Vec<f64> {
    let unit = |row: &[f64], o: usize| row.iter().zip(&w[o * inputs..]).map(|(x, w)| x * w).sum::<f64>();
    let outputs = w.len() / inputs;
    x.chunks(inputs)
        .flat_map(|row| (0..outputs).map(|o| unit(row, o) + b.get(o).unwrap_or(&0.0)).collect::<Vec<_>>())
        .collect()
}

/// (x − mean) / √(var + eps) of each run of `n` numbers.
pub fn standardise(x: &[f64], n: usize, eps: f64) -> Vec<f64> {
    let one = |run: &[f64]| {
        let mean = run.iter().sum::<f64>() / n as f64;
        let var = run.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        run.iter().map(|x| (x - mean) / (var + eps).sqrt()).collect::<Vec<f64>>()
    };
    x.chunks(n).flat_map(one).collect()
}

/// x · w + b, one of each a channel, of (n, c, area).
pub fn per_channel(x: &[f64], w: &[f64], b: &[f64], area: usize) -> Vec<f64> {
    x.iter().enumerate().map(|(i, x)| x * w[i / area % w.len()] + b[i / area % w.len()]).collect()
}

pub fn layer_norm(x: &[f64], w: &[f64], b: &[f64], eps: f64) -> Vec<f64> {
    per_channel(&standardise(x, w.len(), eps), w, b, 1)
}

pub fn gelu(x: f64) -> f64 {
    x * normal_cdf(x)
}

/// Φ(x), by Simpson's rule over the density.
fn normal_cdf(x: f64) -> f64 {
    let (n, density) = (2000, |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt());
    let h = x / n as f64;
    let inner = (1..n).map(|i| density(i as f64 * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum::<f64>();
    0.5 + h / 3.0 * (density(0.0) + inner + density(x))
}

/// Multi-head attention of (n, queries, width) to (n, keys, width), already projected; `sees(sample, query, key)`.
pub fn attention(
    [q, k, v]: [&[f64]; 3],
    [n, queries, keys]: [usize; 3],
    [width, heads]: [usize; 2],
    sees: &dyn Fn(usize, usize, usize) -> bool,
) -> Vec<f64> {
    let dim = width / heads;
    let mut out = vec![0.0; n * queries * width];
    for (s, i, h) in (0..n * queries * heads).map(|at| (at / heads / queries, at / heads % queries, at % heads)) {
        let part = |x: &[f64], row: usize, e: usize| x[row * width + h * dim + e];
        let score = |j: usize| {
            (0..dim).map(|e| part(q, s * queries + i, e) * part(k, s * keys + j, e)).sum::<f64>() / (dim as f64).sqrt()
        };
        let seen: Vec<usize> = (0..keys).filter(|j| sees(s, i, *j)).collect();
        let weights: Vec<f64> = seen.iter().map(|j| score(*j).exp()).collect();
        let total: f64 = weights.iter().sum();
        for e in 0..dim {
            let sum = seen.iter().zip(&weights).map(|(j, w)| w * part(v, s * keys + j, e)).sum::<f64>();
            out[(s * queries + i) * width + h * dim + e] = if seen.is_empty() { 0.0 } else { sum / total };
        }
    }
    out
}

/// What windows over (planes, d, h, w) give: for each window of each plane, `value` of its elements (`None` in the padding).
pub fn windows(
    x: &[f64],
    [d, h, w]: [usize; 3],
    [kernel, stride, padding]: [[usize; 3]; 3],
    value: impl Fn(&[Option<f64>]) -> f64,
) -> Vec<f64> {
    let out = |n: usize, i: usize| (n + 2 * padding[i] - kernel[i]) / stride[i] + 1;
    let mut all = vec![];
    for plane in x.chunks(d * h * w) {
        for at in every([out(d, 0), out(h, 1), out(w, 2)]) {
            let cell = |tap: [usize; 3]| {
                let place =
                    |i: usize, n: usize| (at[i] * stride[i] + tap[i]).checked_sub(padding[i]).filter(|p| *p < n);
                Some(plane[(place(0, d)? * h + place(1, h)?) * w + place(2, w)?])
            };
            all.push(value(&every(kernel).map(cell).collect::<Vec<_>>()));
        }
    }
    all
}

/// All indices below three extents, row-major.
pub fn every([a, b, c]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..a * b * c).map(move |i| [i / (b * c), i / c % b, i % c])
}
