//! Sorting and drawing by weight, on every device.

use lethe_tensor::random::Draw;
use lethe_tensor::{Device, Tensor};

/// A stable order with NaN last, by the standard library.
fn expected(row: &[f32], descending: bool) -> Vec<u32> {
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    let key = |i: u32| row[i as usize];
    order.sort_by(|a, b| match (key(*a).is_nan(), key(*b).is_nan()) {
        (false, false) if descending => key(*b).partial_cmp(&key(*a)).unwrap(),
        (false, false) => key(*a).partial_cmp(&key(*b)).unwrap(),
        (a, b) => a.cmp(&b),
    });
    order
}

#[test]
fn the_order_is_stable_and_nan_comes_last() {
    for device in Device::all_for_tests() {
        for n in [1, 2, 3, 7, 8, 100, 257] {
            let noise = Draw::new(n as u64, [1, 2, 3]);
            // Few different values, so that many are equal; signed zeros, infinities and NaN among them.
            let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.5, -1.5, 3e-39];
            let rows: Vec<f32> = (0..3 * n).map(|i| special[noise.bits(i) as usize % special.len()]).collect();
            let x = Tensor::from_slice(&device, &rows, &[3, n]);
            for descending in [false, true] {
                let (values, order) = x.sort(-1, descending);
                let (values, order) = (values.to_vec::<f32>().unwrap(), order.to_vec::<u32>().unwrap());
                for (r, row) in rows.chunks(n).enumerate() {
                    // A device may take the smallest numbers, which are subnormal, for 0.
                    let flushed: Vec<f32> = row.iter().map(|x| if x.is_subnormal() { 0.0 } else { *x }).collect();
                    let found = &order[r * n..(r + 1) * n];
                    assert!(
                        found == expected(row, descending) || found == expected(&flushed, descending),
                        "{device:?} {descending} {row:?}: {found:?}"
                    );
                    for (v, i) in values[r * n..].iter().zip(found) {
                        let own = row[*i as usize];
                        assert!(*v == own || v.is_nan() && own.is_nan() || own.is_subnormal() && *v == 0.0);
                    }
                }
            }
        }
    }
}

#[test]
fn any_axis_and_integers_are_sorted() {
    for device in Device::all_for_tests() {
        let x = Tensor::new(&device, [[3, -1, i32::MAX], [-7, 5, i32::MIN], [0, 5, 2]]);
        let up = x.argsort(0, false).to_vec::<u32>().unwrap();
        assert_eq!(up, [1, 0, 1, 2, 1, 2, 0, 2, 0], "{device:?}");
        let down = x.argsort(-1, true).to_vec::<u32>().unwrap();
        assert_eq!(down, [2, 0, 1, 1, 0, 2, 1, 2, 0], "{device:?}");
        let words = Tensor::new(&device, [u32::MAX, 0, 1 << 31, 0]);
        assert_eq!(words.argsort(0, false).to_vec::<u32>().unwrap(), [1, 3, 2, 0]);
        assert_eq!(words.argsort(0, true).to_vec::<u32>().unwrap(), [0, 2, 1, 3]);
        assert_eq!(Tensor::zeros(&device, lethe_tensor::DType::F32, &[2, 0]).argsort(1, false).shape(), [2, 0]);
    }
}

#[test]
fn draws_follow_the_weights() {
    for device in Device::all_for_tests() {
        let weights = Tensor::new(&device, [[1.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 0.0]]);
        let drawn = weights.multinomial(4000, true, Draw::new(3, [0; 3])).to_vec::<u32>().unwrap();
        let count = |c: u32| drawn[..4000].iter().filter(|d| **d == c).count();
        for (c, share) in [(0, 0.125), (2, 0.375), (3, 0.5)] {
            let (found, expected) = (count(c) as f64, 4000.0 * share);
            assert!((found - expected).abs() < 5.0 * (expected * (1.0 - share)).sqrt(), "{device:?} {c}: {found}");
        }
        assert!(count(1) == 0 && drawn[4000..].iter().all(|d| *d == 1), "{device:?}");
    }
}

#[test]
fn without_replacement_every_category_comes_once_and_heavy_ones_first() {
    for device in Device::all_for_tests() {
        let rows = 2000;
        let weights = Tensor::new(&device, [1.0, 2.0, 7.0]).expand(&[rows, 3]);
        let drawn = weights.multinomial(3, false, Draw::new(5, [0; 3])).to_vec::<u32>().unwrap();
        let mut first = [0.0f64; 3];
        for row in drawn.chunks(3) {
            first[row[0] as usize] += 1.0;
            let mut sorted = row.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2], "{device:?}");
        }
        for (found, share) in first.iter().zip([0.1, 0.2, 0.7]) {
            let expected = rows as f64 * share;
            assert!((found - expected).abs() < 5.0 * (expected * (1.0 - share)).sqrt(), "{device:?}: {first:?}");
        }
    }
}

#[test]
#[should_panic(expected = "3 of 2 categories cannot be drawn without replacement")]
fn more_draws_than_categories_are_refused() {
    Tensor::new(&Device::cpu(), [0.5, 0.5]).multinomial(3, false, Draw::default());
}

#[test]
fn categories_that_cannot_come_are_never_drawn() {
    for device in Device::all_for_tests() {
        let few = Tensor::new(&device, [0.0, 3.0, 1.0]);
        let nothing = few.zeros_like();
        let draw = || Draw::new(2, [0; 3]);
        if device.is_cpu() {
            for (w, samples, replacement) in [(&few, 3, false), (&nothing, 1, true)] {
                let call = || w.multinomial(samples, replacement, draw());
                let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it was drawn");
                let text = *refused.downcast::<String>().unwrap();
                assert!(text.starts_with("multinomial: row 0 has"), "{text}");
            }
        } else {
            let drawn = few.multinomial(3, false, draw()).to_vec::<u32>().unwrap();
            assert!(!drawn.contains(&0) && drawn[2] == u32::MAX, "{device:?}: {drawn:?}");
            assert_eq!(nothing.multinomial(2, true, draw()).to_vec::<u32>().unwrap(), [u32::MAX; 2]);
        }
        let mut two = few.multinomial(2, false, draw()).to_vec::<u32>().unwrap();
        two.sort_unstable();
        assert_eq!(two, [1, 2]);
    }
}

#[test]
#[should_panic(expected = "16777217 categories are more than f32 counts")]
fn more_categories_than_are_counted_are_refused() {
    Tensor::new(&Device::cpu(), [0.5]).expand(&[(1 << 24) + 1]).multinomial(1, true, Draw::default());
}
