//! Measures a case by repeated calls.

use super::work::{Step, Work};
use lethe_tensor::{Device, DeviceError, Tensor};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How many calls are made, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// The minimum number of warm-up calls.
    pub warm_up_calls: usize,
    /// The minimum time of warm-up.
    pub warm_up: Duration,
    /// The minimum number of samples.
    pub min_samples: usize,
    /// The minimum time of all samples, unless there are `max_samples`.
    pub time: Duration,
    /// The number of samples if a call takes longer than [`Effort::LONG`].
    pub long_samples: usize,
    /// The maximum number of samples.
    pub max_samples: usize,
}

impl Effort {
    /// A call that takes longer has fewer samples.
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

/// The results of a training step from the initial parameters; they are finite.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StepFigures {
    /// The loss at the initial parameters.
    pub loss: f32,
    /// The loss at the perturbed parameters.
    pub perturbed_loss: f32,
    /// The norm of the update gradient.
    pub grad_norm: f32,
}

/// The measurements of a case.
pub struct Measured {
    /// The time of the first call, including compilation.
    pub first: Duration,
    /// The samples, in ascending order.
    pub samples: Vec<Duration>,
    /// The number of floating-point operations of a call.
    pub flops: f64,
    /// The number of bytes that a call moves.
    pub bytes: f64,
    /// The GPU's counters over one more call; for a step that is made once, over that call.
    #[cfg(feature = "gpu")]
    pub counters: Option<lethe_tensor::gpu::Counters>,
    /// The results of a step that is made once.
    pub step: Option<StepFigures>,
}

/// Why there are no measurements.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The initial loss of a step is wrong.
    #[error("the loss at the initial parameters is {found}, but {expected} is expected (specification, section 6.1)")]
    Loss {
        /// The loss found.
        found: f32,
        /// The expected loss.
        expected: f32,
    },
    /// A result of a step is not finite.
    #[error("the {what} is {value}")]
    NotFinite {
        /// The name of the result.
        what: &'static str,
        /// Its value.
        value: f32,
    },
}

impl Measured {
    /// The median of the samples.
    pub fn median(&self) -> Duration {
        let (s, n) = (&self.samples, self.samples.len());
        (s[(n - 1) / 2] + s[n / 2]) / 2
    }
}

/// Measures a case.
pub fn measure(device: &Device, mut work: Work, effort: &Effort) -> Result<Measured, Failure> {
    device.synchronize()?;
    if let Some(step) = work.step {
        return measure_once(device, work, step);
    }
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
        counters: counted(device, |device| timed(device, &mut work).map(drop))?.1,
        step: None,
    })
}

/// The only call of a step, and its results.
fn measure_once(device: &Device, mut work: Work, step: Step) -> Result<Measured, Failure> {
    let start = Instant::now();
    #[cfg(feature = "gpu")]
    let (numbers, counters) = counted(device, |device| called(device, &mut work))?;
    #[cfg(not(feature = "gpu"))]
    let numbers = called(device, &mut work)?;
    let first = start.elapsed();
    Ok(Measured {
        first,
        samples: vec![first],
        flops: work.flops,
        bytes: work.bytes,
        #[cfg(feature = "gpu")]
        counters,
        step: Some(judged(&numbers, step)?),
    })
}

/// The results of a step, after they are checked.
fn judged(numbers: &[Tensor], step: Step) -> Result<StepFigures, Failure> {
    let [loss, perturbed_loss, norm] = numbers else { unreachable!("a step returns three numbers") };
    let number = |what: &'static str, t: &Tensor| {
        let value: f32 = t.item()?;
        if value.is_finite() { Ok(value) } else { Err(Failure::NotFinite { what, value }) }
    };
    let loss = number("loss", loss)?;
    let perturbed_loss = number("loss at the perturbed parameters", perturbed_loss)?;
    let grad_norm = number("norm of the update gradient", norm)?;
    match step.loss {
        Some(expected) if (loss - expected).abs() > 2e-5 => Err(Failure::Loss { found: loss, expected }),
        _ => Ok(StepFigures { loss, perturbed_loss, grad_norm }),
    }
}

fn enough(samples: &[Duration], elapsed: Duration, effort: &Effort) -> bool {
    let n = samples.len();
    let long = n >= effort.long_samples && samples.iter().min().is_some_and(|s| *s > Effort::LONG);
    n >= effort.max_samples || long || n >= effort.min_samples && elapsed >= effort.time
}

/// The time of one call, until the device has finished.
fn called(device: &Device, work: &mut Work) -> Result<Vec<Tensor>, DeviceError> {
    let results = device.scope(&mut work.call)?;
    device.synchronize()?;
    Ok(results)
}

/// The time of one call and of waiting for the device; its results are dropped after the time is taken.
fn timed(device: &Device, work: &mut Work) -> Result<Duration, DeviceError> {
    let start = Instant::now();
    let results = called(device, work)?;
    let time = start.elapsed();
    drop(results);
    Ok(time)
}

/// The result of a call, and the GPU's counters over it.
#[cfg(feature = "gpu")]
fn counted<T>(
    device: &Device,
    mut call: impl FnMut(&Device) -> Result<T, DeviceError>,
) -> Result<(T, Option<lethe_tensor::gpu::Counters>), DeviceError> {
    let Device::Gpu(gpu) = device else { return Ok((call(device)?, None)) };
    let before = gpu.counters();
    let result = call(device)?;
    Ok((result, Some(gpu.counters().since(&before))))
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
                step: None,
            }
            .median()
        };
        assert_eq!((median(&[1, 2, 9]), median(&[1, 2, 4, 9])), (2 * MS, 3 * MS));
    }
}
