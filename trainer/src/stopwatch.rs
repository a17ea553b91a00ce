//! A stopwatch that pauses while the process is stopped (Ctrl-Z, SIGSTOP, a sleeping machine): it measures the time that was available for computing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a thread looks at the clock.
const BEAT: Duration = Duration::from_millis(250);
/// A time between two looks that only a stopped process explains.
const LATE: Duration = Duration::from_secs(2);

/// A running stopwatch.
pub struct Stopwatch {
    shared: Arc<Shared>,
    beats: Option<JoinHandle<()>>,
}

struct Shared {
    time: Mutex<Time>,
    /// Notified when the stopwatch is dropped.
    ended: Condvar,
}

struct Time {
    counted: Duration,
    last: Instant,
    ended: bool,
}

impl Time {
    fn look(&mut self, now: Instant, late: Duration) {
        let gap = now.saturating_duration_since(self.last);
        self.counted += if gap > late { BEAT } else { gap };
        self.last = now;
    }
}

impl Stopwatch {
    /// A stopwatch that starts now.
    pub fn start() -> Stopwatch {
        let time = Mutex::new(Time { counted: Duration::ZERO, last: Instant::now(), ended: false });
        let shared = Arc::new(Shared { time, ended: Condvar::new() });
        let beating = shared.clone();
        // Without the thread it counts all time, as an ordinary clock does.
        let beats = thread::Builder::new().name("stopwatch".to_owned()).spawn(move || beat(&beating)).ok();
        Stopwatch { shared, beats }
    }

    /// The time since the start, without stops.
    pub fn elapsed(&self) -> Duration {
        let mut time = lock(&self.shared);
        time.look(Instant::now(), if self.beats.is_some() { LATE } else { Duration::MAX });
        time.counted
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        lock(&self.shared).ended = true;
        self.shared.ended.notify_all();
        // It never panics, and nothing can be done about it here.
        let _ = self.beats.take().map(JoinHandle::join);
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Time> {
    shared.time.lock().unwrap_or_else(PoisonError::into_inner)
}

fn beat(shared: &Shared) {
    let mut time = lock(shared);
    while !time.ended {
        time = shared.ended.wait_timeout(time, BEAT).map_or_else(|e| e.into_inner().0, |(time, _)| time);
        time.look(Instant::now(), LATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_only_a_stop_explains_is_not_counted() {
        let start = Instant::now();
        let mut time = Time { counted: Duration::ZERO, last: start, ended: false };
        let at = |ms: u64| start + Duration::from_millis(ms);
        for ms in [250, 500, 1900] {
            time.look(at(ms), LATE);
        }
        assert_eq!(time.counted, Duration::from_millis(1900));
        time.look(at(3_600_000), LATE);
        assert_eq!(time.counted, Duration::from_millis(1900) + BEAT);
        time.look(at(3_600_100), LATE);
        assert_eq!(time.counted, Duration::from_millis(2000) + BEAT);
    }

    #[test]
    fn time_passes() {
        let watch = Stopwatch::start();
        thread::sleep(Duration::from_millis(20));
        assert!(watch.elapsed() >= Duration::from_millis(20));
    }
}
