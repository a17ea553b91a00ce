//! `manifest.json`, and the tensors that it names.

use super::compare::Tolerance;
use lethe_tensor::{DType, Device, DeviceError, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A folder that cannot be run.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {reason}. A folder of cases holds manifest.json and the files that it names.")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The manifest is not of the format.
    #[error("{path} is not a manifest of cases: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Where it departs from the format.
        reason: serde_json::Error,
    },
    /// A safetensors file is damaged, or holds a type that cases do not have.
    #[error("{path}: {reason}")]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The device failed before the first case.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The manifest names a tensor that is not there.
    #[error("{file} holds no tensor {name}, which the manifest names")]
    Missing {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
    },
}

#[derive(Deserialize)]
struct Manifest {
    cases: Vec<CaseRecord>,
}

/// A case.
#[derive(Deserialize)]
pub struct CaseRecord {
    /// Its unique name.
    pub name: String,
    /// The operation.
    pub op: String,
    /// The safetensors file.
    pub file: String,
    /// Attributes of the operation.
    pub attrs: Map<String, Value>,
    /// In argument order.
    pub inputs: Vec<InputRecord>,
    /// What is expected.
    pub outputs: Vec<Named>,
    /// What is pulled back.
    #[serde(default)]
    pub cotangents: Vec<Named>,
    /// What is expected to arrive.
    #[serde(default)]
    pub grads: Vec<Gradient>,
    #[serde(default)]
    tags: Vec<String>,
    rtol: f64,
    atol: f64,
    gpu_rtol: f64,
    gpu_atol: f64,
    grad_rtol: Option<f64>,
    grad_atol: Option<f64>,
    gpu_grad_rtol: Option<f64>,
    gpu_grad_atol: Option<f64>,
}

impl CaseRecord {
    /// Whether it has a tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }

    /// The tolerance of outputs.
    pub fn tolerance(&self, cpu: bool) -> Tolerance {
        match cpu {
            true => Tolerance { relative: self.rtol, absolute: self.atol },
            false => Tolerance { relative: self.gpu_rtol, absolute: self.gpu_atol },
        }
    }

    /// The tolerance of gradients; that of outputs where none is given.
    pub fn grad_tolerance(&self, cpu: bool) -> Tolerance {
        let (relative, absolute) = match cpu {
            true => (self.grad_rtol, self.grad_atol),
            false => (self.gpu_grad_rtol, self.gpu_grad_atol),
        };
        let outputs = self.tolerance(cpu);
        Tolerance { relative: relative.unwrap_or(outputs.relative), absolute: absolute.unwrap_or(outputs.absolute) }
    }
}

/// An input: a contiguous tensor, and perhaps the same values as a view.
#[derive(Deserialize)]
pub struct InputRecord {
    /// The argument.
    pub arg: String,
    /// Its tensor.
    pub tensor: String,
    /// Its other form.
    pub view: Option<View>,
}

/// A view of another tensor.
#[derive(Deserialize)]
pub struct View {
    /// That tensor.
    pub base: String,
    /// Applied in order.
    pub steps: Vec<Step>,
}

/// A step of a view.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Step {
    /// Axis `i` of the result is axis `dims[i]`.
    Permute { dims: Vec<usize> },
    /// A range of an axis.
    Slice { axis: isize, start: usize, end: usize, step: usize },
    /// Axes reversed.
    Flip { axes: Vec<isize> },
    /// Broadcast.
    Expand { shape: Vec<usize> },
}

/// An output or a cotangent.
#[derive(Deserialize)]
pub struct Named {
    /// The output.
    pub name: String,
    /// Its tensor.
    pub tensor: String,
}

/// An expected gradient.
#[derive(Deserialize)]
pub struct Gradient {
    /// The input.
    pub arg: String,
    /// Its tensor.
    pub tensor: String,
}

/// The elements of a stored tensor, every type as doubles.
pub struct Values {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub data: Vec<f64>,
    dtype: Dtype,
}

impl Values {
    /// Whether they are numbers to compute with, rather than indices, labels or booleans.
    pub fn is_float(&self) -> bool {
        self.dtype == Dtype::F32
    }

    /// The tensor: numbers in `dtype`, indices and booleans as `U32`.
    pub fn tensor(&self, device: &Device, dtype: DType) -> Tensor {
        let floats = || self.data.iter().map(|&x| x as f32).collect::<Vec<_>>();
        match (self.is_float(), dtype) {
            (true, DType::F64) => Tensor::from_slice(device, &self.data, &self.shape),
            (true, _) => Tensor::from_slice(device, &floats(), &self.shape),
            (false, _) => {
                let integers: Vec<u32> = self.data.iter().map(|&x| x as u32).collect();
                Tensor::from_slice(device, &integers, &self.shape)
            }
        }
    }
}

/// A folder of cases.
pub struct Folder {
    /// The cases, in the manifest's order.
    pub cases: Vec<CaseRecord>,
    files: HashMap<String, HashMap<String, Values>>,
}

impl Folder {
    /// Reads the manifest and every file that it names.
    ///
    /// # Errors
    /// If one cannot be read or is not of its format.
    pub fn open(folder: &Path) -> Result<Folder, FolderError> {
        let path = folder.join("manifest.json");
        let manifest: Manifest =
            serde_json::from_slice(&read(&path)?).map_err(|reason| FolderError::Manifest { path, reason })?;
        let mut files = HashMap::new();
        for case in &manifest.cases {
            if !files.contains_key(&case.file) {
                files.insert(case.file.clone(), tensors(&folder.join(&case.file))?);
            }
        }
        Ok(Folder { cases: manifest.cases, files })
    }

    /// A tensor of a file.
    ///
    /// # Errors
    /// If it is not there.
    pub fn values(&self, file: &str, name: &str) -> Result<&Values, FolderError> {
        let found = self.files.get(file).and_then(|f| f.get(name));
        found.ok_or_else(|| FolderError::Missing { file: file.into(), name: name.into() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    std::fs::read(path).map_err(|reason| FolderError::Read { path: path.into(), reason })
}

/// All tensors of a file.
fn tensors(path: &Path) -> Result<HashMap<String, Values>, FolderError> {
    let bytes = read(path)?;
    let wrong = |reason: String| FolderError::Tensors { path: path.into(), reason };
    let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
    let mut all = HashMap::new();
    for (name, view) in file.iter() {
        let words = || view.data().as_chunks::<4>().0.iter();
        let data: Vec<f64> = match view.dtype() {
            Dtype::F32 => words().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::I32 => words().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
            Dtype::U8 => view.data().iter().map(|b| f64::from(*b)).collect(),
            other => return Err(wrong(format!("{name} is of type {other:?}; cases hold F32, I32 and U8"))),
        };
        all.insert(name.to_owned(), Values { shape: view.shape().to_vec(), data, dtype: view.dtype() });
    }
    Ok(all)
}
