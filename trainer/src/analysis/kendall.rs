//! Kendall's rank correlation with its significance (specification, section 8.4).

use lethe_tensor::random::{Draw, Philox};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest number of pairs for which all permutations are enumerated, if there are ties.
const MAX_ENUMERATED: usize = 8;
/// The number of random permutations for more pairs.
const DRAWS: u32 = 10_000;

/// The rank correlation of two rankings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kendall {
    /// S: the number of concordant minus that of discordant pairs.
    pub score: i64,
    /// τ-a: S divided by the number of pairs.
    pub tau_a: f64,
    /// τ-b: `S / √((P − Tx)(P − Ty))` with P all pairs, Tx and Ty those tied in x and y; `None` if all of x or all of y are equal.
    pub tau_b: Option<f64>,
}

/// The probability of a |τ| at least as large if x and y were independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Significance {
    /// The two-sided p-value.
    pub p: f64,
    /// How it was computed.
    pub method: Method,
}

/// How a significance is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Without ties: the distribution of the number of inversions of a random permutation.
    Exact,
    /// With ties among few pairs: all permutations.
    Enumerated,
    /// With ties among more: `(b + 1) / (B + 1)`, where b of B = 10,000 random permutations are at least as extreme.
    Permuted,
}

/// The correlation of pairs of numbers; `None` for fewer than two, or with a NaN among them.
///
/// # Panics
/// If x and y differ in length.
#[track_caller]
pub fn kendall(x: &[f64], y: &[f64]) -> Option<Kendall> {
    assert!(x.len() == y.len(), "Kendall: {} numbers beside {}", x.len(), y.len());
    if x.len() < 2 || x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let (score, scale) = (score(x, y), scale(x, y));
    let pairs = (x.len() * (x.len() - 1) / 2) as f64;
    Some(Kendall { score, tau_a: score as f64 / pairs, tau_b: (scale > 0.0).then(|| score as f64 / scale) })
}

/// The significance of that correlation: exact without ties; with them, over all permutations of y for up to 8 pairs, over 10,000 drawn with `seed`
/// for more. `None` as in [`kendall`].
///
/// # Panics
/// If x and y differ in length.
#[track_caller]
pub fn significance(x: &[f64], y: &[f64], seed: u64) -> Option<Significance> {
    let observed = kendall(x, y)?.score.unsigned_abs();
    // The denominator of τ-b is the same for every permutation, so scores compare as τ does.
    let extreme = |y: &[f64]| score(x, y).unsigned_abs() >= observed;
    let mut y = y.to_vec();
    Some(if ties(x) == 0 && ties(&y) == 0 {
        Significance { p: exact(x.len(), observed), method: Method::Exact }
    } else if x.len() <= MAX_ENUMERATED {
        let (mut all, mut hits) = (0u32, 0u32);
        permutations(&mut y, x.len(), &mut |y| {
            all += 1;
            hits += u32::from(extreme(y));
        });
        Significance { p: f64::from(hits) / f64::from(all), method: Method::Enumerated }
    } else {
        permuted(seed, |random| {
            random.shuffle(&mut y);
            extreme(&y)
        })
    })
}

/// The correlation within groups, if groups differ for other reasons too: τ-b with concordant and discordant pairs within groups only,
/// `Σ S / Σ √((P − Tx)(P − Ty))` over the groups, and its significance among 10,000 random permutations of y within the groups, drawn with
/// `seed`. `None` if no group has two numbers that differ in x and in y, or if there is a NaN.
///
/// # Panics
/// If x, y and the groups differ in length.
#[track_caller]
pub fn kendall_within(x: &[f64], y: &[f64], group: &[u64], seed: u64) -> Option<(f64, Significance)> {
    assert!(x.len() == y.len() && x.len() == group.len(), "Kendall: {}, {}, {}", x.len(), y.len(), group.len());
    if x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let mut groups: BTreeMap<u64, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for ((x, y), group) in x.iter().zip(y).zip(group) {
        let (xs, ys) = groups.entry(*group).or_default();
        xs.push(*x);
        ys.push(*y);
    }
    let scale: f64 = groups.values().map(|(x, y)| scale(x, y)).sum();
    if scale <= 0.0 {
        return None;
    }
    let all = |groups: &BTreeMap<u64, (Vec<f64>, Vec<f64>)>| groups.values().map(|(x, y)| score(x, y)).sum::<i64>();
    let observed = all(&groups);
    let significance = permuted(seed, |random| {
        groups.values_mut().for_each(|(_, y)| random.shuffle(y));
        all(&groups).unsigned_abs() >= observed.unsigned_abs()
    });
    Some((observed as f64 / scale, significance))
}

/// The fraction of random permutations that are extreme: `(b + 1) / (B + 1)`.
fn permuted(seed: u64, mut is_extreme: impl FnMut(&mut Philox) -> bool) -> Significance {
    let mut random = Philox::new(Draw::new(seed, [0; 3]));
    let hits: u32 = (0..DRAWS).map(|_| u32::from(is_extreme(&mut random))).sum();
    Significance { p: f64::from(hits + 1) / f64::from(DRAWS + 1), method: Method::Permuted }
}

/// The denominator of τ-b.
fn scale(x: &[f64], y: &[f64]) -> f64 {
    let pairs = (x.len() * x.len().saturating_sub(1) / 2) as f64;
    let untied = |v| pairs - ties(v) as f64;
    (untied(x) * untied(y)).sqrt()
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
}

fn score(x: &[f64], y: &[f64]) -> i64 {
    let sign = |a: f64, b: f64| i64::from(a > b) - i64::from(a < b);
    pairs(x.len()).map(|(i, j)| sign(x[i], x[j]) * sign(y[i], y[j])).sum()
}

/// The number of pairs of equal numbers.
fn ties(v: &[f64]) -> usize {
    pairs(v.len()).filter(|(i, j)| v[*i] == v[*j]).count()
}

/// P(|S| ≥ observed) for a random permutation of n elements: S = n(n − 1)/2 − 2 · inversions.
fn exact(n: usize, observed: u64) -> f64 {
    // The distribution of the number of inversions: element k + 1 is inverted with 0 to k of those before it, with equal probability.
    let mut distribution = vec![1.0];
    for k in 1..n {
        let mut next = vec![0.0; distribution.len() + k];
        for (i, p) in distribution.iter().enumerate() {
            next[i..=i + k].iter_mut().for_each(|sum| *sum += p / (k + 1) as f64);
        }
        distribution = next;
    }
    let most = distribution.len() as i64 - 1;
    let extreme = |i: usize| (most - 2 * i as i64).unsigned_abs() >= observed;
    let p: f64 = distribution.iter().enumerate().filter(|(i, _)| extreme(*i)).map(|(_, p)| p).sum();
    p.min(1.0)
}

/// Visits every order of the first `n` values once (Heap's method).
fn permutations(values: &mut [f64], n: usize, visit: &mut impl FnMut(&[f64])) {
    if n <= 1 {
        return visit(values);
    }
    for i in 0..n {
        permutations(values, n - 1, visit);
        values.swap(if n.is_multiple_of(2) { i } else { 0 }, n - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A permutation of 0..n with this number of inversions.
    fn with_inversions(n: usize, mut inversions: usize) -> Vec<f64> {
        let mut order: Vec<f64> = Vec::new();
        for k in 0..n {
            let inverted = inversions.min(k);
            order.insert(k - inverted, k as f64);
            inversions -= inverted;
        }
        order
    }

    fn p(inversions: usize, n: usize) -> f64 {
        let x: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let y = with_inversions(n, inversions);
        let pairs = (n * (n - 1) / 2) as i64;
        assert_eq!(kendall(&x, &y).unwrap().score, pairs - 2 * inversions as i64);
        let s = significance(&x, &y, 0).unwrap();
        assert_eq!(s.method, Method::Exact);
        s.p
    }

    #[test]
    fn exact_probabilities_are_the_golden_ones() {
        assert!((p(11, 10) - 0.0466).abs() < 5e-5, "τ = 23/45: {}", p(11, 10));
        assert!((p(12, 10) - 0.0726).abs() < 5e-5, "τ = 21/45: {}", p(12, 10));
        assert!((p(34, 10) - p(11, 10)).abs() < 1e-15, "two-sided");
        assert!((p(0, 4) - 2.0 / 24.0).abs() < 1e-15 && (p(0, 5) - 2.0 / 120.0).abs() < 1e-15);
        assert!((p(3, 4) - 1.0).abs() < 1e-12, "τ = 0");
    }

    #[test]
    fn ties_lessen_what_is_divided_by() {
        let k = kendall(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 3.0]).unwrap();
        assert_eq!((k.score, k.tau_a, k.tau_b), (4, 4.0 / 6.0, Some(0.8)));
        assert_eq!(kendall(&[1.0, 1.0], &[1.0, 2.0]).unwrap().tau_b, None);
        assert_eq!(kendall(&[1.0], &[1.0]), None);
        assert_eq!(kendall(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    #[test]
    fn groups_are_not_compared_with_each_other() {
        let x: Vec<f64> = (0..14).map(f64::from).collect();
        // y falls within each group of seven, and rises from the first to the second.
        let y: Vec<f64> = x.iter().map(|x| if *x < 7.0 { -x } else { 100.0 - x }).collect();
        let group: Vec<u64> = x.iter().map(|x| u64::from(*x >= 7.0)).collect();
        let (tau, s) = kendall_within(&x, &y, &group, 0).unwrap();
        assert_eq!(tau, -1.0);
        assert!(s.p < 1e-3, "{s:?}");
        assert!(kendall(&x, &y).unwrap().tau_b.unwrap() > 0.0, "all together go the other way");
        let one = vec![5; 14];
        let (tau, s) = kendall_within(&x, &y, &one, 0).unwrap();
        assert_eq!(Some(tau), kendall(&x, &y).unwrap().tau_b);
        assert!((s.p - significance(&x, &y, 0).unwrap().p).abs() < 0.02, "{s:?}");
        assert_eq!(kendall_within(&x, &y, &(0..14).collect::<Vec<_>>(), 0), None, "no pair");
    }

    #[test]
    fn all_permutations_are_visited_once() {
        let mut seen = std::collections::BTreeSet::new();
        permutations(&mut [0.0, 1.0, 2.0, 3.0, 4.0], 5, &mut |v| {
            assert!(seen.insert(v.iter().map(|v| *v as u8).collect::<Vec<_>>()), "{v:?} twice");
        });
        assert_eq!(seen.len(), 120);
    }

    #[test]
    fn enumeration_counts_by_hand() {
        // Two of four are equal: 12 orders of y, 2 of them as extreme as |S| = 5.
        let s = significance(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 3.0], 0).unwrap();
        assert_eq!((s.method, s.p), (Method::Enumerated, 2.0 / 12.0));
    }

    #[test]
    fn permuted_probabilities_are_near_the_exact_ones_and_repeat() {
        // One tie among twelve changes little; without it the exact distribution applies.
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        let y = with_inversions(12, 16);
        let mut tied = y.clone();
        tied[0] = tied[1];
        let (exact, permuted) = (significance(&x, &y, 0).unwrap(), significance(&x, &tied, 7).unwrap());
        assert_eq!(permuted.method, Method::Permuted);
        assert!((exact.p - permuted.p).abs() < 0.02, "{exact:?} {permuted:?}");
        assert_eq!(significance(&x, &tied, 7), Some(permuted));
        let perfect = [&x[..11], &[10.0]].concat();
        assert_eq!(significance(&perfect, &perfect, 0).unwrap().p, 1.0 / 10_001.0);
    }
}
