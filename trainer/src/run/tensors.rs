//! Named tensors in safetensors files: Lethe's own, which have a checksum, and those of other programs.

use super::checkpoint_error::CheckpointError;
use super::foreign::{self, Foreign};
use super::seal::{self, Sealed};
use crate::files;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The key of Lethe's notes in a file's metadata: one JSON object with all notes.
const NOTES: &str = "lethe";

/// A tensor with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its name, unique in a file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, in row-major order.
    pub data: Vec<f32>,
}

/// The program that wrote a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Lethe: the file has a checksum, and every tensor is f32.
    Lethe,
    /// Any program. Files written by Lethe have a checksum here too.
    Any,
}

/// The contents of a file.
pub struct Content {
    /// The tensors of floating-point numbers, by name.
    pub tensors: Vec<NamedTensor>,
    /// Lethe's notes.
    pub notes: BTreeMap<String, String>,
    /// The tensors of other types, which only files of other programs may contain: name and type.
    pub others: Vec<(String, String)>,
    /// How many tensors were converted to f32, by their type.
    pub converted: BTreeMap<String, usize>,
}

/// The header of a safetensors file. Its keys are written in a fixed order, since the same run writes the same bytes.
#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// The bytes of a file with a checksum: tensors sorted by name, notes, and metadata for other programs.
///
/// # Panics
/// If two tensors have the same name, or the number of a tensor's values does not match its shape.
#[track_caller]
pub fn bytes(tensors: &[&NamedTensor], notes: &BTreeMap<String, String>, metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut sorted: Vec<&NamedTensor> = tensors.to_vec();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut entries = BTreeMap::new();
    let mut end = 0;
    for NamedTensor { name, shape, data } in &sorted {
        let count: usize = shape.iter().product();
        assert!(count == data.len(), "checkpoint: `{name}` has {} values for the shape {shape:?}", data.len());
        let entry = Entry { dtype: "F32", shape, data_offsets: [end, end + 4 * count] };
        assert!(entries.insert(name.as_str(), entry).is_none(), "checkpoint: two tensors are named `{name}`");
        end += 4 * count;
    }
    let notes = seal::unsealed(notes);
    let metadata = metadata.iter().copied().chain([(NOTES, notes.as_str())]).collect();
    let mut header = serde_json::to_vec(&Header { metadata, tensors: entries }).expect("plain values are JSON");
    // Trailing spaces are valid JSON; they make the numbers start at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Vec::with_capacity(8 + header.len() + end);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    sorted.iter().for_each(|t| file.extend(t.data.iter().flat_map(|v| v.to_le_bytes())));
    seal::seal(&mut file);
    file
}

/// Reads a file, and verifies its checksum if Lethe wrote it.
pub fn read(path: &Path, origin: Origin) -> Result<Content, CheckpointError> {
    let failed = |source: io::Error| CheckpointError::Read { path: path.to_owned(), source };
    if let Some(Foreign { what, advice }) = foreign::recognise(path).map_err(failed)? {
        return Err(CheckpointError::Foreign { path: path.to_owned(), what, advice });
    }
    let file = files::read(path).map_err(failed)?;
    let malformed = |message: String| CheckpointError::Malformed { path: path.to_owned(), message };
    let cut = |e: SafeTensorError| malformed(explain(&e, &file));
    let (_, header) = SafeTensors::read_metadata(&file).map_err(cut)?;
    let sealed = header.metadata().iter().flatten().find(|(key, text)| *key == NOTES || seal::is_sealed(text));
    let notes = match sealed {
        Some((_, text)) => unseal(path, &file, text)?,
        None if origin == Origin::Lethe => return Err(CheckpointError::NoChecksum { path: path.to_owned() }),
        None => BTreeMap::new(),
    };
    let views = SafeTensors::deserialize(&file).map_err(cut)?;
    let (mut tensors, mut others, mut converted) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (name, view) in views.iter() {
        let dtype = view.dtype();
        let Some(data) = floats(&view) else {
            others.push((name.to_owned(), format!("{dtype:?}")));
            continue;
        };
        if dtype != Dtype::F32 {
            *converted.entry(format!("{dtype:?}")).or_default() += 1;
        }
        if dtype == Dtype::F64 && data.iter().zip(view.data().as_chunks::<8>().0).any(overflows) {
            return Err(CheckpointError::Tensor {
                path: path.to_owned(),
                tensor: name.to_owned(),
                expected: "numbers within the range of f32".to_owned(),
                found: "F64 numbers beyond 3.4e38".to_owned(),
            });
        }
        tensors.push(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), data });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    others.sort();
    Ok(Content { tensors, notes, others, converted })
}

/// The notes in a metadata text of Lethe, if the checksum matches the file.
fn unseal(path: &Path, file: &[u8], text: &str) -> Result<BTreeMap<String, String>, CheckpointError> {
    if !seal::is_sealed(text) {
        return Err(CheckpointError::NoChecksum { path: path.to_owned() });
    }
    let damaged = |written: &str, found: Option<String>| CheckpointError::Damaged {
        path: path.to_owned(),
        written: written.to_owned(),
        found: found.unwrap_or_else(|| "none".to_owned()),
    };
    let found = seal::computed(file);
    let Ok(Sealed { checksum, notes }) = serde_json::from_str(text) else { return Err(damaged("?", found)) };
    // Compared as text: an upper-case digit is a changed bit too.
    if found.as_deref() == Some(&checksum) { Ok(notes.into_owned()) } else { Err(damaged(&checksum, found)) }
}

/// What is wrong with a file, with its size if it is truncated.
fn explain(error: &SafeTensorError, file: &[u8]) -> String {
    match error {
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
            format!("it ends within its header, after {} bytes", file.len())
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!(
                "its size, {} bytes, does not match its header; it is truncated or was not downloaded completely",
                file.len()
            )
        }
        other => other.to_string(),
    }
}

fn overflows((narrow, wide): (&f32, &[u8; 8])) -> bool {
    narrow.is_infinite() && f64::from_le_bytes(*wide).is_finite()
}

/// The values of a tensor as f32, if they are of a common floating-point type.
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    let halves = |f: fn([u8; 2]) -> f32| data.as_chunks::<2>().0.iter().map(|b| f(*b)).collect();
    Some(match view.dtype() {
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => halves(|b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => halves(|b| bf16::from_le_bytes(b).to_f32()),
        _ => return None,
    })
}
