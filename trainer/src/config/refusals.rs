//! What is refused, and in which words.

use std::path::Path;

use super::tests::{WHOLE, read, refused};
use super::*;

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    refused(&["train.epoch=3"], &["x.toml", "unknown key `train.epoch`", "did you mean `train.epochs`?", "batch"]);
    refused(&["optim.momentum=0.9"], &["`optim.momentum` belongs to kind = \"sgd\", not to \"adamw\""]);
    refused(&["optim.learning_rate=0.9"], &["unknown key `optim.learning_rate`", "did you mean `optim.lr`?", "betas"]);
    refused(&["data.kind=cifar10"], &["unknown key `data.kind`", "did you mean `data.dataset`?"]);
    refused(&["modle.width=3"], &["unknown section `modle`", "did you mean `model`?"]);
    refused(
        &["data.augment.flop=true"],
        &["unknown key `data.augment.flop` (did you mean `data.augment.flip`?)", "crop_padding"],
    );
    let none = WHOLE.replace("kind = \"obf\"", "kind = \"none\"");
    let message = Config::parse(&none, Path::new("x.toml"), &[]).unwrap_err().to_string();
    assert!(message.contains("`perturb.rho` belongs to kind"), "{message}");
}

#[test]
fn wrong_choices_list_the_right_ones() {
    refused(&["model.kind=vti"], &["model.kind = \"vti\"", "did you mean \"vit\"?", "mlp, vit, resnet"]);
    refused(&["model.kind=3"], &["model.kind = 3", "mlp, vit, resnet"]);
    refused(
        &["optim.schedule=exponential"],
        &["optim.schedule = \"exponential\"", "choose from linear, cosine, step, plateau, constant"],
    );
    refused(&["data.dataset=cifar"], &["data.dataset = \"cifar\"", "fashion-mnist"]);
    for (set, meant) in [
        ("data.dataset=CIFAR10", "cifar-10"),
        ("data.dataset=digit", "digits"),
        ("data.dataset=FashionMNIST", "fashion-mnist"),
        ("perturb.kind=SAM", "steepest"),
        ("optim.kind=AdamW", "adamw"),
        ("optim.schedule=Linear", "linear"),
        ("model.kind=Transformer", "vit"),
        ("loss.kind=cross-entropy", "ce"),
    ] {
        refused(&[set], &[&format!("did you mean \"{meant}\"?"), "choose from"]);
    }
    refused(&["perturb.lambda=1/K"], &["perturb.lambda = \"1/K\"", "a number or \"1/C\""]);
}

#[test]
fn wrong_types_name_key_and_value() {
    refused(&["train.epochs=1.5"], &["train.epochs = 1.5: expected a whole number, 0 or more"]);
    refused(&["train.epochs=1e300"], &["train.epochs = 1e300: expected a whole number, 0 or more"]);
    refused(&["train.batch=-64"], &["train.batch = -64: expected a whole number"]);
    refused(&["train.seed=x"], &["train.seed = \"x\": expected a whole number"]);
    refused(&["optim.betas=[0.9]"], &["optim.betas = [0.9]: expected a list of 2, found a list of 1"]);
    refused(&["data.only_classes=[0, -1]"], &["expected a whole number from 0 to 4294967295, found -1"]);
    refused(&["data.augment=3"], &["data.augment = 3: expected a table of keys"]);
    refused(&["perturb.asam=3"], &["perturb.asam = 3: expected a word in quotes"]);
    refused(&["model.width={a = 1}"], &["model.width = { a = 1 }"]);
}

#[test]
fn missing_keys_and_sections_are_named() {
    for (removed, expected) in [
        ("epochs = 10", "key `train.epochs` is missing"),
        ("kind = \"vit\"", "key `model.kind` is missing; choose from mlp, vit, resnet"),
        ("lr = 1e-3", "key `optim.lr` is missing"),
        ("rho = 0.02", "key `perturb.rho` is missing"),
        ("[data]\ndataset = \"digits\"", "section `data` is missing"),
    ] {
        let message = Config::parse(&WHOLE.replace(removed, ""), Path::new("x.toml"), &[]).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for (set, key) in [
        ("optim.lr=0", "optim.lr = 0"),
        ("optim.lr=nan", "optim.lr = NaN"),
        ("optim.lr=1e300", "optim.lr = 1e300: must be finite and positive, in single precision too"),
        ("model.head_bias=1e39", "in single precision too"),
        ("data.mean=127", "pixels are between 0 and 1"),
        ("data.std=1.5", "pixels are between 0 and 1"),
        ("optim.min_lr=1", "optim.lr = 0.001"),
        ("optim.betas=[0.9, 1.0]", "optim.betas = [0.9, 1.0]"),
        ("optim.weight_decay=-1", "0 or more"),
        ("optim.weight_decay=1e300", "optim.weight_decay = 1e300: must be 0 or more, and finite, in single precision"),
        (
            "optim.weight_decay=1e9",
            "must be below 1, and it is 1000000; with optim.lr = 0.001 use a weight decay below 1000",
        ),
        ("perturb.gamma=1e300", "perturb.gamma = 1e300: "),
        ("optim.min_lr=-1e-9", "optim.min_lr = -1e-9: must be between 0 and optim.lr = 0.001"),
        ("optim.clip=0", "optim.clip = 0"),
        ("optim.warmup_epochs=11", "train.epochs = 10"),
        ("perturb.rho=-0.1", "perturb.rho = -0.1"),
        ("perturb.rho_min=0.01", "rho_schedule"),
        ("perturb.lambda=1", "perturb.lambda = 1"),
        ("perturb.lambda=-0.1", "perturb.lambda = -0.1"),
        ("perturb.gamma=2", "perturb.gamma = 2"),
        ("perturb.m=0", "perturb.m = 0"),
        ("loss.label_smoothing=1", "loss.label_smoothing = 1"),
        ("model.heads=5", "model.width = 64"),
        ("model.depth=0", "model.depth = 0"),
        ("model.dropout=1", "model.dropout = 1"),
        ("data.std=0", "data.std = 0"),
        ("data.classes=10", "only dataset = \"idx\""),
        ("train.epochs=9999999999", "at most 1000000"),
        ("train.threads=100000", "at most 1024"),
        ("model.width=99999999", "between 1 and 1048576"),
        ("model.depth=1001", "between 1 and 1000"),
        ("optim.eps=1e-60", "single precision"),
        ("train.eval_batch=0", "train.eval_batch = 0"),
        ("train.checkpoint_minutes=1e300", "must be a number of minutes, from 0 to 1000000000"),
        ("perturb.rho=1e39", "finite, in single precision too"),
        ("perturb.rho=inf", "must be 0 or more, and finite"),
        ("data.std=1e-40", "in single precision too"),
        ("train.ema=1", "train.ema = 1: must be at least 0 and below 1"),
        ("train.max_skipped=0", "must be at least 1"),
    ] {
        refused(&[set], &["x.toml: ", key]);
    }
}

#[test]
fn methods_that_make_no_sense_together_are_refused_with_the_reason() {
    refused(&["perturb.kind=random", "perturb.gsam_xi=0.4"], &["perturb.gsam_xi = 0.4", "kind = \"random\" has none"]);
    refused(&["perturb.kind=random", "perturb.lambda=0.1"], &["`perturb.lambda` belongs to kind = \"obf\""]);
    refused(&["perturb.kind=none", "perturb.asam=before"], &["`perturb.asam` belongs to kind = "]);
    refused(&["perturb.asam_eta=0.1"], &["perturb.asam_eta = 0.1", "only with asam"]);
    for scope in ["matrices", "weights"] {
        let set = format!("perturb.asam_scope={scope}");
        refused(&[&set], &[&format!("perturb.asam_scope = \"{scope}\""), "only with asam"]);
    }
    refused(
        &["perturb.asam=both", "perturb.asam_scope=weight"],
        &["did you mean \"weights\"?", "all, matrices, weights"],
    );
    refused(&["perturb.gsam_backup=normalised"], &["perturb.gsam_backup", "gsam_xi above 0"]);
    refused(&["perturb.gsam_xi=-0.1"], &["perturb.gsam_xi = -0.1", "0 or more"]);
    refused(&["perturb.asam=before", "perturb.asam_eta=-1"], &["perturb.asam_eta = -1", "0 or more"]);
    refused(&["perturb.asam=twice"], &["perturb.asam = \"twice\"", "both"]);
    refused(&["train.accumulate=2"], &["train.accumulate = 2", "slices of perturb.m"]);
}

#[test]
fn keys_without_effect_are_refused() {
    for (set, part) in [
        ("optim.patience=3", "only with schedule = \"plateau\"; leave it out, or at 10"),
        ("optim.decay_factor=0.5", "only with schedule = \"step\" or \"plateau\"; leave it out, or at 0.1"),
        ("optim.decay_1d=true", "has no effect with optim.weight_decay = 0"),
        ("train.max_skipped=3", "only with on_nonfinite = \"skip\"; leave it out, or at 10"),
    ] {
        refused(&[set], &[&set.replace('=', " = "), part]);
    }
    let used = ["optim.schedule=plateau", "optim.patience=3", "optim.decay_factor=0.5", "optim.decay_1d=true"];
    let config =
        read(&[&used[..], &["optim.weight_decay=0.1", "train.on_nonfinite=skip", "train.max_skipped=3"]].concat());
    let config = config.unwrap();
    assert_eq!(Config::parse(&config.to_toml(), Path::new("x.toml"), &[]).unwrap(), config);
}

#[test]
fn a_batch_must_be_made_of_whole_slices() {
    let parts = ["train.batch = 100", "perturb.m = 64", "a multiple of 64 (64 or 128)", "a divisor of 100 (50 or 100)"];
    refused(&["train.batch=100"], &parts);
    refused(&["train.batch=48"], &["a multiple of 64 (64)", "a divisor of 48 (24 or 48)"]);
    refused(&["perturb.kind=none", "train.accumulate=3"], &["train.batch", "divisible by train.accumulate = 3"]);
    assert!(read(&["perturb.kind=none", "train.accumulate=4"]).is_ok());
    assert!(read(&["train.batch=192"]).is_ok());
}

#[test]
fn broken_files_say_where() {
    let message = Config::parse("[data]\nx = = 1", Path::new("x.toml"), &[]).unwrap_err().to_string();
    assert!(message.contains("x.toml is not valid TOML") && message.contains("line 2"), "{message}");
    let message = Config::load(Path::new("/nonexistent/x.toml"), &[]).unwrap_err().to_string();
    assert!(message.contains("cannot read the config /nonexistent/x.toml"), "{message}");
    refused(&["data=3", "data.x=3"], &["--set data=3", "section.key"]);
}
