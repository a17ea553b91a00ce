//! Random crops of padded images, and flips, on bytes.

use lethe_tensor::random::Philox;

use crate::config::AugmentConfig;
use crate::shape::ImageShape;

/// The augmentation of one image: its crop out of the padded image, and whether it is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augment {
    /// The number of rows by which the content moves up; negative for down.
    pub rows: isize,
    /// The number of columns by which the content moves left; negative for right.
    pub columns: isize,
    /// Whether it is then flipped horizontally.
    pub flip: bool,
}

impl Augment {
    /// Draws the augmentation of one image. Every draw is made, whether needed or not, so that one option does not change what
    /// another draws.
    pub(in super::super) fn draw(config: &AugmentConfig, random: &mut Philox) -> Augment {
        let mut shift = || random.below(2 * config.crop_padding as u32 + 1) as isize - config.crop_padding as isize;
        let (rows, columns) = (shift(), shift());
        Augment { rows, columns, flip: random.below(2) == 1 && config.flip }
    }

    /// The augmented image: value by value, in the order CHW, from the image in the same order. Pixels outside the image
    /// are black.
    pub fn apply<'a>(self, image: &'a [u8], shape: ImageShape) -> impl Iterator<Item = u8> + 'a {
        let ImageShape { channels, height, width } = shape;
        let column = move |x: usize| (if self.flip { width - 1 - x } else { x }).wrapping_add_signed(self.columns);
        (0..channels * height).flat_map(move |row| {
            let y = (row % height).wrapping_add_signed(self.rows);
            let source = (y < height).then(|| &image[(row / height * height + y) * width..][..width]);
            (0..width).map(move |x| source.and_then(|line| line.get(column(x)).copied()).unwrap_or(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use lethe_tensor::random::Draw;

    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 2, height: 2, width: 3 };

    fn apply(rows: isize, columns: isize, flip: bool) -> Vec<u8> {
        let image: Vec<u8> = (1..=12).collect();
        Augment { rows, columns, flip }.apply(&image, SHAPE).collect()
    }

    #[test]
    fn images_move_and_turn() {
        assert_eq!(apply(0, 0, false), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(apply(0, 0, true), [3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10]);
        assert_eq!(apply(1, 0, false), [4, 5, 6, 0, 0, 0, 10, 11, 12, 0, 0, 0]);
        assert_eq!(apply(-1, 1, false), [0, 0, 0, 2, 3, 0, 0, 0, 0, 8, 9, 0]);
        assert_eq!(apply(0, -1, false), [0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11]);
        assert_eq!(apply(0, -1, true), [2, 1, 0, 5, 4, 0, 8, 7, 0, 11, 10, 0]);
        assert_eq!(apply(0, 5, false), [0; 12]);
    }

    #[test]
    fn draws_stay_in_their_range_and_reach_all_of_it() {
        let config = AugmentConfig { crop_padding: 2, flip: true, ..AugmentConfig::default() };
        let draws: Vec<Augment> =
            (0..500).map(|i| Augment::draw(&config, &mut Philox::new(Draw::new(0, [1, 0, i])))).collect();
        let rows: std::collections::BTreeSet<isize> = draws.iter().map(|a| a.rows).collect();
        let columns: std::collections::BTreeSet<isize> = draws.iter().map(|a| a.columns).collect();
        assert!(rows.iter().copied().eq(-2..=2) && columns.iter().copied().eq(-2..=2));
        let flips = draws.iter().filter(|a| a.flip).count();
        assert!((190..310).contains(&flips), "{flips}"); // 250 ± five standard deviations
        let none = Augment::draw(&AugmentConfig::default(), &mut Philox::new(Draw::new(0, [1, 0, 0])));
        assert_eq!(none, Augment { rows: 0, columns: 0, flip: false });
    }
}
