//! The finite list of variants. A kernel gains a variant here, and nowhere else.

use crate::variant::Variant;

/// The values that the constant `LANES` (threads that share a row, plane or line) takes in the list.
pub const LANES: [u32; 3] = [16, 64, 256];

type Flags = &'static [&'static str];
type Constants = Vec<(&'static str, f64)>;

pub(crate) fn all() -> Vec<Variant> {
    let families = [gemm(), conv(), attention(), softmax(), loss(), norms(), pools(), reductions(), movement()];
    families.into_iter().flatten().collect()
}

/// Every choice of one alternative from each axis, with each set of constants.
fn product(file: &'static str, entry: &'static str, axes: &[&[Flags]], constants: &[Constants]) -> Vec<Variant> {
    let mut chosen: Vec<Vec<&str>> = vec![vec![]];
    for axis in axes {
        chosen = chosen.iter().flat_map(|flags| axis.iter().map(|more| [flags, *more].concat())).collect();
    }
    let variant =
        |flags: &Vec<&'static str>, c: &Constants| Variant { file, entry, flags: flags.clone(), constants: c.clone() };
    chosen.iter().flat_map(|flags| constants.iter().map(|c| variant(flags, c))).collect()
}

fn one(file: &'static str, entry: &'static str, flags: Flags) -> Vec<Variant> {
    product(file, entry, &[&[flags]], &plain())
}

fn plain() -> Vec<Constants> {
    vec![vec![]]
}

fn act(values: &[u32]) -> Vec<Constants> {
    values.iter().map(|act| vec![("ACT", f64::from(*act))]).collect()
}

fn lanes() -> Vec<Constants> {
    LANES.iter().map(|lanes| vec![("LANES", f64::from(*lanes))]).collect()
}

const TILES: &[Flags] = &[&["TILE_128"], &["TILE_64"], &["TILE_64_TALL"], &["TILE_32"]];
const VEC4: &[Flags] = &[&[], &["VEC4"]];

/// Plain products in every transposition. Epilogues where a linear layer's forward pass has them: NN and NT. An activation
/// comes after a bias; the pre-activation is kept for gelu alone, whose derivative needs it.
fn gemm() -> Vec<Variant> {
    let (forward, three): (&[Flags], &[Flags]) = (&[&[], &["B_T"]], &[&[], &["B_T"], &["A_T"]]);
    let mut list = product("gemm", "gemm", &[TILES, &[&[], &["B_T"], &["A_T"], &["A_T", "B_T"]], VEC4], &plain());
    list.extend(product("gemm", "gemm", &[TILES, forward, VEC4, &[&["BIAS"]]], &act(&[0, 1, 2])));
    let more: &[Flags] = &[&["BIAS", "RESIDUAL"]];
    list.extend(product("gemm", "gemm", &[TILES, forward, VEC4, more], &plain()));
    list.extend(product("gemm", "gemm", &[TILES, forward, VEC4, &[&["BIAS", "PREACT"]]], &act(&[2])));
    let roomy: &[Flags] = &[&["TILE_128"], &["TILE_64_TALL"]];
    list.extend(product("gemm", "gemm", &[roomy, three, &[&["VEC4", "PREFETCH"]]], &plain()));
    list.extend(product("gemm", "gemm", &[TILES, three, VEC4, &[&["SPLIT"]]], &plain()));
    list.extend(product("gemm", "reduce", &[&[&["REDUCE"]], VEC4, &[&[], &["BIAS", "RESIDUAL"]]], &plain()));
    list.extend(product("gemm", "reduce", &[&[&["REDUCE", "BIAS"]], VEC4], &act(&[0, 1, 2])));
    list.extend(product("gemm", "reduce", &[&[&["REDUCE", "BIAS", "PREACT"]], VEC4], &act(&[2])));
    list
}

fn conv() -> Vec<Variant> {
    let mut list = product("conv", "conv", &[&[&["CONV"]], TILES, &[&[], &["BIAS"]]], &act(&[0, 1]));
    list.extend(product("conv", "weight_gradient", &[&[&["WEIGHT"]], TILES], &plain()));
    list
}

fn attention() -> Vec<Variant> {
    const DIMS: &[Flags] = &[&["D16"], &["D32"], &["D64"], &["D128"], &["D128", "WIDE"]];
    const MASKS: &[Flags] = &[&[], &["MASK_ADD"], &["MASK_BOOL"]];
    const PACKED: &[Flags] = &[&[], &["PACKED"]];
    let mut list = product("attention_backward", "delta", &[&[&["DELTA"]], PACKED], &plain());
    for (file, entry, flag) in [
        ("attention_forward", "forward", &["FWD"] as Flags),
        ("attention_backward", "backward_q", &["DQ"]),
        ("attention_backward", "backward_kv", &["DKV"]),
    ] {
        list.extend(product(file, entry, &[&[flag], DIMS, MASKS, PACKED], &plain()));
        list.extend(product("attention_repair", "repair_rows", &[&[flag], MASKS, PACKED], &plain()));
    }
    list
}

fn softmax() -> Vec<Variant> {
    let mut list = product("softmax", "softmax", &[&[&["FORWARD"]], &[&[], &["LOG"]], VEC4], &lanes());
    list.extend(product("softmax", "softmax_input", &[&[&["BACKWARD"]], &[&[], &["LOG"]], VEC4], &lanes()));
    list
}

fn loss() -> Vec<Variant> {
    let (soft, grad): (&[Flags], &[Flags]) = (&[&[], &["SOFT"]], &[&[], &["NO_GRAD"]]);
    let mut list = product("softmax", "cross_entropy", &[&[&["LOSS"]], soft, grad, VEC4], &lanes());
    list.extend(product("softmax", "sigmoid_cross_entropy", &[&[&["SIGMOID"]], soft, grad, VEC4], &lanes()));
    list
}

fn norms() -> Vec<Variant> {
    let mut list = product("layer_norm", "layer_norm", &[&[&["FORWARD"]], VEC4], &lanes());
    list.extend(product("layer_norm", "layer_norm_input", &[&[&["BACKWARD"], &["BACKWARD", "ADD"]], VEC4], &lanes()));
    list.extend(one("layer_norm", "layer_norm_params", &["PARAMS"]));
    let (relu, residual): (&[Flags], &[Flags]) = (&[&[], &["RELU"]], &[&[], &["RESIDUAL"]]);
    list.extend(one("batch_norm", "batch_norm_partial", &["PARTIAL"]));
    list.extend(one("batch_norm", "batch_norm_merge", &["MERGE"]));
    // Planes of a few pixels, and of one in a batch norm over features, take a thread each.
    let planes = [vec![vec![("LANES", 1.0)]], lanes()].concat();
    list.extend(product("batch_norm", "batch_norm", &[&[&["FORWARD"]], relu, residual], &planes));
    list.extend(product("batch_norm", "batch_norm_grads", &[&[&["GRADS"]], relu], &plain()));
    list.extend(product("batch_norm", "batch_norm_input", &[&[&["BACKWARD"]], relu, residual], &planes));
    list
}

fn pools() -> Vec<Variant> {
    let adaptive: &[Flags] = &[&[], &["ADAPTIVE"]];
    let mut list = one("max_pool", "max_pool", &["FORWARD"]);
    list.extend(one("max_pool", "max_pool_input", &["BACKWARD"]));
    list.extend(product("avg_pool", "avg_pool", &[&[&["FORWARD"]], adaptive], &plain()));
    list.extend(product("avg_pool", "avg_pool_input", &[&[&["BACKWARD"]], adaptive], &plain()));
    list
}

/// Rows take any number of lanes; columns 4, or 64 where few columns are long.
fn reductions() -> Vec<Variant> {
    let with = |lanes: &[u32], ops: &[u32]| -> Vec<Constants> {
        let pair = |l: &u32, o: &u32| vec![("LANES", f64::from(*l)), ("OP", f64::from(*o))];
        lanes.iter().flat_map(|l| ops.iter().map(move |o| pair(l, o))).collect()
    };
    let mut list = vec![];
    for (lanes, form) in [(&LANES[..], &["ROWS"] as Flags), (&[4, 64], &["COLUMNS"])] {
        list.extend(product("reduce", "reduce", &[&[form]], &with(lanes, &[0, 1, 2, 3])));
        list.extend(product("reduce", "reduce", &[&[form], &[&["SQUARE"]]], &with(lanes, &[0])));
        list.extend(product("reduce", "arg_reduce", &[&[form], &[&["ARG"]]], &with(lanes, &[2, 3])));
    }
    list.extend(one("reduce", "column_sum", &["COLUMN_SUM"]));
    list.extend(one("reduce", "scaled_squares", &["SCALED_SQUARES"]));
    list.extend(product("cumsum", "cumsum_rows", &[&[&["ROWS"]], &[&[], &["CARRY"]]], &plain()));
    list.extend(product("cumsum", "cumsum_columns", &[&[&["COLUMNS"]], &[&[], &["CARRY"]]], &plain()));
    list
}

fn movement() -> Vec<Variant> {
    let mut list = one("copy", "transpose", &["TRANSPOSE"]);
    list.extend(one("copy", "concat", &["CONCAT"]));
    list.extend(product("gather", "gather", &[&[&["GATHER"]], VEC4], &plain()));
    list.extend(one("gather", "scatter_add", &["SCATTER"]));
    list.extend(one("gather", "scatter_add_rows", &["SCATTER_ROWS"]));
    for format in [&["F16"] as Flags, &["BF16"]] {
        list.extend(product("cast", "pack", &[&[&["PACK"]], &[format]], &plain()));
    }
    list
}
