//! Which tile of `gemm.wgsl` and `conv.wgsl` a product takes, and into how many slices its depth is cut. It depends on the sizes alone, so
//! that a result depends on nothing else.

/// A tile of the matrix product: the flag of its kernel, rows and columns, and threads.
#[derive(Debug, PartialEq, Eq)]
pub struct Tile {
    /// The flag.
    pub flag: &'static str,
    /// Rows, and columns.
    pub side: usize,
    threads: usize,
}

impl Tile {
    /// The largest: its grid is the shortest.
    pub const LARGEST: Tile = Tile { flag: "TILE_128", side: 128, threads: 256 };
}

const TILE_64_TALL: Tile = Tile { flag: "TILE_64_TALL", side: 64, threads: 128 };
const TILE_64: Tile = Tile { flag: "TILE_64", side: 64, threads: 256 };
const TILE_32: Tile = Tile { flag: "TILE_32", side: 32, threads: 64 };

/// Threads that keep a large GPU busy.
const ENOUGH: usize = 1 << 15;
/// Depths that are worth a slice: below, adding the slices up costs more than it gains.
const SHORTEST: usize = 128;
/// The depths of a slice are a multiple of this.
const GRAIN: usize = 32;

/// How a product is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// The tile.
    pub tile: &'static Tile,
    /// Depths of a slice; all of them where there is one slice.
    pub slice: usize,
}

/// The tiling of `items` products of m × k by k × n, all at least 1. The larger a tile, the more it makes of a value that it reads: so
/// the largest that still makes enough threads and does not lie mostly outside of the matrix. Where none does, the depth is cut, if it
/// may be (`split`) and is long; else the smallest tile makes the most workgroups.
pub fn tiling(items: usize, m: usize, n: usize, k: usize, split: bool) -> Tiling {
    let blocks = |t: &Tile| items * m.div_ceil(t.side) * n.div_ceil(t.side);
    let area = |t: &Tile| m.next_multiple_of(t.side) * n.next_multiple_of(t.side);
    let fills = |t: &Tile| 2 * area(t) <= 3 * area(&TILE_32);
    let large =
        [&Tile::LARGEST, &TILE_64_TALL, &TILE_64].into_iter().find(|t| fills(t) && blocks(t) * t.threads >= ENOUGH);
    if let Some(tile) = large {
        return Tiling { tile, slice: k };
    }
    let small = if fills(&TILE_64_TALL) { &TILE_64_TALL } else { &TILE_32 };
    let wanted = ENOUGH.div_ceil(blocks(small) * small.threads);
    let slices = wanted.min(k / SHORTEST);
    if !split || slices < 2 {
        return Tiling { tile: &TILE_32, slice: k };
    }
    Tiling { tile: small, slice: k.div_ceil(slices).next_multiple_of(GRAIN).min(k) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(items: usize, m: usize, n: usize, k: usize) -> (&'static str, usize) {
        let t = tiling(items, m, n, k, true);
        (t.tile.flag, k.div_ceil(t.slice))
    }

    #[test]
    fn large_products_take_large_tiles_and_small_ones_are_cut() {
        assert_eq!(chosen(1, 4096, 4096, 4096), ("TILE_128", 1));
        assert_eq!(chosen(1, 3200, 384, 384), ("TILE_64_TALL", 1));
        assert_eq!(chosen(1, 1600, 384, 384), ("TILE_64", 1));
        assert_eq!(chosen(1, 384, 384, 3200), ("TILE_64_TALL", 8));
        assert_eq!(chosen(1, 1, 1000, 2048), ("TILE_32", 16));
        assert_eq!(chosen(1, 100, 100, 100), ("TILE_32", 1));
        assert_eq!(chosen(600, 50, 50, 64), ("TILE_64_TALL", 1));
        assert_eq!(tiling(1, 384, 384, 3200, false), Tiling { tile: &TILE_32, slice: 3200 });
    }
}
