//! `epochs.csv`: a row for each epoch, for spreadsheets. It follows from `metrics.jsonl`, and the same run writes the same bytes.

use super::error::RunError;
use super::files::EPOCHS;
use super::folder::RunFolder;
use super::history::History;

const HEAD: &str = "epoch,updates,lr,rho,train_loss,train_accuracy,test_loss,test_accuracy,ema_loss,ema_accuracy\n";

impl RunFolder {
    /// Writes the table anew. Of the updates only the last one of each epoch is needed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_epochs(&self, history: &History) -> Result<(), RunError> {
        self.replace(EPOCHS, table(history).as_bytes())
    }
}

/// Epochs counted from 1; what was not measured after an epoch is left empty. Rate and radius are those of its last update.
fn table(history: &History) -> String {
    let cell = |number: Option<f64>| number.map_or_else(String::new, |x| x.to_string());
    let row = |epoch: &super::history::Epoch| {
        let last = history.updates.iter().rev().find(|update| update.epoch == epoch.epoch);
        let test = history.tests.iter().rev().find(|test| test.epoch == epoch.epoch);
        let numbers = [
            last.map(|u| u.lr),
            last.map(|u| u.rho),
            epoch.train_loss,
            epoch.train_accuracy,
            test.map(|t| t.test_loss),
            test.map(|t| t.test_accuracy),
            test.and_then(|t| t.ema_loss),
            test.and_then(|t| t.ema_accuracy),
        ];
        let updates = last.map_or_else(String::new, |u| (u.update + 1).to_string());
        format!("{},{updates},{}\n", epoch.epoch + 1, numbers.map(cell).join(","))
    };
    HEAD.to_owned() + &history.epochs.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::super::history::{Epoch, Test, Update};
    use super::*;

    #[test]
    fn what_was_not_measured_is_left_empty() {
        let update = |update, epoch| Update {
            update,
            epoch,
            loss: 1.0,
            perturbed_loss: 1.0,
            accuracy: 0.0,
            lr: 0.5,
            rho: 0.0,
            grad_norm: 1.0,
        };
        let epoch = |epoch, train_loss| Epoch { epoch, train_loss, train_accuracy: train_loss };
        let history = History {
            updates: vec![update(0, 0), update(1, 0), update(2, 1)],
            epochs: vec![epoch(0, Some(1.5)), epoch(1, None)],
            tests: vec![Test {
                epoch: 1,
                test_accuracy: 50.0,
                test_loss: 0.25,
                ema_accuracy: None,
                ema_loss: Some(0.5),
            }],
            ..History::default()
        };
        assert_eq!(table(&history), format!("{HEAD}1,2,0.5,0,1.5,1.5,,,,\n2,3,0.5,0,,,0.25,50,0.5,\n"));
    }
}
