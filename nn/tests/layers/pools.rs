//! Pooling layers.

use crate::harness::{Subject, input};
use crate::reference::windows;
use lethe_nn::layers::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d,
};
use lethe_nn::{Layer, Pass};
use lethe_tensor::PoolOptions;

fn max(cells: &[Option<f64>]) -> f64 {
    cells.iter().flatten().fold(f64::NEG_INFINITY, |a, x| a.max(*x))
}

fn mean(cells: &[Option<f64>]) -> f64 {
    cells.iter().flatten().sum::<f64>() / cells.iter().flatten().count() as f64
}

fn mean_with_padding(cells: &[Option<f64>]) -> f64 {
    cells.iter().flatten().sum::<f64>() / cells.len() as f64
}

#[track_caller]
fn check(layer: impl Layer, x: &[usize], y: &[usize], expected: impl Fn(&[f64]) -> Vec<f64>) {
    let (x, numbers) = input(x, 1);
    Subject::new(|_| layer).check(Pass::train(0, 0, 0), &[&x], |l, f, x| l.forward(f, &x[0]), (expected(&numbers), y));
}

#[test]
fn windows_of_one_axis() {
    let (at, side) = ([1, 1, 9], [[1, 1, 3]; 2]);
    check(MaxPool1d::new(3), &[2, 3, 9], &[2, 3, 3], |x| windows(x, at, [side[0], side[1], [0; 3]], max));
    let padded = [[1, 1, 3], [1, 1, 2], [0, 0, 1]];
    let options = PoolOptions::new(3, 2, 1);
    check(MaxPool1d::with(options), &[2, 3, 9], &[2, 3, 5], |x| windows(x, at, padded, max));
    check(AvgPool1d::with(options), &[2, 3, 9], &[2, 3, 5], |x| windows(x, at, padded, mean_with_padding));
    let without = AvgPool1d::with(options).without_padding();
    check(without, &[2, 3, 9], &[2, 3, 5], |x| windows(x, at, padded, mean));
}

#[test]
fn windows_of_two_axes() {
    let (at, side) = ([1, 6, 5], [[1, 2, 2]; 2]);
    check(MaxPool2d::new(2), &[2, 2, 6, 5], &[2, 2, 3, 2], |x| windows(x, at, [side[0], side[1], [0; 3]], max));
    check(AvgPool2d::new(2), &[2, 2, 6, 5], &[2, 2, 3, 2], |x| windows(x, at, [side[0], side[1], [0; 3]], mean));
    let padded = [[1, 3, 3], [1, 2, 2], [0, 1, 1]];
    let layer = AvgPool2d::with(PoolOptions::new(3, 2, 1));
    check(layer.clone(), &[1, 2, 6, 5], &[1, 2, 3, 3], |x| windows(x, at, padded, mean_with_padding));
    check(layer.without_padding(), &[1, 2, 6, 5], &[1, 2, 3, 3], |x| windows(x, at, padded, mean));
}

#[test]
fn windows_of_three_axes() {
    let at = [4, 5, 2];
    let twos = [[2; 3], [2; 3], [0; 3]];
    check(MaxPool3d::new(2), &[1, 2, 4, 5, 2], &[1, 2, 2, 2, 1], |x| windows(x, at, twos, max));
    check(AvgPool3d::new(2), &[1, 2, 4, 5, 2], &[1, 2, 2, 2, 1], |x| windows(x, at, twos, mean));
}

/// An even division: cell j of each axis covers ⌊j n / cells⌋ to ⌈(j + 1) n / cells⌉.
fn divided(x: &[f64], [d, h, w]: [usize; 3], cells: [usize; 3], value: fn(&[Option<f64>]) -> f64) -> Vec<f64> {
    let range = |j: usize, n: usize, of: usize| j * n / of..((j + 1) * n).div_ceil(of);
    let mut all = vec![];
    for plane in x.chunks(d * h * w) {
        for [i, j, k] in crate::reference::every(cells) {
            let mut own = vec![];
            for a in range(i, d, cells[0]) {
                for b in range(j, h, cells[1]) {
                    own.extend(range(k, w, cells[2]).map(|e| Some(plane[(a * h + b) * w + e])));
                }
            }
            all.push(value(&own));
        }
    }
    all
}

#[test]
fn even_divisions() {
    let one = |f| move |x: &[f64]| divided(x, [1, 1, 7], [1, 1, 3], f);
    check(AdaptiveAvgPool1d::new([3]), &[2, 2, 7], &[2, 2, 3], one(mean));
    check(AdaptiveMaxPool1d::new([3]), &[2, 2, 7], &[2, 2, 3], one(max));
    let two = |f| move |x: &[f64]| divided(x, [1, 5, 4], [1, 2, 3], f);
    check(AdaptiveAvgPool2d::new([2, 3]), &[2, 2, 5, 4], &[2, 2, 2, 3], two(mean));
    check(AdaptiveMaxPool2d::new([2, 3]), &[2, 2, 5, 4], &[2, 2, 2, 3], two(max));
    let three = |f| move |x: &[f64]| divided(x, [3, 4, 2], [2, 2, 1], f);
    check(AdaptiveAvgPool3d::new([2, 2, 1]), &[1, 2, 3, 4, 2], &[1, 2, 2, 2, 1], three(mean));
    check(AdaptiveMaxPool3d::new([2, 2, 1]), &[1, 2, 3, 4, 2], &[1, 2, 2, 2, 1], three(max));
}
