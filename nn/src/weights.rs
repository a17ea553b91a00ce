//! θ and state as safetensors files, by the names of their layouts. A file that PyTorch's `state_dict` was saved to has the same names and shapes,
//! and loads as it is.
//!
//! Loading is strict: a tensor that is missing, unexpected, or of the wrong shape is an error that lists all of them, and nothing is changed. A file
//! is replaced whole or not at all.

use crate::atomic::write_atomically;
use crate::theta::{State, Theta};
use half::{bf16, f16};
use lethe_autograd::ParamLayout;
use lethe_tensor::{DType, DeviceError, Element, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why weights were not saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// These are not the bytes of a safetensors file, or not all of them.
    #[error("truncated or invalid safetensors file: {0}")]
    Format(String),
    /// The file holds other tensors than the layout names.
    #[error("the file does not fit the model:{}", differences.iter().map(|d| format!("\n  {d}")).collect::<String>())]
    Mismatch {
        /// All of them, in the order of the layout; what the layout does not name comes last.
        differences: Vec<Difference>,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An error with the file that it was met in.
    #[error("{}: {error}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// The error.
        error: Box<WeightsError>,
    },
}

/// How a file differs from a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The file lacks a tensor.
    Missing {
        /// Its name.
        name: String,
        /// Its shape in the layout.
        shape: Vec<usize>,
    },
    /// The layout names no such tensor.
    Unexpected {
        /// Its name.
        name: String,
        /// Its shape in the file.
        shape: Vec<usize>,
    },
    /// A tensor has the wrong shape.
    Shape {
        /// Its name.
        name: String,
        /// Its shape in the layout.
        expected: Vec<usize>,
        /// Its shape in the file.
        found: Vec<usize>,
    },
    /// A tensor holds something other than floating-point numbers of 16, 32 or 64 bits, or larger ones than the vector's type has.
    Type {
        /// Its name.
        name: String,
        /// What it holds.
        found: String,
    },
    /// A tensor does not have the numbers of the one that it is tied to.
    Untied {
        /// Its name.
        name: String,
        /// The parameter whose elements it shares.
        to: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing { name, shape } => write!(f, "missing: `{name}` {shape:?}"),
            Difference::Unexpected { name, shape } => write!(f, "unexpected: `{name}` {shape:?}"),
            Difference::Shape { name, expected, found } => {
                write!(f, "wrong shape: `{name}` should be {expected:?} and is {found:?}")
            }
            Difference::Type { name, found } => {
                write!(f, "wrong type: `{name}` is of {found}, which is not a float type that the model can hold")
            }
            Difference::Untied { name, to } => write!(f, "different numbers: `{name}` should have those of `{to}`"),
        }
    }
}

/// A vector that is saved and loaded, with the layout that names its parts.
type Part<'a> = (&'a Tensor, &'a ParamLayout);

/// Writes θ and state to one file, as PyTorch's `state_dict` has parameters and buffers.
///
/// # Errors
/// If the file cannot be written, or the device failed.
pub fn save(path: impl AsRef<Path>, theta: &Theta, state: &State) -> Result<(), WeightsError> {
    write(path.as_ref(), &[(theta.values(), theta.layout()), (state.values(), state.layout())])
}

/// Reads θ and state from such a file, or from one of PyTorch's. Its counters `num_batches_tracked` are passed over.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or does not hold just the tensors of both layouts; then neither is changed.
pub fn load(path: impl AsRef<Path>, theta: &mut Theta, state: &mut State) -> Result<(), WeightsError> {
    let parts = [(theta.values(), &**theta.layout()), (state.values(), &**state.layout())];
    let [new_theta, new_state] = read(path.as_ref(), parts)?;
    *theta = Theta::new(new_theta, theta.layout());
    *state = State::new(new_state, state.layout());
    Ok(())
}

impl Theta {
    /// Writes the parameters to a safetensors file; tied ones under each of their names.
    ///
    /// ```
    /// use lethe_nn::layers::Linear;
    /// use lethe_nn::Builder;
    /// use lethe_tensor::Device;
    ///
    /// let mut b = Builder::new();
    /// Linear::new(&mut b, 3, 2);
    /// let blueprint = b.finish();
    /// let (theta, _) = blueprint.init(&Device::cpu(), 0);
    /// let (mut other, _) = blueprint.init(&Device::cpu(), 1);
    /// let path = std::env::temp_dir().join(format!("theta-{}.safetensors", std::process::id()));
    /// theta.save(&path)?;
    /// other.load(&path)?;
    /// assert_eq!(other.values().to_vec::<f32>()?, theta.values().to_vec::<f32>()?);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), lethe_nn::WeightsError>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be written, or the device failed.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), WeightsError> {
        write(path.as_ref(), &[(self.values(), self.layout())])
    }

    /// Reads the parameters from a safetensors file. Numbers of other float types are converted; of tied parameters one name is enough.
    ///
    /// # Errors
    /// If the file cannot be read, is no safetensors file, or does not hold just the tensors of the layout; then nothing is changed.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), WeightsError> {
        let [values] = read(path.as_ref(), [(self.values(), self.layout())])?;
        *self = Theta::new(values, self.layout());
        Ok(())
    }
}

impl State {
    /// Writes the state to a safetensors file; [`crate::weights::save`] puts it beside θ.
    ///
    /// # Errors
    /// If the file cannot be written, or the device failed.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), WeightsError> {
        write(path.as_ref(), &[(self.values(), self.layout())])
    }

    /// Reads the state from a safetensors file.
    ///
    /// # Errors
    /// As [`Theta::load`].
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), WeightsError> {
        let [values] = read(path.as_ref(), [(self.values(), self.layout())])?;
        *self = State::new(values, self.layout());
        Ok(())
    }
}

/// θ and state as the bytes of a safetensors file, where there are no files.
///
/// # Errors
/// If the device failed.
pub fn to_bytes(theta: &Theta, state: &State) -> Result<Vec<u8>, WeightsError> {
    encode(&[(theta.values(), theta.layout()), (state.values(), state.layout())])
}

/// θ and state from such bytes.
///
/// # Errors
/// As [`load`], but for files.
pub fn from_bytes(bytes: &[u8], theta: &mut Theta, state: &mut State) -> Result<(), WeightsError> {
    let parts = [(theta.values(), &**theta.layout()), (state.values(), &**state.layout())];
    let [new_theta, new_state] = decode(bytes, parts)?;
    *theta = Theta::new(new_theta, theta.layout());
    *state = State::new(new_state, state.layout());
    Ok(())
}

fn write(path: &Path, parts: &[Part<'_>]) -> Result<(), WeightsError> {
    let bytes = encode(parts)?;
    write_atomically(path, &[&bytes]).map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

fn read<const N: usize>(path: &Path, parts: [Part<'_>; N]) -> Result<[Tensor; N], WeightsError> {
    let bytes = fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    decode(&bytes, parts).map_err(|error| WeightsError::In { path: path.to_owned(), error: Box::new(error) })
}

/// The bytes of a file: every name of every layout with its elements, in single precision, or in double where the vector is.
fn encode(parts: &[Part<'_>]) -> Result<Vec<u8>, WeightsError> {
    let mut vectors: Vec<(Dtype, Vec<u8>)> = vec![];
    for (values, _) in parts {
        vectors.push(match values.dtype() {
            DType::F64 => (Dtype::F64, values.to_vec::<f64>()?.iter().flat_map(|x| x.to_le_bytes()).collect()),
            _ => (
                Dtype::F32,
                values.to_dtype(DType::F32).to_vec::<f32>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ),
        });
    }
    let mut views = vec![];
    for ((dtype, bytes), (_, layout)) in vectors.iter().zip(parts) {
        let size = bytes.len() / layout.len().max(1);
        for (_, p) in layout.iter() {
            let part = &bytes[size * p.range().start..size * p.range().end];
            let view = TensorView::new(*dtype, p.shape.clone(), part).expect("a part has its shape's elements");
            views.push((&*p.name, view));
        }
    }
    Ok(safetensors::serialize(views, None).expect("names and shapes can be written"))
}

/// New vectors of these layouts, of the types and on the devices of the old ones.
fn decode<const N: usize>(bytes: &[u8], parts: [Part<'_>; N]) -> Result<[Tensor; N], WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(e.to_string()))?;
    let mut differences = vec![];
    let vectors = parts.map(|(old, layout)| match old.dtype() {
        DType::F64 => vector::<f64>(&file, old, layout, &mut differences),
        _ => vector::<f32>(&file, old, layout, &mut differences).to_dtype(old.dtype()),
    });
    let mut others: Vec<&str> = file.names();
    others.retain(|name| !counts_batches(name) && parts.iter().all(|(_, layout)| layout.find(name).is_none()));
    others.sort_unstable();
    differences.extend(others.into_iter().map(|name| Difference::Unexpected {
        name: name.to_owned(),
        shape: file.tensor(name).map(|t| t.shape().to_vec()).unwrap_or_default(),
    }));
    if differences.is_empty() { Ok(vectors) } else { Err(WeightsError::Mismatch { differences }) }
}

/// PyTorch's batch norms count batches, which nothing here depends on.
fn counts_batches(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

/// The vector of a layout, with what is wrong about it.
fn vector<T: Element>(
    file: &SafeTensors<'_>,
    old: &Tensor,
    layout: &ParamLayout,
    wrong: &mut Vec<Difference>,
) -> Tensor {
    let mut values = vec![T::default(); layout.len()];
    let mut filled = vec![None; layout.iter().count()];
    for (id, p) in layout.iter() {
        let name = || p.name.clone();
        let Ok(view) = file.tensor(&p.name) else { continue };
        if view.shape() != p.shape {
            let found = view.shape().to_vec();
            wrong.push(Difference::Shape { name: name(), expected: p.shape.clone(), found });
            filled[p.tied_to.unwrap_or(id).0] = Some(id);
            continue;
        }
        let Some(numbers) = numbers::<T>(&view) else {
            wrong.push(Difference::Type { name: name(), found: format!("{:?}", view.dtype()) });
            filled[p.tied_to.unwrap_or(id).0] = Some(id);
            continue;
        };
        let target = &mut values[p.range()];
        match filled[p.tied_to.unwrap_or(id).0].replace(id) {
            Some(first) if target.iter().zip(&numbers).any(|(a, b)| a.to_f64().to_bits() != b.to_f64().to_bits()) => {
                wrong.push(Difference::Untied { name: name(), to: layout.get(first).name.clone() });
            }
            _ => target.copy_from_slice(&numbers),
        }
    }
    let missing = layout.owned().filter(|(id, _)| filled[id.0].is_none());
    wrong.extend(missing.map(|(_, p)| Difference::Missing { name: p.name.clone(), shape: p.shape.clone() }));
    Tensor::from_slice(old.device(), &values, &[values.len()])
}

/// The numbers of a tensor, if they are floats of a common width.
fn numbers<T: Element>(view: &TensorView<'_>) -> Option<Vec<T>> {
    let data = view.data();
    let overflows = |wide: f64| wide.is_finite() && !T::from_f64(wide).to_f64().is_finite();
    let halves = |f: fn([u8; 2]) -> f64| data.as_chunks::<2>().0.iter().map(|b| T::from_f64(f(*b))).collect();
    Some(match view.dtype() {
        Dtype::F64 if data.as_chunks::<8>().0.iter().any(|b| overflows(f64::from_le_bytes(*b))) => return None,
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| T::from_f64(f64::from_le_bytes(*b))).collect(),
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| T::from_f64(f32::from_le_bytes(*b).into())).collect(),
        Dtype::F16 => halves(|b| f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => halves(|b| bf16::from_le_bytes(b).to_f64()),
        _ => return None,
    })
}
