//! The batches of one epoch.

use super::{Batch, LoaderError};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

/// The batches of one epoch, in order. Dropping it early stops the workers.
#[derive(Debug)]
pub struct Epoch {
    pub(super) receivers: Vec<Receiver<Result<Batch, LoaderError>>>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// The first piece, the next one, their number in a whole epoch, and the number per full batch.
    pub(super) begin: usize,
    pub(super) next: usize,
    pub(super) pieces: usize,
    pub(super) of_batch: usize,
}

impl Epoch {
    /// The next piece: a worker closes its channel early only after it has sent an error, and nothing is read after an error.
    fn piece(&mut self) -> Option<Result<Batch, LoaderError>> {
        let received = self.receivers[(self.next - self.begin) % self.receivers.len()].recv().ok();
        self.next = if matches!(received, Some(Ok(_))) { self.next + 1 } else { self.pieces };
        received
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.pieces {
            return None;
        }
        let end = self.pieces.min(self.next + self.of_batch);
        let mut whole = match self.piece()? {
            Ok(first) => first,
            error => return Some(error),
        };
        while self.next < end {
            match self.piece()? {
                Ok(piece) => {
                    whole.images.extend(piece.images);
                    whole.labels.extend(piece.labels);
                    if let Some((mixture, further)) = whole.mixture.as_mut().zip(piece.mixture) {
                        mixture.extend(further);
                    }
                }
                error => return Some(error),
            }
        }
        Some(Ok(whole))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Without receivers the next send of every worker fails, which ends it.
        self.receivers.clear();
        for thread in self.threads.drain(..) {
            // Workers catch their panics, so joining cannot fail.
            let _ = thread.join();
        }
    }
}
