//! Calling a case over and over.

use super::Work;
use lethe_tensor::{Device, DeviceError};
use std::time::{Duration, Instant};

/// How long a case is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Calls before the samples, at least.
    pub warm_up_calls: usize,
    /// Time before the samples, at least.
    pub warm_up: Duration,
    /// Samples, at least.
    pub min_samples: usize,
    /// Time of all samples, at least, unless there are `max_samples`.
    pub time: Duration,
    /// Samples of a call that takes over [`Effort::LONG`].
    pub long_samples: usize,
    /// Samples, at most.
    pub max_samples: usize,
}

impl Effort {
    /// A call that takes longer is measured less often.
    pub const LONG: Duration = Duration::from_secs(1);
}

impl Default for Effort {
    fn default() -> Effort {
        Effort {
            warm_up_calls: 2,
            warm_up: Duration::from_millis(400),
            min_samples: 5,
            time: Duration::from_millis(1500),
            long_samples: 3,
            max_samples: 400,
        }
    }
}

/// What was measured.
pub struct Measured {
    /// The first call, compilation included.
    pub first: Duration,
    /// The samples, in ascending order.
    pub samples: Vec<Duration>,
    /// Operations of a call.
    pub flops: f64,
    /// Bytes of a call.
    pub bytes: f64,
    /// What one more call did on a GPU.
    #[cfg(feature = "gpu")]
    pub counters: Option<lethe_tensor::gpu::Counters>,
}

impl Measured {
    /// The middle sample; of an even number, the mean of the two in the middle.
    pub fn median(&self) -> Duration {
        let (s, n) = (&self.samples, self.samples.len());
        (s[(n - 1) / 2] + s[n / 2]) / 2
    }
}

/// Measures a case.
pub fn measure(device: &Device, mut work: Work, effort: &Effort) -> Result<Measured, DeviceError> {
    device.synchronize()?;
    let first = timed(device, &mut work)?;
    let start = Instant::now();
    let mut calls = 0;
    while calls < effort.warm_up_calls || start.elapsed() < effort.warm_up {
        timed(device, &mut work)?;
        calls += 1;
    }
    let start = Instant::now();
    let mut samples = vec![];
    while !enough(&samples, start.elapsed(), effort) {
        samples.push(timed(device, &mut work)?);
    }
    samples.sort_unstable();
    Ok(Measured {
        first,
        samples,
        flops: work.flops,
        bytes: work.bytes,
        #[cfg(feature = "gpu")]
        counters: counted(device, &mut work)?,
    })
}

fn enough(samples: &[Duration], elapsed: Duration, effort: &Effort) -> bool {
    let n = samples.len();
    let long = n >= effort.long_samples && samples.iter().min().is_some_and(|s| *s > Effort::LONG);
    n >= effort.max_samples || long || n >= effort.min_samples && elapsed >= effort.time
}

/// The time of one call and of waiting for the device; its results are dropped after the clock has stopped.
fn timed(device: &Device, work: &mut Work) -> Result<Duration, DeviceError> {
    let start = Instant::now();
    let call = &mut work.call;
    let results = device.scope(call)?;
    device.synchronize()?;
    let time = start.elapsed();
    drop(results);
    Ok(time)
}

/// What the GPU did in one call.
#[cfg(feature = "gpu")]
fn counted(device: &Device, work: &mut Work) -> Result<Option<lethe_tensor::gpu::Counters>, DeviceError> {
    let Device::Gpu(gpu) = device else { return Ok(None) };
    let before = gpu.counters();
    timed(device, work)?;
    Ok(Some(gpu.counters().since(&before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn slow_calls_are_measured_less_often_and_quick_ones_no_more_than_400_times() {
        let effort = Effort::default();
        let enough = |n: usize, each: u32| super::enough(&vec![MS * each; n], MS * each * n as u32, &effort);
        assert!(!enough(2, 1100) && enough(3, 1100));
        assert!(!enough(4, 400) && enough(5, 400));
        assert!(!enough(149, 10) && enough(150, 10));
        assert!(!enough(399, 1) && enough(400, 1));
    }

    #[test]
    fn medians() {
        let median = |times: &[u32]| {
            let samples = times.iter().map(|t| MS * *t).collect();
            #[cfg(feature = "gpu")]
            let counters = None;
            Measured {
                first: MS,
                samples,
                flops: 0.0,
                bytes: 0.0,
                #[cfg(feature = "gpu")]
                counters,
            }
            .median()
        };
        assert_eq!((median(&[1, 2, 9]), median(&[1, 2, 4, 9])), (2 * MS, 3 * MS));
    }
}
