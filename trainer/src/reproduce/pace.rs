//! How many items of a study are done, and the time that the others will take.

use crate::words::human;
use std::sync::Mutex;
use std::time::Duration;

/// What the items done so far took.
pub struct Pace {
    items: usize,
    jobs: usize,
    taken: Mutex<Vec<Duration>>,
}

impl Pace {
    /// Of this number of items, done by this number of jobs at once.
    pub fn new(items: usize, jobs: usize) -> Pace {
        Pace { items, jobs, taken: Mutex::default() }
    }

    /// Counts an item that took this long; says how many are done, and about how long the rest will take.
    pub fn done(&self, took: Duration) -> String {
        /// Items that took less than this share of the longest one were finished before.
        const TRIFLE: f64 = 0.1;
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        taken.push(took);
        let (done, items) = (taken.len(), self.items);
        let longest = taken.iter().max().copied().unwrap_or_default();
        let made: Vec<f64> =
            taken.iter().filter(|t| **t >= longest.mul_f64(TRIFLE)).map(Duration::as_secs_f64).collect();
        let mean = made.iter().sum::<f64>() / made.len().max(1) as f64;
        let left = mean * (items - done.min(items)).div_ceil(self.jobs.max(1)) as f64;
        match Duration::try_from_secs_f64(left) {
            Ok(left) if done < items && longest >= Duration::from_secs(1) => {
                format!("{done} of {items} done, about {} left", human(left))
            }
            _ => format!("{done} of {items} done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_were_finished_before_tell_nothing_of_the_others() {
        let pace = Pace::new(5, 2);
        assert_eq!(pace.done(Duration::from_millis(3)), "1 of 5 done");
        assert_eq!(
            pace.done(Duration::from_secs(60)),
            format!("2 of 5 done, about {} left", human(Duration::from_secs(120)))
        );
        assert_eq!(
            pace.done(Duration::from_secs(20)),
            format!("3 of 5 done, about {} left", human(Duration::from_secs(40)))
        );
        pace.done(Duration::from_secs(20));
        assert_eq!(pace.done(Duration::from_secs(20)), "5 of 5 done");
    }
}
