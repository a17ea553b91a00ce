//! A training run on the GPU: it follows the CPU's, repeats to the bit, and reaches a steady state. Skips, saying so, where there is no
//! adapter, unless `LETHE_REQUIRE_GPU=1`.
#![cfg(feature = "gpu")]

use lethe::config::Config;
use lethe::data::{Loader, Places, Preparation, load};
use lethe::evaluation::upload;
use lethe::run::{Existing, RunFolder};
use lethe::training::{Pending, Session, facts, train};
use lethe_tensor::gpu::{AdapterChoice, Counters, GpuDevice, GpuOptions};
use lethe_tensor::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn gpu(options: GpuOptions) -> Option<GpuDevice> {
    match GpuDevice::open(&AdapterChoice::Best, options) {
        Ok(device) => Some(device),
        Err(error) if std::env::var("LETHE_REQUIRE_GPU").as_deref() == Ok("1") => {
            panic!("LETHE_REQUIRE_GPU=1: {error}")
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn digits(changes: &[&str]) -> (Config, lethe::data::DataSplit) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml");
    let changes: Vec<String> = changes.iter().map(|c| c.to_string()).collect();
    let config = Config::load(&path, &changes).unwrap();
    let split = load(&config.data, &Places::of_process(None)).unwrap();
    let config = config.resolve(facts(&split)).unwrap();
    (config, split)
}

/// Trains one epoch into a folder; the metrics' lines and the checkpoint's bytes.
fn run(device: &Device, folder: PathBuf) -> (Vec<serde_json::Value>, Vec<u8>) {
    let (config, split) = digits(&["train.epochs=1", "optim.warmup_epochs=0"]);
    let run = RunFolder::create(&folder, Existing::Refuse, &config).unwrap();
    train(&config, split, device, &run, 2).unwrap();
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, std::fs::read(folder.join("checkpoint.safetensors")).unwrap())
}

#[test]
fn the_gpu_follows_the_cpu_and_repeats_to_the_bit() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (here, _) = run(&Device::cpu(), folder.path().join("cpu"));
    let device = Device::Gpu(gpu);
    let (there, checkpoint) = run(&device, folder.path().join("gpu"));
    let (again, same) = run(&device, folder.path().join("again"));
    assert_eq!(there, again);
    assert!(checkpoint == same, "two checkpoints of one device differ");
    let (mut steps, mut worst) = (0, 0.0f64);
    for (a, b) in here.iter().zip(&there).take(20) {
        for key in ["loss", "perturbed_loss"] {
            let (a, b) = (a[key].as_f64().unwrap(), b[key].as_f64().unwrap());
            worst = worst.max((a - b).abs() / a.abs());
        }
        steps += 1;
    }
    println!("largest relative difference of losses over {steps} updates: {worst:e}");
    assert!(steps == 20 && worst <= 1e-3, "{worst:e} over {steps} updates");
}

#[test]
fn steps_settle_after_the_second() {
    for force_uniform_params in [false, true] {
        let Some(gpu) = gpu(GpuOptions { force_uniform_params, ..GpuOptions::default() }) else { return };
        let (config, split) = digits(&[]);
        let (images, classes) = (split.train.shape, split.train.classes);
        let loader = Loader::training(Arc::new(split.train), Preparation::of(&config.data), 64, 1, 0, config.data.augment.clone());
        let device = Device::Gpu(gpu.clone());
        let mut session = Session::new(&config, images, classes, &device, loader.batches());
        let mut counters: Vec<Counters> = vec![];
        let mut pending: Option<Pending> = None;
        for batch in loader.epoch(0).unwrap().take(8) {
            let next = session.update(0, &upload(&device, &batch.unwrap()));
            if let Some(done) = pending.replace(next) {
                session.read(done).unwrap();
            }
            counters.push(gpu.counters());
        }
        for (i, pair) in counters.windows(2).enumerate().skip(1) {
            let step = pair[1].since(&pair[0]);
            let created = (step.buffers_created, step.bind_groups_created, step.pipelines_created);
            assert_eq!(created, (0, 0, 0), "step {}: buffers, bind groups and pipelines created", i + 2);
            assert_eq!(step.blocking_reads, 0, "step {}", i + 2);
            assert!(step.submits <= 4, "step {}: {} submits", i + 2, step.submits);
        }
        let last = counters[7].since(&counters[6]);
        println!("a step: {} dispatches, {} submits, {} bytes read", last.dispatches, last.submits, last.bytes_read);
    }
}
