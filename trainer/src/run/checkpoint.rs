//! Named f32 tensors and notes in a safetensors file: what a run needs to go on or to be evaluated.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::atomic::write_atomically;
use super::classes::CLASSES;
use crate::config::nearest;

/// The one key of the file's own metadata. All notes stand in it as one JSON object, because safetensors writes several
/// keys in an order of chance, and the same run must write the same bytes.
const NOTES: &str = "lethe";

/// A tensor with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its name, unique in a file.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub data: Vec<f32>,
}

/// The content of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
    /// Notes: the step, the random state, whatever is no tensor.
    pub notes: BTreeMap<String, String>,
    /// The file it was read from, for messages; empty for one that was not.
    pub path: PathBuf,
}

/// A checkpoint that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read the checkpoint {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written; the one before it is still there.
    #[error("cannot write the checkpoint {}: {source}; the last one is kept", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not safetensors, or cut off.
    #[error("{} is no whole safetensors file: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A tensor is not what it should be.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Its model tells other classes apart than the data has.
    #[error(
        "{}: the model was trained on other classes than the data has now: {difference}; give the classes the names that they had, say with --data-dir where the images are, or train a new run", path.display()
    )]
    Classes {
        /// The file.
        path: PathBuf,
        /// What is different.
        difference: String,
    },
    /// A note is missing or not what it should be.
    #[error("{}: note `{note}`: expected {expected}, found {found}", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// The note.
        note: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl Checkpoint {
    /// Writes the checkpoint, replacing the file in one piece.
    ///
    /// # Errors
    /// If it cannot be written; the file that was there stays then.
    ///
    /// # Panics
    /// If two tensors have one name, or a tensor has another number of values than its shape says.
    #[track_caller]
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let notes = serde_json::to_string(&self.notes).expect("strings can be written as JSON");
        write(path, self.tensors.iter(), &[(NOTES, &notes)])
    }

    /// Writes some of its tensors alone, marked as PyTorch's own files are, with the names of the classes.
    ///
    /// # Errors
    /// As [`Checkpoint::save`].
    ///
    /// # Panics
    /// As [`Checkpoint::save`].
    #[track_caller]
    pub fn save_weights(&self, tensors: &[&NamedTensor], path: &Path) -> Result<(), CheckpointError> {
        let kept: BTreeMap<_, _> = self.notes.iter().filter(|(note, _)| *note == CLASSES).collect();
        let notes = serde_json::to_string(&kept).expect("strings can be written as JSON");
        write(path, tensors.iter().copied(), &[("format", "pt"), (NOTES, &notes)])
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// If the file cannot be read, is no whole safetensors file, or holds a tensor that is not f32.
    pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
        Ok(read(path, Origin::Lethe)?.0)
    }

    /// Reads the weights of a file that another program may have written: floating-point numbers of any width, as f32. Tensors of whole numbers and truth
    /// values, such as batch norm's counters, hold no weights: they are left out, and the names of all but those counters returned.
    ///
    /// # Errors
    /// If the file cannot be read, is no whole safetensors file, or holds a tensor of another type.
    pub fn load_weights(path: &Path) -> Result<(Checkpoint, Vec<String>), CheckpointError> {
        let (file, mut others) = read(path, Origin::Any)?;
        others.retain(|name| !name.ends_with(".num_batches_tracked"));
        Ok((file, others))
    }

    /// The values of the tensor of this name and shape.
    ///
    /// # Errors
    /// If there is none, or it has another shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&[f32], CheckpointError> {
        let error = |found| CheckpointError::Tensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
            expected: format!("shape {shape:?}"),
            found,
        };
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            let names: Vec<&str> = self.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
            let near = nearest(name, &names).map_or_else(String::new, |near| format!(" (but there is `{near}`)"));
            return Err(error(format!("no such tensor{near}")));
        };
        if tensor.shape == shape { Ok(&tensor.data) } else { Err(error(format!("shape {:?}", tensor.shape))) }
    }

    /// The whole number that stands in a note.
    ///
    /// # Errors
    /// If there is no such note, or it is no number.
    pub fn number(&self, note: &str) -> Result<u64, CheckpointError> {
        let text = self.notes.get(note);
        text.and_then(|text| text.parse().ok()).ok_or_else(|| CheckpointError::Note {
            path: self.path.clone(),
            note: note.to_owned(),
            expected: "a whole number".to_owned(),
            found: text.map_or_else(|| "nothing".to_owned(), |text| format!("\"{text}\"")),
        })
    }

    /// Whether a note stands there with this text.
    ///
    /// # Errors
    /// If it does not.
    pub fn expect(&self, note: &str, text: &str) -> Result<(), CheckpointError> {
        match self.notes.get(note) {
            Some(found) if found == text => Ok(()),
            found => Err(CheckpointError::Note {
                path: self.path.clone(),
                note: note.to_owned(),
                expected: text.to_owned(),
                found: found.cloned().unwrap_or_else(|| "nothing".to_owned()),
            }),
        }
    }
}

/// Writes tensors, in the order of their names, and metadata, replacing the file in one piece.
#[track_caller]
fn write<'a>(
    path: &Path,
    tensors: impl Iterator<Item = &'a NamedTensor>,
    notes: &[(&str, &str)],
) -> Result<(), CheckpointError> {
    let mut bytes: BTreeMap<&str, (Vec<u8>, &[usize])> = BTreeMap::new();
    for NamedTensor { name, shape, data } in tensors {
        let count: usize = shape.iter().product();
        assert!(count == data.len(), "checkpoint: `{name}` has {} values for the shape {shape:?}", data.len());
        let values = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(bytes.insert(name, (values, shape)).is_none(), "checkpoint: two tensors are named `{name}`");
    }
    let views = bytes.iter().map(|(name, (values, shape))| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), values).expect("the length was checked above");
        (*name, view)
    });
    let metadata = notes.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect::<HashMap<_, _>>();
    let error = |source| CheckpointError::Write { path: path.to_owned(), source };
    let file = safetensors::serialize(views, Some(metadata)).map_err(|e| error(io::Error::other(e.to_string())))?;
    write_atomically(path, &[&file]).map_err(error)
}

/// Who wrote a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// This program: every tensor is f32.
    Lethe,
    /// Whoever.
    Any,
}

/// The tensors of a file with the notes of Lethe's metadata, and the names of those of whole numbers, which only others' files may hold.
fn read(path: &Path, origin: Origin) -> Result<(Checkpoint, Vec<String>), CheckpointError> {
    let file = fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
    let malformed = |message: String| CheckpointError::Malformed { path: path.to_owned(), message };
    let (_, header) = SafeTensors::read_metadata(&file).map_err(|e| malformed(e.to_string()))?;
    let content = SafeTensors::deserialize(&file).map_err(|e| malformed(e.to_string()))?;
    let notes = header.metadata().as_ref().and_then(|m| m.get(NOTES));
    let notes = notes.map_or(Ok(BTreeMap::new()), |notes| serde_json::from_str(notes));
    let notes = notes.map_err(|e| malformed(format!("its metadata under `{NOTES}`: {e}")))?;
    let (mut tensors, mut others) = (Vec::new(), Vec::new());
    for (name, view) in content.iter() {
        let dtype = view.dtype();
        if origin == Origin::Any && is_whole(dtype) {
            others.push(name.to_owned());
            continue;
        }
        let data = if origin == Origin::Lethe && dtype != Dtype::F32 { None } else { floats(&view) };
        let data = data.ok_or_else(|| CheckpointError::Tensor {
            path: path.to_owned(),
            tensor: name.to_owned(),
            expected: if origin == Origin::Lethe { "type F32" } else { "type F64, F32, F16 or BF16" }.to_owned(),
            found: format!("{dtype:?}"),
        })?;
        tensors.push(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), data });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((Checkpoint { tensors, notes, path: path.to_owned() }, others))
}

/// The numbers of a tensor as f32, if they are floating-point numbers of a common width.
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

fn is_whole(dtype: Dtype) -> bool {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(dtype, BOOL | I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let tensor = |name: &str, shape: &[usize], data: &[f32]| NamedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data: data.to_vec(),
        };
        Checkpoint {
            tensors: vec![
                tensor("blocks.0.weight", &[2, 3], &[0.0, -0.0, 1.5, f32::MIN_POSITIVE, f32::MAX, 1e-45]),
                tensor("empty", &[0, 4], &[]),
                tensor("scalar", &[], &[f32::NAN]),
            ],
            notes: (0..20).map(|i| (format!("note {i}"), i.to_string())).collect(),
            path: PathBuf::new(),
        }
    }

    fn bits(checkpoint: &Checkpoint) -> Vec<(&str, &[usize], Vec<u32>)> {
        let tensors = checkpoint.tensors.iter();
        tensors.map(|t| (&*t.name, &*t.shape, t.data.iter().map(|v| v.to_bits()).collect())).collect()
    }

    #[test]
    fn what_is_saved_is_read_back_bit_for_bit_and_writes_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        paths.iter().for_each(|path| checkpoint().save(path).unwrap());
        assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
        let read = Checkpoint::load(&paths[0]).unwrap();
        assert_eq!(bits(&read), bits(&checkpoint()));
        assert_eq!((read.notes.clone(), read.path), (checkpoint().notes, paths[0].clone()));
    }

    #[test]
    fn tensors_and_notes_are_asked_for_by_name_and_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        checkpoint().save(&path).unwrap();
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!(read.tensor("blocks.0.weight", &[2, 3]).unwrap()[2], 1.5);
        assert_eq!(read.number("note 7").unwrap(), 7);
        let shape = read.tensor("blocks.0.weight", &[3, 2]).unwrap_err().to_string();
        assert!(shape.contains("run.safetensors: tensor `blocks.0.weight`: expected shape [3, 2], found shape [2, 3]"));
        let name = read.tensor("blocks.1.weight", &[2, 3]).unwrap_err().to_string();
        assert!(name.contains("found no such tensor (but there is `blocks.0.weight`)"), "{name}");
        let note = read.number("step").unwrap_err().to_string();
        assert!(note.contains("note `step`: expected a whole number, found nothing"), "{note}");
    }

    #[test]
    fn broken_files_are_errors_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        assert!(Checkpoint::load(&path).unwrap_err().to_string().contains("run.safetensors: "));
        checkpoint().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in [0, 7, 8, 100, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let message = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(message.contains("run.safetensors is no whole safetensors file"), "{message}");
        }
        let view = TensorView::new(Dtype::F64, vec![1], &[0; 8]).unwrap();
        fs::write(&path, safetensors::serialize([("a", view)], None).unwrap()).unwrap();
        let message = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(message.contains("tensor `a`: expected type F32, found F64"), "{message}");
    }

    #[test]
    fn a_checkpoint_that_cannot_be_written_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        checkpoint().save(&path).unwrap();
        // The partial file's name is taken by a folder, so that it cannot be made.
        fs::create_dir(folder.path().join("run.safetensors.partial")).unwrap();
        let message = Checkpoint::default().save(&path).unwrap_err().to_string();
        assert!(message.contains("the last one is kept"), "{message}");
        assert_eq!(bits(&Checkpoint::load(&path).unwrap()), bits(&checkpoint()));
    }
}
