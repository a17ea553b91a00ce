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

/// Whether a training is to stop. The default is a training that no signal stops.
#[derive(Clone, Debug, Default)]
pub struct StopRequests(Arc<AtomicUsize>);

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
        let requests = StopRequests::default();
        let asked = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // In this order: the first signal finds the flag down and raises it, the second one finds it raised.
            flag::register_conditional_shutdown(
                signal,
                i32::from(Signal(signal as usize).exit_status()),
                asked.clone(),
            )?;
            flag::register(signal, asked.clone())?;
            flag::register_usize(signal, requests.0.clone(), signal as usize)?;
        }
        Ok(requests)
    }

    /// The signal that asked to stop, if one has.
    pub fn asked(&self) -> Option<Signal> {
        let signal = self.0.load(Ordering::Relaxed);
        (signal > 0).then_some(Signal(signal))
    }

    /// Asks as a signal of this number would.
    #[cfg(test)]
    pub fn ask(&self, signal: usize) {
        self.0.store(signal, Ordering::Relaxed);
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
