//! How long a thread may run. Software adapters stop a thread after 65,535 turns of all its loops together, and drivers end one that takes
//! seconds: both give wrong numbers, the first in silence. So every loop of every kernel stands here with what bounds its turns; one that does
//! not is found by the test. That the bounds hold for large sizes is tested where the work is cut (`tensor/tests/gpu/sizes.rs`).

use std::collections::BTreeSet;

/// The most turns of one loop. Nested loops have fewer together: their bounds below are of both.
const MOST: u32 = 1 << 14;

/// (file, condition of the loop, its most turns, why).
const LOOPS: &[(&str, &str, u32, &str)] = &[
    ("attention_forward", "k0 < end", 512, "64 keys of 32,768, or of fewer the wider heads are"),
    ("attention_forward", "e < d4()", 4, "the head size over 32"),
    ("attention_forward", "i < 16u", 16, "constant"),
    ("attention_forward", "k < depth", 8, "the depth of a tile"),
    ("attention_forward", "s < 4u", 4, "constant"),
    ("attention_forward", "i < PARTS", 4, "constant"),
    ("attention_forward", "h < rounds", 2, "constant"),
    ("attention_backward", "k0 < end", 512, "64 keys of 32,768, or of fewer the wider heads are"),
    ("attention_backward", "q0 < p.sq", 512, "64 queries of as many"),
    ("attention_backward", "e < d4()", 4, "the head size over 32"),
    ("attention_backward", "h > 0u", 4, "a tree over 16 threads"),
    ("attention_backward", "k < depth", 8, "the depth of a tile"),
    ("attention_backward", "s < 4u", 4, "constant"),
    ("attention_backward", "i < PARTS", 4, "constant"),
    ("attention_backward", "h < rounds", 2, "constant"),
    ("attention_repair", "start < other_rows()", 512, "64 rows of 32,768, or of fewer the wider heads are"),
    ("attention_repair", "e < d4()", 8, "the head size over 16"),
    ("attention_repair", "i < 64u", 64, "constant"),
    ("avg_pool", "y < part.end.x", 4096, "a box"),
    ("avg_pool", "x < part.end.y", 4096, "a box"),
    ("avg_pool", "y < cells.end.x", 4096, "a box"),
    ("avg_pool", "x < cells.end.y", 4096, "a box"),
    ("batch_norm", "h > 0u", 8, "a tree over 256 threads"),
    ("batch_norm", "e < end", 8192, "a 65,536th of a channel, of at most 2 GiB"),
    ("batch_norm", "begin < all", 256, "the chunks of a channel"),
    ("batch_norm", "i < (plane + 1u) * p.area", 1024, "256 threads a plane; longer ones are normalised in steps"),
    ("conv", "k0 < ph.count", 1024, "16 of the taps, of which there are 16,384 at most"),
    ("conv", "k0 < end", 1024, "16 of a slice, of 16,384 terms at most"),
    ("conv", "k < BK", 8, "constant"),
    ("conv", "s < 4u", 4, "constant"),
    ("copy", "k < 32u", 4, "constant"),
    ("cumsum", "j < 4u", 4, "constant"),
    ("cumsum", "h < 256u", 8, "a tree over 256 threads"),
    ("cumsum", "k < count", 128, "a chunk of a column"),
    ("functions", "while left != 0u", 32, "the bits of an exponent"),
    ("functions", "round < 10u", 10, "constant"),
    ("gather", "j < end", MOST, "a chunk of the index"),
    ("gather", "r < rows_here", 8, "constant"),
    ("gather", "j0 < end", 16, "1024 of a chunk of the index"),
    ("gather", "e < 4u", 4, "constant"),
    ("gather", "e < 8u", 8, "constant"),
    ("gather", "at < 32u", 32, "constant"),
    ("gather", "while word != 0u", MOST, "a chunk of the index, together"),
    ("gather", "t < 32u", 32, "constant"),
    ("gemm", "j < min(4u, p.n - col)", 4, "constant"),
    ("gemm", "s < slices", 1024, "the slices that are added up at once"),
    ("gemm", "k0 < end", 1024, "16 of a slice, of 16,384 depths at most"),
    ("gemm", "k < BK", 16, "constant"),
    ("gemm", "s < UNROLL", 4, "constant"),
    ("layer_norm", "h > 0u", 8, "a tree over 256 threads"),
    ("layer_norm", "i < n", 1024, "256 threads a row; longer ones are normalised in steps"),
    ("layer_norm", "row < end", 256, "4 threads a column of a chunk of 1024 rows"),
    ("max_pool", "y < y_end", 4096, "a box"),
    ("max_pool", "x < x_end", 4096, "a box"),
    ("max_pool", "y < end.x", 4096, "a box"),
    ("max_pool", "x < end.y", 4096, "a box"),
    ("reduce", "k < end", 1024, "a chunk of a line; the place of an extreme: 256 threads a row"),
    ("reduce", "k + 3u * LANES < end", 128, "four a turn of a chunk of a line"),
    ("reduce", "h > 0u", 8, "a tree over 256 threads"),
    ("reduce", "row < end", 64, "4 threads a column of a chunk of 256 rows"),
    ("softmax", "h > 0u", 8, "a tree over 256 threads"),
    ("softmax", "i < n", 1024, "256 threads a row; longer ones are done in steps"),
];

/// The conditions of the loops of a WGSL text: of `for (…; condition; …)` and `while (condition) {`, the latter after the word.
fn conditions(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    let of_line = |line: &str| -> Vec<String> {
        let fors = line.split("for (").skip(1).map(|rest| rest.split(';').nth(1).unwrap_or(rest).trim().to_string());
        let whiles =
            line.split("while (").skip(1).map(|rest| format!("while {}", rest.split(") {").next().unwrap_or(rest)));
        let loops = line.split("loop {").skip(1).map(|_| "loop".to_string());
        fors.chain(whiles).chain(loops).collect()
    };
    code.flat_map(of_line).collect()
}

#[test]
fn every_loop_is_bounded() {
    let functions = ("functions", include_str!("../wgsl/functions.wgsl"));
    let found: BTreeSet<(String, String)> = lethe_shaders::files()
        .iter()
        .chain([&functions])
        .flat_map(|(file, text)| conditions(text).into_iter().map(move |c| (file.to_string(), c)))
        .collect();
    let known: BTreeSet<(String, String)> =
        LOOPS.iter().map(|(file, condition, ..)| (file.to_string(), condition.to_string())).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "loops whose bound nobody has stated: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "loops that are gone: {gone:#?}");
    assert!(LOOPS.iter().all(|(.., turns, why)| *turns <= MOST && !why.is_empty()));
}

#[test]
fn loops_are_seen() {
    let text = "for (var i = 0u; i < n; i++) { while (a(b) != 0u) { } } // for (;x;)\nloop {\n";
    assert_eq!(conditions(text).into_iter().collect::<Vec<_>>(), ["i < n", "loop", "while a(b) != 0u"]);
}
