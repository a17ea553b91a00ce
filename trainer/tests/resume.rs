//! Whatever a method keeps from update to update, or draws, a session restored from a checkpoint ends with the same bits.

#![cfg(feature = "program")]

use lethe::config::Config;
use lethe::data::{Loader, Preparation, SearchPath, load};
use lethe::network::upload;
use lethe::training::{Session, facts};
use lethe_optim::Batch;
use lethe_tensor::Device;
use std::path::Path;
use std::sync::Arc;

const UPDATES: usize = 4;
const CUT: usize = 2;

/// The tensors of a session after all updates, and of one that was saved and restored in between.
fn whole_and_resumed(changes: &[&str]) -> [Vec<(String, Vec<f32>)>; 2] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml");
    let small = ["train.batch=32", "perturb.m=16", "optim.warmup_epochs=0"];
    let changes: Vec<String> = small.iter().chain(changes).map(|c| c.to_string()).collect();
    let config = Config::load(&path, &changes).unwrap();
    let split = load(&config.data, &SearchPath::of_process(None)).unwrap();
    let config = config.resolve(&facts(&split)).unwrap();
    let (images, classes, data) = (split.train.shape, split.train.names.clone(), Arc::new(split.train));
    let (device, augment) = (Device::cpu(), config.data.augment.clone());
    let loader = Loader::training(data, Preparation::of(&config.data), 32, 1, config.train.seed, augment);
    let batches: Vec<Batch> =
        loader.epoch(0).unwrap().take(UPDATES).map(|host| upload(&device, &host.unwrap())).collect();
    let session = || Session::new(&config, images, &classes, &device, loader.batches()).unwrap();
    let run = |session: &mut Session<'_>, batches: &[Batch]| {
        for batch in batches {
            let done = session.update(0, batch);
            session.read(done).unwrap();
        }
    };
    let tensors = |session: &Session<'_>| {
        session.checkpoint().unwrap().tensors.into_iter().map(|t| (t.name, t.data)).collect::<Vec<_>>()
    };
    let (mut whole, mut cut) = (session(), session());
    run(&mut whole, &batches);
    run(&mut cut, &batches[..CUT]);
    let checkpoint = cut.checkpoint().unwrap();
    let resumed = Session::resumed(&config, images, &classes, &device, loader.batches(), &checkpoint);
    let mut resumed = resumed.unwrap();
    run(&mut resumed, &batches[CUT..]);
    [tensors(&whole), tensors(&resumed)]
}

#[test]
fn random_directions_and_the_way_back_to_the_start_are_those_of_an_uninterrupted_run() {
    let gsam = ["perturb.gsam_xi=0.4", "perturb.asam=both", "perturb.asam_scope=matrices", "perturb.update_on=batch"];
    let shrink = ["shrink.factor=0.1", "shrink.scaling=constant"];
    let mut ends = vec![];
    for changes in [&[][..], &["perturb.kind=random"], &shrink, &["perturb.kind=random", shrink[0]], &gsam] {
        let [whole, resumed] = whole_and_resumed(&[&["model.depth=1"][..], changes].concat());
        assert!(whole == resumed, "{changes:?}: the resumed session ends differently");
        assert!(!ends.contains(&whole), "{changes:?} changed nothing");
        ends.push(whole);
    }
}

#[test]
fn running_statistics_are_drawn_back_too() {
    let resnet = ["model.kind=resnet", "model.block=basic", "model.blocks=[1, 1]", "model.width=4"];
    let [plain, _] = whole_and_resumed(&resnet);
    let [whole, resumed] =
        whole_and_resumed(&[&resnet[..], &["shrink.factor=0.5", "shrink.scaling=constant"]].concat());
    assert!(whole == resumed, "the resumed session ends differently");
    let statistics = |tensors: &[(String, Vec<f32>)]| {
        let running = tensors.iter().filter(|(name, _)| name.contains("running") && !name.contains("adamw"));
        running.cloned().collect::<Vec<_>>()
    };
    assert!(!statistics(&plain).is_empty() && statistics(&plain) != statistics(&whole));
}

/// The learning rate rises from 0 over the warm-up and falls until the last update, one step above its minimum; the radius follows the learning rate
/// of the same update (specification, sections 2.4 and 4.4).
#[test]
fn rates_and_radii_of_updates_are_those_of_the_schedules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/digits.toml");
    let rates = ["optim.lr=1e-3", "optim.min_lr=1e-5", "optim.warmup_epochs=1", "train.epochs=2", "train.batch=32"];
    let radii = ["perturb.m=16", "perturb.rho=0.1", "perturb.rho_schedule=lr", "model.depth=1"];
    let changes: Vec<String> = rates.iter().chain(&radii).map(|c| c.to_string()).collect();
    let config = Config::load(&path, &changes).unwrap();
    let split = load(&config.data, &SearchPath::of_process(None)).unwrap();
    let config = config.resolve(&facts(&split)).unwrap();
    let (images, classes, device) = (split.train.shape, split.train.names.clone(), Device::cpu());
    let loader = Loader::evaluation(Arc::new(split.train), Preparation::of(&config.data), 32, 1);
    let mut session = Session::new(&config, images, &classes, &device, 2).unwrap();
    let expected = [(0.0, 0.0), (5e-4, 0.1 * 49.0 / 99.0), (1e-3, 0.1), (5.05e-4, 0.05)];
    for (host, (lr, rho)) in loader.epoch(0).unwrap().zip(expected) {
        let done = session.update(0, &upload(&device, &host.unwrap()));
        let record = session.read(done).unwrap();
        assert!((record.lr - lr).abs() < 1e-12 && (record.rho - rho).abs() < 1e-12, "{record:?}");
    }
}
