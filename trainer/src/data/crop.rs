//! Which region of an image is used: the paper's crops for training and for evaluation.
//!
//! This module computes regions only; [`super::resize`] resamples pixels.

use lethe_tensor::random::Philox;

/// The number of crops that are tried before the centre of the image is taken.
const TRIES: usize = 10;
/// The largest aspect ratio, width by height; the smallest is its inverse.
const ASPECT: f64 = 4.0 / 3.0;

/// A region of an image, in pixels; in evaluation its edges may lie within pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The number of columns left of it.
    pub left: f64,
    /// The number of rows above it.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// The Inception crop (Szegedy et al. 2015), as torchvision draws it: a fraction U(min_area, 1) of the image's area, with an aspect ratio r that is
/// uniform on a logarithmic scale in [3/4, 4/3], w = round(√(A·r)), h = round(√(A/r)), at a uniform integer offset. If ten draws do not fit, the
/// centre of the image, with its aspect ratio clamped to that range.
pub fn inception(random: &mut Philox, min_area: f64, width: usize, height: usize) -> Region {
    let (all_columns, all_rows) = (width as f64, height as f64);
    for _ in 0..TRIES {
        let area = all_columns * all_rows * (min_area + (1.0 - min_area) * random.uniform());
        let aspect = (ASPECT.ln() * (2.0 * random.uniform() - 1.0)).exp();
        let (columns, rows) = ((area * aspect).sqrt().round_ties_even(), (area / aspect).sqrt().round_ties_even());
        if (1.0..=all_columns).contains(&columns) && (1.0..=all_rows).contains(&rows) {
            let top = f64::from(random.below((all_rows - rows) as u32 + 1));
            let left = f64::from(random.below((all_columns - columns) as u32 + 1));
            return Region { left, top, width: columns, height: rows };
        }
    }
    let columns = all_columns.min((all_rows * ASPECT).round_ties_even());
    let rows = all_rows.min((all_columns * ASPECT).round_ties_even());
    let middle = |all: f64, part: f64| ((all - part) / 2.0).floor();
    Region { left: middle(all_columns, columns), top: middle(all_rows, rows), width: columns, height: rows }
}

/// The central crop of evaluation: the shorter side is resized to ⌊size/0.875⌋, the other in proportion, and the central `size` × `size` is
/// cropped. This is the region of the original image that those pixels are made of.
pub fn evaluation(size: usize, width: usize, height: usize) -> Region {
    let shorter = size * 8 / 7;
    let least = width.min(height);
    let along = |side: usize| {
        let resized = shorter * side / least;
        let before = ((resized - size) as f64 / 2.0).round_ties_even();
        let scale = side as f64 / resized as f64;
        let start = before * scale;
        (start, (size as f64 * scale).min(side as f64 - start)) // a rounding must not reach beyond the image
    };
    let ((left, width), (top, height)) = (along(width), along(height));
    Region { left, top, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_tensor::random::Draw;

    fn draws(min_area: f64, width: usize, height: usize, count: u32) -> Vec<Region> {
        let draw = |i| inception(&mut Philox::new(Draw::new(7, [i, 0, 0])), min_area, width, height);
        (0..count).map(draw).collect()
    }

    #[test]
    fn crops_have_the_area_aspect_and_place_they_should() {
        let regions = draws(0.05, 500, 375, 4000);
        let (mut small, mut wide, mut smallest, mut largest) = (0, 0, 1.0f64, 0.0f64);
        for r in &regions {
            let (area, aspect) = (r.width * r.height / (500.0 * 375.0), r.width / r.height);
            assert!((0.049..=1.0).contains(&area) && (0.73..1.36).contains(&aspect), "{r:?}");
            assert!(r.left >= 0.0 && r.left + r.width <= 500.0 && r.top + r.height <= 375.0, "{r:?}");
            assert!([r.left, r.top, r.width, r.height].iter().all(|v| v.fract() == 0.0), "{r:?}");
            small += usize::from(area < 0.525);
            wide += usize::from(aspect > 1.0);
            (smallest, largest) = (smallest.min(area), largest.max(area));
        }
        // Draws that do not fit are drawn again, so that large areas and tall crops are rarer than half: 2667 and 2298 are what an independent
        // simulation of 400,000 draws expects, and a standard deviation is 31.
        assert!((2512..2822).contains(&small) && (2143..2453).contains(&wide), "{small}, {wide}");
        assert!(smallest < 0.06 && largest > 0.95, "{smallest} to {largest}");
        let whole = Region { left: 0.0, top: 0.0, width: 9.0, height: 9.0 };
        assert!(draws(1.0, 9, 9, 50).contains(&whole));
    }

    #[test]
    fn an_image_that_no_draw_fits_gives_its_middle() {
        let long = draws(1.0, 1000, 90, 1)[0];
        assert_eq!(long, Region { left: 440.0, top: 0.0, width: 120.0, height: 90.0 });
        let tall = draws(1.0, 90, 1000, 1)[0];
        assert_eq!(tall, Region { left: 0.0, top: 440.0, width: 90.0, height: 120.0 });
        assert_eq!(draws(0.05, 1, 1, 1)[0], Region { left: 0.0, top: 0.0, width: 1.0, height: 1.0 });
    }

    #[test]
    fn evaluations_take_the_middle_of_the_resized_image() {
        // 224 of 256 × 341: 16 and 58 pixels of the resized image are cropped.
        let region = evaluation(224, 500, 375);
        let scale = (500.0 / 341.0, 375.0 / 256.0);
        let expected =
            Region { left: 58.0 * scale.0, top: 16.0 * scale.1, width: 224.0 * scale.0, height: 224.0 * scale.1 };
        assert_eq!(region, expected);
        // 288 of 329: floor(288/0.875); 41 pixels are cropped, 20 of them before, by rounding half to even.
        let region = evaluation(288, 329, 329);
        assert_eq!(region, Region { left: 20.0, top: 20.0, width: 288.0, height: 288.0 });
        let thin = evaluation(3, 1, 1000);
        assert!(thin.left == 0.0 && thin.width == 1.0 && thin.top + thin.height <= 1000.0, "{thin:?}");
    }
}
