//! The blocks that scores are made by.

use crate::plan::Attention;

/// Query rows of a block: whole tiles of the widest instruction set.
pub const ROWS: usize = 56;
/// Keys of a block, if there are more than twice as many.
const KEYS: usize = 512;

/// Lines of scores are whole pairs of the widest vectors.
pub const LINE: usize = 32;

/// The most keys that a block of scores holds.
pub fn key_block(p: &Attention) -> usize {
    if p.keys <= 2 * KEYS { p.keys } else { KEYS }
}

/// The number of keys that the query rows below `end` can see.
pub fn visible(p: &Attention, end: usize) -> usize {
    p.reach(end - 1)
}
