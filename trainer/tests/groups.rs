//! Parameters that a config freezes stay as they were to the byte, whatever moves the others; groups and layers have their own rates; and what cannot
//! be meant is refused before anything is trained.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, runs};
use lethe::run::Checkpoint;
use std::fs;
use std::path::Path;
use trained::trained;

const VIT: &str = "[data]\ndataset = \"digits\"\ntrain_limit = 32\n[model]\nkind = \"vit\"\npatch = 4\nwidth = 8\ndepth = 2\nheads = 2\n\
                   [optim]\nkind = \"sgd\"\nlr = 0.1\nschedule = \"constant\"\n[train]\nepochs = 2\nbatch = 16\n";
const RESNET: &str = "[data]\ndataset = \"digits\"\ntrain_limit = 32\n[model]\nkind = \"resnet\"\nblock = \"basic\"\nblocks = [1, 1]\n\
                      width = 4\n[optim]\nkind = \"adamw\"\nlr = 0.01\n[train]\nepochs = 2\nbatch = 16\n";

/// The tensors at the end of a run.
fn tensors(config: &str, set: &[&str]) -> Vec<(String, Vec<u32>)> {
    let (_folder, run) = trained(config, set);
    let checkpoint = Checkpoint::load(&run.join("checkpoint.safetensors")).unwrap();
    let bits = |data: Vec<f32>| data.into_iter().map(f32::to_bits).collect();
    checkpoint.tensors.into_iter().map(|t| (t.name, bits(t.data))).collect()
}

/// Everything that moves parameters, or keeps something beside them.
const MOVES: [&str; 5] =
    ["optim.weight_decay=0.1", "shrink.factor=0.5", "shrink.scaling=constant", "train.ema=0.5", "optim.clip=1"];

/// Checks that frozen parameters, what is kept beside them and their average stay, and all others move; running statistics always do.
fn stays(config: &str, groups: &str, frozen: &[&str], method: &[&str]) {
    let set = [&MOVES[..], &[groups], method].concat();
    let start = tensors(config, &[&set[..], &["train.epochs=0"]].concat());
    let end = tensors(config, &set);
    assert!(end.len() > 20 && start.len() == end.len());
    for ((name, before), (_, after)) in start.iter().zip(&end) {
        let own = name.trim_start_matches("ema.");
        let own = ["adamw.mean.", "adamw.square.", "sgd.momentum."]
            .iter()
            .fold(own, |own, kept| own.trim_start_matches(kept));
        let is_frozen = frozen.iter().any(|prefix| own.starts_with(prefix)) && !own.contains("running");
        assert_eq!(before == after, is_frozen, "{method:?}: {name}");
        assert!(own == name || name.starts_with("ema.") || !is_frozen || after.iter().all(|bits| *bits == 0), "{name}");
    }
}

#[test]
fn frozen_parameters_are_those_of_the_start_to_the_byte() {
    let groups = "optim.groups=[{params=[\"patch_embed.*\", \"blocks.0.*\", \"pos_embed\"], frozen=true}]";
    let frozen = ["patch_embed.", "blocks.0.", "pos_embed"];
    let sam = ["perturb.kind=steepest", "perturb.rho=0.1", "perturb.m=8"];
    let asam = ["perturb.asam=both", "perturb.asam_eta=0.01", "perturb.asam_scope=weights", "perturb.gsam_xi=0.4"];
    stays(VIT, groups, &frozen, &[]);
    stays(VIT, groups, &frozen, &[&sam[..], &asam].concat());
    stays(VIT, groups, &frozen, &["perturb.kind=obf", sam[1], sam[2], "model.drop_path=0.5"]);
    stays(VIT, groups, &frozen, &["perturb.kind=random", sam[1], sam[2], "optim.decay_1d=true", "optim.kind=adamw"]);
    let groups = "optim.groups=[{params=[\"fc.*\", \"layer2.*\"], lr_scale=0.5}, {params=[\"*\"], frozen=true}]";
    stays(RESNET, groups, &["conv1.", "bn1.", "layer1."], &["perturb.kind=steepest", sam[1], sam[2]]);
}

#[test]
fn layers_and_groups_move_by_their_scales() {
    // One update without momentum: each parameter moves by rate · gradient.
    let once = ["train.epochs=1", "train.batch=32", "optim.momentum=0"];
    let values = |set: &[&str]| -> Vec<(String, Vec<f32>)> {
        let tensors = tensors(VIT, &[&once[..], set].concat()).into_iter();
        tensors.map(|(name, bits)| (name, bits.into_iter().map(f32::from_bits).collect())).collect()
    };
    let (start, plain) = (values(&["train.epochs=0"]), values(&[]));
    let groups =
        "optim.groups=[{params=[\"head.bias\"], lr_scale=4}, {params=[\"head.*\", \"blocks.0.*.bias\"], lr_scale=2}]";
    let scaled = values(&["optim.layer_decay=0.5", groups]);
    let mut seen = 0;
    for (((name, from), (_, plain)), (_, scaled)) in start.iter().zip(&plain).zip(&scaled) {
        let expected = match name.as_str() {
            "head.bias" => 4.0,
            "head.weight" => 2.0,
            "pos_embed" => 0.125,
            name if name.starts_with("fc_norm.") => 1.0,
            name if name.starts_with("patch_embed.") => 0.125,
            name if name.starts_with("blocks.0.") => {
                if name.ends_with("bias") {
                    0.5
                } else {
                    0.25
                }
            }
            name if name.starts_with("blocks.1.") => 0.5,
            _ => continue,
        };
        let along = |to: &[f32]| to.iter().zip(from).map(|(to, from)| to - from).collect::<Vec<f32>>();
        let (plain, scaled) = (along(plain), along(scaled));
        for (p, s) in plain.iter().zip(&scaled) {
            assert!((s - expected * p).abs() <= 1e-6, "{name}: {s} beside {expected} · {p}");
        }
        seen += usize::from(plain.iter().any(|p| *p != 0.0));
    }
    assert!(seen >= 2, "the head's weight begins at 0, and lets little through: {seen}");
}

fn config(folder: &Path, text: &str) -> String {
    let file = folder.join("small.toml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_check_says_what_is_done_with_each_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let groups = "[[optim.groups]]\nparams = [\"patch_embed.*\"]\nfrozen = true\n\
                  [[optim.groups]]\nparams = [\"head.bias\", \"*norm1*\"]\nlr_scale = 2\n\
                  [[optim.groups]]\nparams = [\"head.*\"]\ndecay_scale = 0\n";
    let text = VIT.replace("[train]", &format!("weight_decay = 0.1\nlayer_decay = 0.75\n{groups}[train]"));
    let said = runs(&["check", &config(folder.path(), &text), "--device", "cpu", "--updates", "1"]);
    for part in [
        "weight [8, 1, 4, 4], bias [8]: frozen\n",
        "pos_embed [1, 4, 8]: lr × 0.4219\n",
        "weight [8], bias [8]: lr × 1.125\n", // 2 · 0.75² of blocks.0.norm1
        "weight [24, 8], bias [24]: lr × 0.75\n",
        "weight [10, 8] (decay × 0), bias [10] (lr × 2)\n",
        "parameters: 2018, 1882 of them trained\n",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let plain = runs(&["check", &config(folder.path(), VIT), "--device", "cpu", "--updates", "1"]);
    assert!(!plain.contains(" × ") && !plain.contains("trained\n"), "{plain}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), VIT);
    let out = folder.path().join("run").display().to_string();
    let head = "params=[\"head.*\"]";
    for (groups, parts) in [
        (
            "{params=[\"haed.*\"], frozen=true}".to_owned(),
            &["optim.groups[0].params = \"haed.*\"", "no parameter", "head.*, head.bias"][..],
        ),
        (
            "{params=[\"*\"], frozen=true}".to_owned(),
            &["optim.groups = 1 group", "all parameters of the model are frozen"],
        ),
        (format!("{{{head}, frozen=true}}, {{{head}, lr_scale=2}}"), &["optim.groups[1].params", "no effect"]),
        (format!("{{{head}}}"), &["optim.groups[0].params = [\"head.*\"]", "no effect"]),
        (format!("{{{head}, frozen=true, lr_scale=2}}"), &["optim.groups[0].lr_scale = 2", "frozen = true"]),
        (format!("{{{head}, lr_scale=-1}}"), &["optim.groups[0].lr_scale = -1", "above 0", "frozen = true"]),
        (format!("{{{head}, lr_scale=nan}}"), &["optim.groups[0].lr_scale = NaN", "finite"]),
        (format!("{{{head}, decay_scale=2}}"), &["optim.groups[0].decay_scale = 2", "optim.weight_decay = 0"]),
        ("{params=[\"[\"], frozen=true}".to_owned(), &["optim.groups[0].params = \"[\"", "not a glob"]),
        ("{params=[], frozen=true}".to_owned(), &["optim.groups[0].params = []", "at least one glob"]),
        (format!("{{{head}, lr=2}}"), &["unknown key `optim.groups.lr`", "lr_scale"]),
        ("{params=[head.*], frozen=true}".to_owned(), &["not a TOML value", "quotes"]),
    ] {
        let set = format!("optim.groups=[{groups}]");
        fails(&["train", &file, "--device", "cpu", "--out", &out, "--set", &set], 2, parts);
        fails(&["check", &file, "--device", "cpu", "--set", &set], 2, parts);
    }
    for (set, parts) in [
        ("optim.layer_decay=1.5", &["optim.layer_decay = 1.5", "at most 1"][..]),
        ("optim.layer_decay=0", &["optim.layer_decay = 0", "above 0"]),
        ("optim.layer_decay=1e-20", &["optim.layer_decay = 1e-20", "too small"]),
        ("model.drop_path=1", &["model.drop_path = 1", "below 1"]),
    ] {
        fails(&["train", &file, "--device", "cpu", "--out", &out, "--set", set], 2, parts);
    }
    let resnet = config(folder.path(), RESNET);
    fails(
        &["check", &resnet, "--set", "optim.layer_decay=0.5"],
        2,
        &["optim.layer_decay = 0.5", "only model.kind = \"vit\""],
    );
    assert!(!Path::new(&out).exists(), "no run is made");
}
