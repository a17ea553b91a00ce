//! Checkpoints: named f32 tensors and notes in a safetensors file, which a run needs to be resumed or evaluated.

use super::checkpoint_error::CheckpointError;
use super::tensors::{self, Content, NamedTensor, Origin};
use crate::config::nearest;
use lethe_nn::atomic::{write_atomically, write_keeping};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The note with the names of the classes, in checkpoints and in exported files.
pub(super) const CLASSES: &str = "classes";

/// The prefix of the names of the averaged parameters and running statistics.
pub const EMA: &str = "ema.";

/// The content of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
    /// Notes: the number of updates, the config, and whatever else is not a tensor.
    pub notes: BTreeMap<String, String>,
    /// The file it was read from, for messages; empty if it was not read from a file.
    pub path: PathBuf,
}

/// The contents of a file of weights, whichever program wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The tensors of floating-point numbers.
    pub tensors: Checkpoint,
    /// The tensors of integers, booleans and other types, which hold no weights that Lethe can load: name and type.
    pub others: Vec<(String, String)>,
    /// How many tensors were converted to f32, by their type.
    pub converted: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// The same with the moving averages of the parameters and running statistics in place of them.
    ///
    /// # Errors
    /// If it has none.
    pub fn averaged(mut self) -> Result<Checkpoint, CheckpointError> {
        let (averages, mut others): (Vec<_>, Vec<_>) =
            self.tensors.into_iter().partition(|tensor| tensor.name.starts_with(EMA));
        if averages.is_empty() {
            return Err(CheckpointError::NoAverage { path: self.path });
        }
        for mut average in averages {
            average.name.drain(..EMA.len());
            others.retain(|tensor| tensor.name != average.name);
            others.push(average);
        }
        self.tensors = others;
        Ok(self)
    }

    /// Writes the checkpoint, replacing the file atomically, with a checksum over all of its bytes.
    ///
    /// # Errors
    /// If it cannot be written; then the old file is kept.
    ///
    /// # Panics
    /// If two tensors have the same name, or the number of a tensor's values does not match its shape.
    #[track_caller]
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        self.save_by(path, |bytes| write_atomically(path, &[bytes]))
    }

    /// The same, and the old file becomes `previous`. If the program is killed meanwhile, at least one of the two is complete.
    ///
    /// # Errors
    /// As [`Checkpoint::save`].
    ///
    /// # Panics
    /// As [`Checkpoint::save`].
    #[track_caller]
    pub fn save_keeping(&self, path: &Path, previous: &Path) -> Result<(), CheckpointError> {
        self.save_by(path, |bytes| write_keeping(path, previous, &[bytes]))
    }

    #[track_caller]
    fn save_by(&self, path: &Path, write: impl Fn(&[u8]) -> io::Result<()>) -> Result<(), CheckpointError> {
        let bytes = tensors::bytes(&self.tensors.iter().collect::<Vec<_>>(), &self.notes, &[]);
        write(&bytes).map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
    }

    /// The bytes of a file with some of its tensors only, marked as PyTorch's own files are, with the names of the classes, and a checksum for runs
    /// that start from it.
    ///
    /// # Panics
    /// As [`Checkpoint::save`].
    #[track_caller]
    pub fn weights(&self, tensors: &[&NamedTensor]) -> Vec<u8> {
        let kept = self.notes.iter().filter(|(note, _)| *note == CLASSES);
        let kept = kept.map(|(note, text)| (note.clone(), text.clone())).collect();
        tensors::bytes(tensors, &kept, &[("format", "pt")])
    }

    /// Reads a checkpoint, and verifies its checksum.
    ///
    /// # Errors
    /// If the file cannot be read, is not a complete safetensors file, is damaged, or was not written as a checkpoint.
    pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let Content { tensors, notes, .. } = tensors::read(path, Origin::Lethe)?;
        Ok(Checkpoint { tensors, notes, path: path.to_owned() })
    }

    /// Reads the weights of a file that another program may have written: floating-point numbers of any common type, as f32.
    ///
    /// # Errors
    /// If the file cannot be read, is not a complete safetensors file, contains f64 numbers beyond the range of f32, or was written by Lethe and is
    /// damaged.
    pub fn load_weights(path: &Path) -> Result<Weights, CheckpointError> {
        let Content { tensors, notes, others, converted } = tensors::read(path, Origin::Any)?;
        Ok(Weights { tensors: Checkpoint { tensors, notes, path: path.to_owned() }, others, converted })
    }

    /// The values of the tensor with this name and shape.
    ///
    /// # Errors
    /// If there is none, or it has a different shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&[f32], CheckpointError> {
        let error = |found| CheckpointError::Tensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
            expected: format!("shape {shape:?}"),
            found,
        };
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            let names: Vec<&str> = self.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
            let within = names.iter().copied().find(|found| found.strip_suffix(name).is_some_and(|p| p.ends_with('.')));
            let near = within
                .or_else(|| nearest(name, &names))
                .map_or_else(String::new, |near| format!(" (but there is `{near}`)"));
            return Err(error(format!("no such tensor{near}")));
        };
        if tensor.shape == shape { Ok(&tensor.data) } else { Err(error(format!("shape {:?}", tensor.shape))) }
    }

    /// The number that a note contains: a whole one, or a real one that is read back to the last bit.
    ///
    /// # Errors
    /// If there is no such note, or it is not such a number.
    pub fn number<N: FromStr>(&self, note: &str) -> Result<N, CheckpointError> {
        let text = self.notes.get(note);
        text.and_then(|text| text.parse().ok()).ok_or_else(|| CheckpointError::Note {
            path: self.path.clone(),
            note: note.to_owned(),
            expected: "a number".to_owned(),
            found: text.map_or_else(|| "nothing".to_owned(), |text| format!("\"{text}\"")),
        })
    }

    /// Checks that a note with this text exists.
    ///
    /// # Errors
    /// If it does not exist or has a different text.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
        assert_eq!(read.number::<u64>("note 7").unwrap(), 7);
        let shape = read.tensor("blocks.0.weight", &[3, 2]).unwrap_err().to_string();
        assert!(shape.contains("run.safetensors: tensor `blocks.0.weight`: expected shape [3, 2], found shape [2, 3]"));
        let name = read.tensor("blocks.1.weight", &[2, 3]).unwrap_err().to_string();
        assert!(name.contains("found no such tensor (but there is `blocks.0.weight`)"), "{name}");
        let note = read.number::<u64>("step").unwrap_err().to_string();
        assert!(note.contains("note `step`: expected a number, found nothing"), "{note}");
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
            let part = if length == 0 { "is an empty file" } else { "is not a complete safetensors file" };
            assert!(message.contains("run.safetensors ") && message.contains(part), "{message}");
        }
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
        fs::write(&path, safetensors::serialize([("a", view)], None).unwrap()).unwrap();
        let message = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(message.contains("contains no checksum"), "{message}");
        assert_eq!(Checkpoint::load_weights(&path).unwrap().tensors.tensors.len(), 1);
    }

    /// Any changed byte is noticed: of lengths, names, notes, the checksum itself, padding or numbers.
    #[test]
    fn every_flipped_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        checkpoint().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for flip in [0x01, 0x20, 0x80, 0x29] {
                let mut file = whole.clone();
                file[at] ^= flip;
                fs::write(&path, &file).unwrap();
                let read = [Checkpoint::load(&path).err(), Checkpoint::load_weights(&path).err()];
                assert!(read.iter().all(Option::is_some), "byte {at} ^ {flip:#x} passes");
            }
        }
        let error = Checkpoint::load_weights(&path).unwrap_err().to_string();
        assert!(error.contains("run.safetensors is damaged: it was written with the checksum"), "{error}");
    }

    #[test]
    fn two_checkpoints_are_kept_and_the_older_one_is_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let [path, previous] = ["now", "before"].map(|name| folder.path().join(name));
        let numbered = |n: u64| Checkpoint { notes: [("n".to_owned(), n.to_string())].into(), ..checkpoint() };
        let number = |path: &Path| Checkpoint::load(path).unwrap().number::<u64>("n").unwrap();
        numbered(1).save_keeping(&path, &previous).unwrap();
        assert!(!previous.exists());
        for n in 2..4 {
            numbered(n).save_keeping(&path, &previous).unwrap();
            assert_eq!((number(&path), number(&previous)), (n, n - 1));
        }
    }

    #[test]
    fn a_checkpoint_that_cannot_be_written_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let [path, previous] = ["run.safetensors", "previous"].map(|name| folder.path().join(name));
        checkpoint().save(&path).unwrap();
        // A folder cannot be replaced by a file.
        fs::create_dir_all(previous.join("inside")).unwrap();
        let message = Checkpoint::default().save_keeping(&path, &previous).unwrap_err().to_string();
        assert!(message.contains("no earlier checkpoint was changed"), "{message}");
        assert_eq!(bits(&Checkpoint::load(&path).unwrap()), bits(&checkpoint()));
    }
}
