//! Run folders: a run's config, logs, checkpoints and results.
//!
//! | file | contents |
//! | --- | --- |
//! | `config.toml` | the config with every default written out |
//! | `data.txt` | the numbers of training and test images, their checksums, and the folder that they were read from |
//! | `metrics.jsonl` | a line per update, epoch and evaluation, without clock times: the same run writes the same bytes |
//! | `timing.jsonl` | the clock times of epochs |
//! | `checkpoint.safetensors` | θ, the state, the optimiser's vectors and the config, after the last update that was saved |
//! | `checkpoint-previous.safetensors` | the checkpoint before it |
//! | `epochs.csv` | a row for each epoch |
//! | `processes.jsonl`, `log.txt` | which processes trained the run, and what happened when |
//! | `tensorboard/` | with `tensorboard`, event files |
//! | `changes.jsonl` | what `lethe resume --set` changed, and when |
//! | `checkpoint-best.safetensors` | with `best`, the checkpoint with the best evaluation |
//! | `checkpoints/` | with `keep_checkpoints`, those of epochs: `epoch-025.safetensors` |
//! | `summary.json` | the result |
//! | `analysis/` | a JSON file per analysis: `epoch-025.json`, `forgetting.json`, `sharpness.json` |
//! | `lock` | nothing; it is locked while a program writes the folder |
//!
//! Files are replaced atomically; the two logs grow line by line.

mod board;
mod changes;
mod checkpoint;
mod checkpoint_error;
mod checkpoints;
mod classes;
mod clock;
mod epochs;
mod error;
mod files;
mod folder;
mod foreign;
mod history;
mod journal;
mod log;
mod note;
mod records;
mod seal;
mod start;
mod tensors;
#[cfg(test)]
mod testing;

pub use board::Board;
pub use changes::Changed;
pub use checkpoint::{Checkpoint, EMA, Weights};
pub use checkpoint_error::CheckpointError;
pub use clock::timestamp;
pub use error::RunError;
pub use files::is_file_of_run;
pub use folder::RunFolder;
pub use history::{Epoch, Finished, History, Test, Update};
pub use journal::Journal;
pub use log::Log;
pub use start::Existing;
pub use tensors::NamedTensor;
