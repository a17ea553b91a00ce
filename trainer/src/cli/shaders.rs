//! `lethe shaders`: every kernel that the GPU back end can run, as self-contained WGSL files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use lethe_autograd::registry::{Case, operations};
use lethe_autograd::{Mode, Tape, Var};
use lethe_optim::{Adam, AdamW, Lion, RmsProp, Sgd, UpdateRule};
use lethe_shaders::{ParamsForm, variants};
use lethe_tensor::gpu::{expressions, update_source};
use lethe_tensor::plan::Update;
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Tensor};

use crate::error::Error;

/// Where to write the files.
#[derive(Args)]
pub struct ShadersArgs {
    /// The folder to write to; created if it does not exist. Files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Number of cases per operation whose expressions are written.
const CASES: u64 = 12;
/// The largest extent in these cases.
const SIZE: usize = 5;

/// Writes all kernels; returns the numbers of hand-written and of generated ones.
pub fn write(args: &ShadersArgs) -> Result<(usize, usize), Error> {
    let failed = |path: &Path, error: io::Error| Error::Write { path: path.to_owned(), error };
    fs::create_dir_all(&args.out).map_err(|e| failed(&args.out, e))?;
    let generated = generated();
    let written = variants().iter().map(|v| (v.name(), v.standalone(ParamsForm::Immediate)));
    for (name, text) in written.chain(generated.iter().map(|(name, text)| (name.clone(), text.clone()))) {
        let path = args.out.join(name + ".wgsl");
        fs::write(&path, text).map_err(|e| failed(&path, e))?;
    }
    Ok((variants().len(), generated.len()))
}

/// The kernels of the expressions that registered operations and their gradients evaluate: name and text, each structure once, under the
/// first operation that has it; and those of the optimisers.
pub fn generated() -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut named = BTreeMap::new();
    for op in operations() {
        let found = expressions(|| (0..CASES).for_each(|seed| run(&op.case(seed, SIZE))));
        let mut count = 0;
        for (structure, text) in found {
            if seen.insert(structure.clone(), ()).is_none() {
                count += 1;
                named.insert(format!("elementwise-{}-{count}", op.name), format!("// {structure}\n{text}"));
            }
        }
    }
    for (name, text) in updates() {
        named.insert(format!("update-{name}"), text);
    }
    named
}

/// The kernels of the optimisers, which clip.
fn updates() -> [(&'static str, String); 6] {
    fn text<R: UpdateRule<V>, const V: usize>(rule: R) -> String {
        update_source(&Update { rule, dtype: DType::F32, n: 6400, lr: 0.1, step: 2, max_norm: 1.0 })
    }
    [
        ("adam", text(Adam::default())),
        ("adamw", text(AdamW::default())),
        ("lion", text(Lion::default())),
        ("rmsprop", text(RmsProp::default())),
        ("sgd", text(Sgd { momentum: 0.9, nesterov: false })),
        ("sgd-nesterov", text(Sgd { momentum: 0.9, nesterov: true })),
    ]
}

/// Runs the forward and the backward pass of a case, in single precision.
fn run(case: &Case) {
    let single = |t: &Tensor| if t.dtype() == DType::F64 { t.to_dtype(DType::F32) } else { t.clone() };
    let tape = Tape::new();
    let x: Vec<Var> = (case.inputs.iter().zip(&case.differentiable))
        .map(|(t, d)| if *d { tape.leaf(&single(t)) } else { Var::constant(&single(t)) })
        .collect();
    let y = (case.run)(&x);
    y.tensor().force();
    if y.is_tracked() {
        let dy = Tensor::normal(y.tensor().device(), DType::F32, y.shape(), Draw::new(1, [0; 3]));
        let grads = tape.sweep(&y, &Var::constant(&dy), Mode::Free);
        x.iter().filter(|v| v.is_tracked()).for_each(|v| _ = grads.of(v).tensor().force());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kernels_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let args = ShadersArgs { out: folder.path().join("new") };
        let (variants, generated) = write(&args).unwrap();
        assert_eq!(fs::read_dir(&args.out).unwrap().count(), variants + generated);
        let blocked = ShadersArgs { out: args.out.join("gemm-gemm-tile_32.wgsl") };
        let error = write(&blocked).unwrap_err().to_string();
        assert!(error.contains("gemm-gemm-tile_32.wgsl"), "{error}");
    }
}
