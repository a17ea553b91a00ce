//! Work recorded in parts, where a grid or a binding would be too large: where a part may start, and how a range of items is cut.

use std::ops::Range;

use crate::gpu::caps::BINDING_ALIGNMENT;

/// Words between two places where a binding may start.
pub const GRAIN: usize = BINDING_ALIGNMENT as usize / 4;

/// The least number of steps after which all of `strides` (in words) come to where a binding may start again.
pub fn grain(strides: &[usize]) -> usize {
    strides.iter().map(|s| GRAIN >> s.trailing_zeros().min(GRAIN.ilog2())).max().unwrap_or(1)
}

/// Two parts of a range longer than `grain`; the second starts at a multiple of it from the first's start.
pub fn halves(range: &Range<usize>, grain: usize) -> [Range<usize>; 2] {
    let middle = range.start + (range.len() / 2).next_multiple_of(grain);
    [range.start..middle, middle..range.end]
}

/// The parts of `items` items of which each takes `words` words of the operands, so that a part is at most `most` items and binds at most
/// `bytes` bytes of each; or single grains, where not even that is possible.
pub fn parts(items: usize, words: &[usize], most: usize, bytes: u64) -> impl Iterator<Item = Range<usize>> + use<> {
    let grain = grain(words);
    let large = words.iter().copied().max().unwrap_or(1).max(1);
    let fit = most.min(bytes as usize / 4 / large);
    let step = if fit >= items { items.max(1) } else { (fit / grain).max(1) * grain };
    (0..items).step_by(step).map(move |start| start..items.min(start + step))
}

/// How many of `count` items, of which each takes `words` words of the operands, a binding of `bytes` bytes can hold: if it can be, as many
/// that the next ones start where a binding may; at least one.
pub fn fitting(count: usize, words: &[usize], bytes: u64) -> usize {
    let large = words.iter().copied().max().unwrap_or(1).max(1);
    let fit = (bytes as usize / 4 / large).clamp(1, count.max(1));
    let grain = grain(words);
    if fit < count && fit >= grain { fit / grain * grain } else { fit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_items_as_fit_start_where_a_binding_may_if_they_can() {
        assert_eq!(fitting(1000, &[3, 5], 4096), 192);
        assert_eq!(fitting(1000, &[64, 0], 4096), 16);
        assert_eq!(fitting(1000, &[33], 4096), 31);
        assert_eq!(fitting(10, &[33], 4096), 10);
        assert_eq!(fitting(1000, &[5000], 4096), 1);
        assert_eq!(fitting(0, &[1], 4096), 1);
    }

    #[test]
    fn parts_start_where_a_binding_may() {
        assert_eq!([grain(&[64]), grain(&[0, 128]), grain(&[3]), grain(&[16, 8])], [1, 1, 64, 8]);
        assert_eq!(halves(&(3..68), 64), [3..67, 67..68]);
        for (items, words, most, bytes) in
            [(10, [3, 5], 99, 1 << 20), (1000, [16, 48], 99, 1 << 20), (1000, [48, 8], 999, 4096)]
        {
            let mut end = 0;
            for part in parts(items, &words, most, bytes) {
                assert!(part.start == end && part.len() <= most);
                assert!(words.iter().all(|w| part.start * w % GRAIN == 0 && 4 * part.len() * w <= bytes as usize));
                end = part.end;
            }
            assert_eq!(end, items);
        }
    }
}
