//! A line of output.

use super::catalogue::Case;
use super::measure::{Failure, Measured, StepFigures};
use lethe_tensor::Device;
use serde::Serialize;
use std::time::Duration;

/// What is printed for a case, as one line of JSON. Times are in milliseconds, rates in 10⁹ per second, memory in MiB; a rate that is meaningless
/// for the case is null.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The library.
    pub peer: &'static str,
    /// Its version.
    pub version: &'static str,
    /// `cpu`, or the adapter's name.
    pub backend: String,
    /// The number of CPU threads.
    pub threads: usize,
    /// The case.
    pub case: &'static str,
    /// Its shape.
    pub shape: &'static str,
    /// The measurements, or the error.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Measurements, or an error.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// The case ran.
    Figures(Figures),
    /// The case failed.
    Failed {
        /// The error.
        error: String,
    },
}

/// The measurements of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The median of the samples.
    pub median_ms: f64,
    /// The fastest sample.
    pub min_ms: f64,
    /// The number of samples.
    pub n: usize,
    /// The arithmetic rate, by the median.
    pub gflops: Option<f64>,
    /// The memory traffic, by the median.
    pub gbs: Option<f64>,
    /// The time of the first call.
    pub first_ms: f64,
    /// The peak resident set size of the process so far, if the system reports it.
    pub rss_mb: Option<f64>,
    /// On a GPU, the counters over one call.
    #[serde(flatten)]
    pub gpu: Option<GpuFigures>,
    /// The results of a training step that is made once.
    #[serde(flatten)]
    pub step: Option<StepFigures>,
}

/// The GPU's counters over one call in the steady state.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GpuFigures {
    /// The number of compute dispatches.
    pub dispatches: u64,
    /// The number of submitted command buffers.
    pub submits: u64,
    /// The number of buffers created.
    pub buffers_created: u64,
    /// The number of bind groups created.
    pub bind_groups_created: u64,
    /// The number of reads.
    pub readbacks: u64,
    /// The memory that the pool owns.
    pub pool_mb: f64,
    /// The peak of the pool's memory in use.
    pub live_mb: f64,
}

const MIB: f64 = (1 << 20) as f64;

impl Record {
    pub(super) fn new(case: &Case, device: &Device, threads: usize, measured: Result<Measured, Failure>) -> Record {
        Record {
            peer: "lethe",
            version: env!("CARGO_PKG_VERSION"),
            backend: format!("{device:?}"),
            threads,
            case: case.name,
            shape: case.shape,
            outcome: match measured {
                Ok(m) => Outcome::Figures(Figures::new(&m)),
                Err(e) => Outcome::Failed { error: e.to_string() },
            },
        }
    }

    /// Whether the case failed.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }
}

impl Figures {
    fn new(m: &Measured) -> Figures {
        let ms = |t: Duration| rounded(1e3 * t.as_secs_f64());
        let rate = |amount: f64| (amount > 0.0).then(|| rounded(amount / m.median().as_secs_f64() / 1e9));
        #[cfg(feature = "gpu")]
        let gpu = m.counters.as_ref().map(GpuFigures::new);
        #[cfg(not(feature = "gpu"))]
        let gpu = None;
        Figures {
            median_ms: ms(m.median()),
            min_ms: ms(m.samples[0]),
            n: m.samples.len(),
            gflops: rate(m.flops),
            gbs: rate(m.bytes),
            first_ms: ms(m.first),
            rss_mb: peak_memory().map(|bytes| rounded(bytes / MIB)),
            gpu,
            step: m.step,
        }
    }
}

#[cfg(feature = "gpu")]
impl GpuFigures {
    fn new(c: &lethe_tensor::gpu::Counters) -> GpuFigures {
        GpuFigures {
            dispatches: c.dispatches,
            submits: c.submits,
            buffers_created: c.buffers_created,
            bind_groups_created: c.bind_groups_created,
            readbacks: c.blocking_reads + c.async_reads,
            pool_mb: rounded(c.pool_bytes as f64 / MIB),
            live_mb: rounded(c.pool_high_water as f64 / MIB),
        }
    }
}

/// Rounds to four decimals, below the noise of any clock.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

/// The peak resident set size in bytes, from Linux's /proc.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(1024.0 * line.trim().strip_suffix(" kB")?.parse::<f64>().ok()?)
}
