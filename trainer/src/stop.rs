//! Requests to stop: signals that end a training after its current update, with a checkpoint, rather than at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Tells a training that the process it belongs to has ended. The system may send it several times, whenever a thread of that process
/// ends and hands its children on to another one. It therefore asks to stop as SIGTERM does, but never ends a training at once.
#[cfg(target_os = "linux")]
pub const ABANDONED: i32 = signal_hook::consts::SIGUSR1;

/// Whether a training is to stop. The default is a training that no signal stops.
#[derive(Clone, Debug, Default)]
pub struct StopRequests {
    /// The number of the signal, or 0.
    signal: Arc<AtomicUsize>,
    /// Whether the next signal ends the process at once.
    is_last: Arc<AtomicBool>,
}

/// A signal that asked a training to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(usize);

impl StopRequests {
    /// The requests that this process receives as SIGINT (Ctrl-C), SIGTERM or SIGHUP. From now on the first of them does not end the process; the
    /// second one does, at once.
    ///
    /// # Errors
    /// If the system refuses to tell of signals.
    pub fn of_process() -> io::Result<StopRequests> {
        let requests = StopRequests::registered(true)?;
        #[cfg(target_os = "linux")]
        flag::register_usize(ABANDONED, requests.signal.clone(), SIGTERM as usize)?;
        Ok(requests)
    }

    /// The same for a process that passes them on to others. A signal ends it at once only after [`StopRequests::passed_on`], since those would be left
    /// behind.
    ///
    /// # Errors
    /// If the system refuses to tell of signals.
    pub fn of_parent() -> io::Result<StopRequests> {
        StopRequests::registered(false)
    }

    fn registered(is_last_after_first: bool) -> io::Result<StopRequests> {
        let requests = StopRequests::default();
        for signal in SIGNALS {
            let status = i32::from(Signal(signal as usize).exit_status());
            // In this order: the first signal finds the flag down and raises it, the second one finds it raised.
            flag::register_conditional_shutdown(signal, status, requests.is_last.clone())?;
            if is_last_after_first {
                flag::register(signal, requests.is_last.clone())?;
            }
            flag::register_usize(signal, requests.signal.clone(), signal as usize)?;
        }
        Ok(requests)
    }

    /// The next signal ends the process at once: all others know of this one.
    pub fn passed_on(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// The signal that asked to stop, if one has.
    pub fn asked(&self) -> Option<Signal> {
        let signal = self.signal.load(Ordering::Relaxed);
        (signal > 0).then_some(Signal(signal))
    }

    /// Asks as a signal of this number would.
    #[cfg(test)]
    pub fn ask(&self, signal: usize) {
        self.signal.store(signal, Ordering::Relaxed);
    }
}

impl Signal {
    /// Its number.
    pub fn number(self) -> i32 {
        self.0 as i32
    }

    /// 128 + its number, as shells report a process that the signal ended.
    pub fn exit_status(self) -> u8 {
        128 + self.0 as u8
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as i32 {
            SIGINT => f.write_str("SIGINT"),
            SIGTERM => f.write_str("SIGTERM"),
            _ => f.write_str("SIGHUP"),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use signal_hook::consts::SIGHUP;
    use signal_hook::low_level::raise;

    #[test]
    fn a_second_signal_does_not_end_a_parent_before_the_first_was_passed_on() {
        let requests = StopRequests::of_parent().unwrap();
        raise(SIGHUP).unwrap();
        // It would end the tests.
        raise(SIGHUP).unwrap();
        assert_eq!(requests.asked().map(Signal::number), Some(SIGHUP));
        assert!(!requests.is_last.load(Ordering::Relaxed));
        // From now on all signals end the tests again.
        requests.passed_on();
        assert!(requests.is_last.load(Ordering::Relaxed));
    }
}
