//! Training on the GPU: it follows the CPU, repeats to the bit, and reaches a steady state. Skips, saying so, where there is no adapter,
//! unless `LETHE_REQUIRE_GPU=1`. The bounds checks of shaders are off, as in a release build; other tests compare both.
#![cfg(feature = "gpu")]

use lethe::config::Config;
use lethe::data::{Loader, Preparation, SearchPath, load};
use lethe::network::upload;
use lethe::training::{Pending, Session, StepRecord, Training, facts};
use lethe_tensor::Device;
use lethe_tensor::gpu::{Counters, GpuDevice, GpuOptions};
use std::path::Path;
use std::sync::Arc;

fn gpu(force_uniform_params: bool) -> Option<Device> {
    let options = GpuOptions { force_uniform_params, checked_shaders: false, ..GpuOptions::default() };
    GpuDevice::for_tests(options).map(Device::Gpu)
}

/// The results of some updates of the digits' config: their records, the state at the end, and a GPU's counters after each.
struct Outcome {
    records: Vec<StepRecord>,
    tensors: Vec<(String, Vec<f32>)>,
    counters: Vec<Counters>,
}

fn train(device: &Device, updates: usize, changes: &[&str]) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml");
    let changes: Vec<String> = changes.iter().map(|c| c.to_string()).collect();
    let config = Config::load(&path, &changes).unwrap();
    let split = load(&config.data, &SearchPath::of_process(None)).unwrap();
    let config = config.resolve(&facts(&split)).unwrap();
    let (images, classes, data) = (split.train.shape, split.train.names.clone(), Arc::new(split.train));
    let (batch, augment) = (config.train.batch, config.data.augment.clone());
    let loader = Loader::training(data, Preparation::of(&config.data), batch, 1, config.train.seed, augment);
    let mut session = Session::new(&config, images, &classes, device, loader.batches()).unwrap();
    let (mut records, mut counters) = (vec![], vec![]);
    let mut pending: Option<Pending> = None;
    for host in loader.epoch(0).unwrap().take(updates) {
        let next = session.update(0, &upload(device, &host.unwrap()));
        if let Some(done) = pending.replace(next) {
            records.push(session.read(done).unwrap());
        }
        if let Device::Gpu(gpu) = device {
            counters.push(gpu.counters());
        }
    }
    records.push(session.read(pending.unwrap()).unwrap());
    let checkpoint = session.checkpoint().unwrap();
    let tensors = checkpoint.tensors.into_iter().map(|t| (t.name, t.data)).collect();
    Outcome { records, tensors, counters }
}

/// After the second update nothing is created, nothing waits for a read, and there are few submissions.
fn assert_settled(counters: &[Counters]) {
    for (i, pair) in counters.windows(2).enumerate().skip(1) {
        let step = pair[1].since(&pair[0]);
        let created = (step.buffers_created, step.bind_groups_created, step.pipelines_created);
        assert_eq!(created, (0, 0, 0), "update {}: buffers, bind groups and pipelines created", i + 2);
        assert_eq!(step.blocking_reads, 0, "update {}", i + 2);
        assert!(step.submits <= 4, "update {}: {} submits", i + 2, step.submits);
    }
    let step = counters[counters.len() - 1].since(&counters[counters.len() - 2]);
    println!("an update: {} dispatches, {} submits, {} bytes read", step.dispatches, step.submits, step.bytes_read);
}

#[test]
fn twenty_updates_follow_the_cpu_and_settle() {
    let Some(gpu) = gpu(false) else { return };
    let (here, there) = (train(&Device::cpu(), 20, &[]), train(&gpu, 20, &[]));
    let relative = |a: f32, b: f32| f64::from((a - b).abs() / a.abs());
    let pairs = here.records.iter().zip(&there.records);
    let off: Vec<f64> =
        pairs.flat_map(|(a, b)| [relative(a.loss, b.loss), relative(a.perturbed_loss, b.perturbed_loss)]).collect();
    println!("largest relative difference of the losses: {:e}", off.iter().copied().fold(0.0, f64::max));
    assert_eq!(off.len(), 40);
    assert!(off.iter().all(|d| *d <= 1e-3), "{off:?}"); // a NaN is not
    assert_settled(&there.counters);
}

#[test]
fn the_same_updates_give_the_same_bits() {
    let changes = ["model.depth=1", "train.batch=32", "perturb.m=16", "model.dropout=0.1"];
    let Some(device) = gpu(true) else { return };
    let (first, again) = (train(&device, 6, &changes), train(&device, 6, &changes));
    assert_eq!(first.records, again.records);
    assert!(first.tensors == again.tensors, "two runs of one device end differently");
    assert_settled(&first.counters);
}

#[test]
fn every_method_settles() {
    let small = ["model.depth=1", "train.batch=32", "perturb.m=16"];
    let Some(device) = gpu(false) else { return };
    let run = |updates, method: &[&str]| train(&device, updates, &[&small[..], method].concat()).counters;
    for method in [
        &["perturb.kind=random"][..],
        &["perturb.asam=both", "perturb.asam_eta=0.01", "perturb.asam_scope=matrices"],
        &["perturb.gsam_xi=0.4", "perturb.gsam_backup=normalised", "perturb.update_on=batch"],
    ] {
        assert_settled(&run(6, method));
    }
    // One more vector passes through the pool, so it takes some updates until all buffers have been combined in all ways.
    assert_settled(&run(12, &["shrink.factor=1e-3"])[5..]);
}

/// A GPU without the memory for a training refuses its first update, and one that has it makes the update.
#[test]
fn what_a_gpu_cannot_train_is_known_from_the_first_update() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml");
    let config = Config::load(&path, &["train.batch=256".to_owned(), "perturb.m=256".to_owned()]).unwrap();
    let split = load(&config.data, &SearchPath::of_process(None)).unwrap();
    let config = config.resolve(&facts(&split)).unwrap();
    for (memory_limit, fits) in [(Some(8 << 20), false), (None, true)] {
        let options = GpuOptions { memory_limit, ..GpuOptions::default() };
        let Some(gpu) = GpuDevice::for_tests(options) else { return };
        let observers = |_: &Config, _: &_, _: usize| Ok(vec![]);
        let training = Training::new(&config, split.clone(), &Device::Gpu(gpu), 1, &observers).unwrap();
        assert_eq!(training.first_update().is_ok(), fits, "{memory_limit:?}");
    }
}
