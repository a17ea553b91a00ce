//! A line of the result.

use super::Case;
use super::measure::{Failure, Measured, StepFigures};
use lethe_tensor::Device;
use serde::Serialize;
use std::time::Duration;

/// What is printed for a case, as one line of JSON. Times in milliseconds, rates in 10⁹ a second, memory in MiB; a rate that says nothing about
/// the case is null.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The library.
    pub peer: &'static str,
    /// Its version.
    pub version: &'static str,
    /// `cpu`, or the adapter's name.
    pub backend: String,
    /// CPU threads.
    pub threads: usize,
    /// The case.
    pub case: &'static str,
    /// Its shape.
    pub shape: &'static str,
    /// The figures, or what went wrong.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Figures, or a failure.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// The case ran.
    Figures(Figures),
    /// It did not.
    Failed {
        /// Why.
        error: String,
    },
}

/// The figures of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The middle sample.
    pub median_ms: f64,
    /// The quickest sample.
    pub min_ms: f64,
    /// Samples.
    pub n: usize,
    /// Arithmetic, from the median.
    pub gflops: Option<f64>,
    /// Memory traffic, from the median.
    pub gbs: Option<f64>,
    /// The first call.
    pub first_ms: f64,
    /// The largest resident set of the process so far, where the system tells.
    pub rss_mb: Option<f64>,
    /// On a GPU, what one call did.
    #[serde(flatten)]
    pub gpu: Option<GpuFigures>,
    /// The numbers of a training step that is made once.
    #[serde(flatten)]
    pub step: Option<StepFigures>,
}

/// What one call did on a GPU, when all that can be kept was kept.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GpuFigures {
    /// Compute dispatches.
    pub dispatches: u64,
    /// Command buffers.
    pub submits: u64,
    /// Buffers made.
    pub buffers_created: u64,
    /// Bind groups made.
    pub bind_groups_created: u64,
    /// Reads.
    pub readbacks: u64,
    /// Memory that the pool owns.
    pub pool_mb: f64,
    /// The most of it that was ever in use.
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

/// Four decimals are below the noise of any clock.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

/// Bytes of the largest resident set so far, from Linux's process file system.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(1024.0 * line.trim().strip_suffix(" kB")?.parse::<f64>().ok()?)
}
