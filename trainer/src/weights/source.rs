//! Files that weights are loaded from.

use crate::config::Problem;
use crate::error::Error;
use crate::run::{Checkpoint, CheckpointError, RunFolder, Weights};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Prefixes that wrappers of models add to the names of tensors: `DataParallel`, `torch.compile`, Lightning and others. No model of Lethe has such
/// names.
const WRAPPERS: [&str; 8] =
    ["module.", "_orig_mod.", "model.", "encoder.", "backbone.", "net.", "network.", "state_dict."];

/// Named tensors, from a run or from PyTorch.
pub struct Source {
    /// The tensors.
    pub tensors: Checkpoint,
    /// Which checkpoint of a run it is, if not the last one.
    pub remark: Option<String>,
    /// Tensors that contain no weights, such as integers and booleans, except batch norm's counters: name and type.
    pub others: Vec<(String, String)>,
    /// How many tensors were converted to f32, by their type.
    pub converted: BTreeMap<String, usize>,
}

impl Source {
    /// Opens a run folder, a checkpoint, or any other safetensors file.
    ///
    /// # Errors
    /// If it does not exist, cannot be read, or was written by Lethe and is damaged.
    pub fn open(path: &Path) -> Result<Source, Error> {
        if !path.exists() {
            let reason =
                "there is no such file or folder; expected a run, one of its checkpoints, or a file of weights";
            return Err(Problem::value("init.from", path.display(), reason).into());
        }
        if path.is_dir() {
            let run = RunFolder::open(path)?;
            let tensors = run.load(None)?;
            let remark = run.remark(&tensors);
            return Ok(Source { tensors, remark, others: Vec::new(), converted: BTreeMap::new() });
        }
        let Weights { tensors, mut others, converted } =
            Checkpoint::load_weights(path).map_err(|source| match RunFolder::of_checkpoint(path) {
                Some(run) => Error::from(run.explain(source)),
                None => source.into(),
            })?;
        others.retain(|(name, _)| !name.ends_with(".num_batches_tracked"));
        Ok(Source { tensors, remark: None, others, converted })
    }

    /// Removes a wrapper's prefix from the names, if no name is wanted as it is. Returns the prefix and the number of names that had it.
    pub fn unwrap_names(&mut self, wanted: &BTreeSet<&str>) -> Option<(String, usize)> {
        let names = self.tensors.tensors.iter().map(|t| t.name.as_str());
        if self.tensors.is_of_a_run() || names.clone().any(|name| wanted.contains(name)) {
            return None;
        }
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for (prefix, rest) in names.map(wrapped) {
            *found.entry(prefix).or_default() += usize::from(wanted.contains(rest));
        }
        // The first of several with as many names.
        let (prefix, count) =
            found.into_iter().rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0)?;
        let (prefix, mut taken_off) = (prefix.to_owned(), 0);
        let there: BTreeSet<String> = self.tensors.tensors.iter().map(|t| t.name.clone()).collect();
        for t in &mut self.tensors.tensors {
            if let Some(rest) = t.name.strip_prefix(&prefix).filter(|rest| !there.contains(*rest)) {
                t.name = rest.to_owned();
                taken_off += 1;
            }
        }
        for (name, _) in &mut self.others {
            *name = name.strip_prefix(&prefix).unwrap_or(name).to_owned();
        }
        debug_assert!(taken_off >= count);
        Some((prefix, taken_off))
    }

    /// The shape of a tensor, if it exists.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.tensors.iter().find(|t| t.name == name).map(|t| &t.shape[..])
    }

    /// The values of the tensor with this name and shape.
    ///
    /// # Errors
    /// If there is none, it has a different shape, or it does not contain finite floating-point numbers.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&[f32], CheckpointError> {
        let error = |expected: &str, found| CheckpointError::Tensor {
            path: self.tensors.path.clone(),
            tensor: name.to_owned(),
            expected: expected.to_owned(),
            found,
        };
        if let Some((_, dtype)) = self.others.iter().find(|(other, _)| other == name) {
            let found = format!("{dtype}; quantised weights must be dequantised by the program that made them");
            return Err(error("numbers of type F64, F32, F16 or BF16", found));
        }
        let values = self.tensors.tensor(name, shape)?;
        match values.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(error(
                "finite numbers",
                format!("{} at element {i}; the training that made them diverged", values[i]),
            )),
            None => Ok(values),
        }
    }
}

/// The prefix of a name, and the name without it.
fn wrapped(name: &str) -> (&str, &str) {
    let mut rest = name;
    while let Some(inner) = WRAPPERS.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = inner;
    }
    name.split_at(name.len() - rest.len())
}
