//! `lethe bench`: measures how long operations and training steps take on a device, with output that can be compared with other libraries'.
//!
//! `catalogue` lists the cases by name and shape; `operations` and `steps` build them from the public API, so that they run on any
//! device; `work` is what they give; `measure` times it by repeated calls; `record` is the line that is printed.

mod catalogue;
mod measure;
mod operations;
mod record;
mod steps;
mod work;

pub use catalogue::{CASES, Case, Extent, Selection, UnknownShape, names, select};
pub use measure::{Effort, StepFigures};
pub use record::{Figures, GpuFigures, Outcome, Record};

use lethe_tensor::Device;
use measure::measure;

/// Measures these cases on a device with `threads` CPU threads and passes each record to `report` as soon as it is done. A failing case gives
/// a record with the error; the others are measured nevertheless.
pub fn run(cases: &[&Case], device: &Device, threads: usize, effort: &Effort, mut report: impl FnMut(&Record)) {
    for case in cases {
        let measured =
            (case.work)(device).map_err(measure::Failure::from).and_then(|work| measure(device, work, effort));
        report(&Record::new(case, device, threads, measured));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_tensor::cpu::CpuDevice;
    use std::time::Duration;

    #[test]
    fn a_line_has_the_agreed_keys() {
        let effort = Effort {
            warm_up_calls: 1,
            warm_up: Duration::ZERO,
            min_samples: 2,
            time: Duration::ZERO,
            long_samples: 2,
            max_samples: 2,
        };
        let quick = ["permute_copy", "layernorm_fwd", "attention_fwd_bwd", "train_mlp", "obf_vit_small"];
        let wanted = Selection { cases: quick.map(str::to_owned).into(), ..Selection::default() };
        let device = Device::Cpu(CpuDevice::with_threads(2).unwrap());
        let mut lines = vec![];
        run(&select(&wanted).unwrap(), &device, 2, &effort, |r| lines.push(serde_json::to_value(r).unwrap()));
        assert_eq!(lines.len(), quick.len());
        for line in lines {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            assert_eq!((text("peer"), text("backend")), ("lethe".into(), "cpu".into()), "{line}");
            assert!(text("version") == env!("CARGO_PKG_VERSION") && quick.contains(&&*text("case")), "{line}");
            assert!(!text("shape").is_empty() && line["threads"] == 2 && line["n"] == 2, "{line}");
            let number = |key: &str| line[key].as_f64().unwrap();
            assert!(number("min_ms") > 0.0 && number("min_ms") <= number("median_ms"), "{line}");
            assert!(number("first_ms") > 0.0 && line["gflops"].is_f64() != line["gbs"].is_f64(), "{line}");
            assert_eq!(line.as_object().unwrap().len(), 13, "nothing else: {line}");
        }
    }
}
