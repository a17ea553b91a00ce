//! Tensors and variables have the same operations under the same names: what one has and the other lacks stands here, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Of tensors alone: they make tensors, tell how they are stored, or are the parts that derivatives of fused kernels are made of.
const TENSORS_ALONE: &[&str] = &[
    // Made from numbers; `Var::constant` and `Tape::leaf` make variables of tensors.
    "arange",
    "bernoulli",
    "constant_like",
    "eye",
    "from_slice",
    "full",
    "linspace",
    "multinomial",
    "new",
    "normal",
    "ones",
    "rand",
    "randn",
    "scalar_like",
    "uniform",
    "zeros",
    // The type of the numbers, storage and work put off.
    "check_float",
    "computed_type",
    "contiguous",
    "force",
    "layout",
    "run_deferred",
    "later",
    // First derivatives of fused kernels, and what reductions are told.
    "batch_norm_backward",
    "cross_entropy_with_grad",
    "index_sum",
    "label_weights",
    "layer_norm_backward",
    "layer_norm_with_stats",
    "max_pool2d_with_indices",
    "pool2d_backward",
    "scale_of_squares",
    "softmax_backward",
    "attention_backward",
    "conv2d_backward",
    "concat_parts",
];

/// Parts of plans that other files of these folders share: no operations.
const PLANS: &[&str] = &["backward", "forward", "packed_plan", "plan"];

/// Of variables alone: their place on a tape.
const VARIABLES_ALONE: &[&str] =
    &["constant", "detach", "is_tracked", "record", "record_opaque", "record_with_result", "tensor"];

/// The public methods in the sources of a folder or file, inherent or made by this project's macros.
fn methods(paths: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut names = BTreeSet::new();
    for path in paths.iter().map(|p| root.join(p)) {
        let files = match path.is_dir() {
            true => std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect(),
            false => vec![path],
        };
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let composed = file.ends_with("autograd/src/functions.rs");
            let mut of_type = true;
            for line in text.lines() {
                // Methods of options and other types of these files are not operations.
                if line.starts_with("impl") {
                    of_type = ["impl Tensor", "impl Var"].iter().any(|t| line.starts_with(t));
                }
                let of_type = of_type && !line.starts_with("pub fn");
                names.extend(method(line.trim_start(), composed).filter(|_| of_type || !line.contains("pub fn")));
            }
        }
    }
    names
}

/// The method that a line of source defines, if it does: a public function, or an entry of one of the macros that make them.
fn method(line: &str, composed: bool) -> Option<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let named = |s: String| Some(s).filter(|n| n.starts_with(|c: char| c.is_lowercase()));
    if let Some(rest) = line.strip_prefix("pub fn ") {
        return named(word(rest));
    }
    // An entry of the table of functions: `Neg as neg,`.
    if let Some((_, name)) = line
        .strip_suffix(',')
        .and_then(|l| l.split_once(" as "))
        .filter(|(op, _)| word(op) == **op && op.starts_with(char::is_uppercase))
    {
        return named(word(name));
    }
    let entry = word(line);
    let rest = &line[entry.len()..];
    let made = rest.starts_with(": |dy, ") // a rule
        || rest.starts_with(" = ") && rest.ends_with("_axes;") // a reduction's common form
        || rest.starts_with(" |x, c| ") // with a number
        || (rest.ends_with(" true;") || rest.ends_with(" false;")) && rest.split_whitespace().count() == 2 // of two
        || composed && rest.starts_with('(') && rest.ends_with(");");
    match composed.then(|| line.strip_prefix("fn ").map(word)).flatten() {
        Some(name) => named(name).filter(|n| n != "constant"),
        None => named(entry).filter(|_| made),
    }
}

#[test]
fn tensors_and_variables_speak_alike() {
    let mut tensor = methods(&[
        "tensor/src/ops",
        "tensor/src/tensor.rs",
        "tensor/src/run.rs",
        "tensor/src/read.rs",
        "tensor/src/functions.rs",
        "autograd/src/functions.rs",
    ]);
    let mut variable = methods(&[
        "autograd/src/ops",
        "autograd/src/var.rs",
        "autograd/src/indexing.rs",
        "autograd/src/numbers.rs",
        "autograd/src/untracked.rs",
    ]);
    // Lists of names that a macro expands in one line each.
    let lists = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../autograd/src/untracked.rs")).unwrap();
    for line in lists.lines().filter(|l| l.contains("! { ") && l.ends_with(" }")) {
        let names = line.split("! { ").nth(1).unwrap().trim_end_matches(" }");
        variable.extend(names.split_whitespace().map(String::from));
    }
    assert!(
        tensor.len() > 150 && variable.len() > 150,
        "the scan lost its way: {} and {}",
        tensor.len(),
        variable.len()
    );
    PLANS.iter().for_each(|name| _ = tensor.remove(*name));
    for (own, alone) in [(&mut tensor, TENSORS_ALONE), (&mut variable, VARIABLES_ALONE)] {
        alone.iter().for_each(|name| _ = own.remove(*name));
    }
    let (missing, beyond): (Vec<_>, Vec<_>) =
        (tensor.difference(&variable).collect(), variable.difference(&tensor).collect());
    assert!(missing.is_empty() && beyond.is_empty(), "tensors alone have {missing:?}, variables alone {beyond:?}");
}

/// The methods of a type and their signatures, from the list of the public API, which CI keeps true. `Tensor` and `Var` are one word here,
/// and so are the operators' many forms of `add`, `sub`, `mul` and `div`, which are left out.
fn signatures(of: &str) -> BTreeMap<String, String> {
    let list = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/public-api.txt")).unwrap();
    let methods = list.lines().filter_map(|l| l.strip_prefix("pub fn ")?.strip_prefix(of)?.strip_prefix("::"));
    let mut found = BTreeMap::new();
    for (name, signature) in methods.filter_map(|m| m.split_once('(')).filter(|(name, _)| !OPERATORS.contains(name)) {
        let last_words = |path: &str| path.rsplit("::").next().unwrap().replace("Var", "Tensor");
        let signature = signature.split_inclusive(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).map(last_words);
        found.insert(name.to_string(), signature.collect());
    }
    found
}

const OPERATORS: [&str; 4] = ["add", "sub", "mul", "div"];

/// Of the same name, but with another signature: batch norm's running statistics are tensors in both, so its two results differ by name.
const SIGNATURES_APART: &[&str] = &["batch_norm"];

#[test]
fn operations_of_one_name_have_one_signature() {
    let (tensor, variable) = (signatures("lethe_tensor::Tensor"), signatures("lethe_autograd::Var"));
    let shared: Vec<_> = tensor.keys().filter(|name| variable.contains_key(*name)).collect();
    assert!(shared.len() > 100, "the list of the API was not understood: {shared:?}");
    let apart: Vec<_> = shared.into_iter().filter(|name| tensor[*name] != variable[*name]).collect();
    assert_eq!(apart, SIGNATURES_APART, "signatures differ between tensors and variables");
}
