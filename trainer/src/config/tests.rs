//! Configs read, refused, resolved and written back.

use std::collections::BTreeSet;
use std::path::Path;

use lethe_optim::{Backup, Scope, Sgd, UpdateOn};

use super::*;

pub(super) const WHOLE: &str = r#"
[data]
dataset = "digits"
[model]
kind = "vit"
patch = 2
width = 64
depth = 4
heads = 4
[loss]
kind = "bce"
[optim]
kind = "adamw"
lr = 1e-3
[perturb]
kind = "obf"
rho = 0.02
[train]
epochs = 10
batch = 128
"#;

pub(super) fn read(set: &[&str]) -> Result<Config, String> {
    let overrides: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    Config::parse(WHOLE, Path::new("x.toml"), &overrides).map_err(|e| e.to_string())
}

fn facts() -> DataFacts {
    DataFacts { images: ImageShape { channels: 1, height: 8, width: 8 }, classes: 10, train: 1437, labels: vec![] }
}

/// Asserts that the message of a refusal holds all these parts.
pub(super) fn refused(set: &[&str], parts: &[&str]) {
    let message = read(set).unwrap_err();
    for part in parts {
        assert!(message.contains(part), "{set:?}: `{part}` not in: {message}");
    }
}

#[test]
fn defaults_are_the_papers() {
    let config = read(&[]).unwrap();
    let PerturbConfig::Obf { ascent, forgetting } = &config.perturb else { panic!("{:?}", config.perturb) };
    assert_eq!((ascent.m, ascent.rho_schedule, forgetting.gamma.0), (64, RhoSchedule::Constant, 1.0));
    assert_eq!((forgetting.lambda, forgetting.likelihood), (Lambda::PerClass, Likelihood::Auto));
    let RuleConfig::Adamw(adamw) = &config.optim.rule else { panic!("{:?}", config.optim) };
    assert_eq!((adamw.betas, adamw.eps), ([0.9, 0.999], 1e-8));
    assert_eq!((config.data.mean.by_channel(), config.data.std.by_channel()), ([0.5; 3], [0.5; 3]));
}

#[test]
fn a_config_may_leave_out_loss_and_perturbation() {
    let text = WHOLE.replace("[loss]\nkind = \"bce\"\n", "").replace("[perturb]\nkind = \"obf\"\nrho = 0.02\n", "");
    let config = Config::parse(&text, Path::new("x.toml"), &[]).unwrap();
    assert_eq!((config.loss.kind, config.perturb), (LossKind::Ce, PerturbConfig::None));
}

#[test]
fn resolving_writes_out_every_default_and_reads_back_the_same() {
    let models = ["", "mlp", "resnet"];
    for (model, optim, perturb) in models.iter().flat_map(|m| ["adamw", "sgd"].map(|o| (*m, o, o == "sgd"))) {
        let mut text = WHOLE.replace("\"adamw\"", &format!("{optim:?}"));
        if !model.is_empty() {
            let (before, after) = text.split_once("[model]").unwrap();
            let keys =
                if model == "mlp" { "widths = [32, 16]" } else { "block = \"basic\"\nblocks = [1, 1]\nwidth = 8" };
            let (_, after) = after.split_once("[loss]").unwrap();
            text = format!("{before}[model]\nkind = {model:?}\n{keys}\n[loss]{after}");
        }
        let set =
            if perturb { vec!["perturb.lambda=0.25".to_owned(), "shrink.factor=1e-4".to_owned()] } else { vec![] };
        let config = Config::parse(&text, Path::new("x.toml"), &set).unwrap();
        for config in [config.clone(), config.resolve(&facts()).unwrap()] {
            let again = Config::parse(&config.to_toml(), Path::new("y.toml"), &[]).unwrap();
            assert_eq!(again, config, "{}", config.to_toml());
        }
    }
    let text = read(&[]).unwrap().resolve(&facts()).unwrap().to_toml();
    for line in ["mlp_width = 256", "head_bias = -10.0", "lambda = 0.1", "likelihood = \"sigmoid\""] {
        assert!(text.contains(line), "{line} not in:\n{text}");
    }
}

#[test]
fn overrides_change_and_add_keys() {
    let config = read(&["optim.lr=0.5", "perturb.lambda=1/C", "data.augment.flip=true", "optim.clip=1"]).unwrap();
    assert_eq!((config.optim.common.lr, config.optim.common.clip), (0.5, Some(1.0)));
    assert!(config.data.augment.flip);
}

#[test]
fn another_kind_takes_over_the_keys_that_it_knows() {
    let sgd = read(&["optim.momentum=0.5", "optim.kind=sgd", "optim.lr=0.1"]).unwrap().optim;
    assert_eq!(sgd.rule, RuleConfig::Sgd(Sgd { momentum: 0.5, nesterov: false }));
    assert_eq!(read(&["perturb.kind=none"]).unwrap().perturb, PerturbConfig::None);
    let steepest = read(&["perturb.lambda=0.1", "perturb.kind=obf"]).unwrap().perturb;
    assert!(matches!(steepest, PerturbConfig::Obf { forgetting, .. } if forgetting.lambda == Lambda::Value(0.1)));
    let model = read(&["model.kind=mlp", "model.widths=[4]"]).unwrap().model;
    assert!(matches!(model, ModelConfig::Mlp(mlp) if mlp.widths == [4]));
    let owned = "`perturb.rho` belongs to kind = \"steepest\", \"obf\" or \"random\", not to \"none\"";
    refused(&["perturb.kind=none", "perturb.rho=1"], &[owned]);
    refused(&["perturb.kind=obff"], &["perturb.kind = \"obff\"", "did you mean \"obf\"?"]);
    let left_out = Config::left_out(WHOLE, &["optim.kind=sgd".to_owned(), "model.kind=mlp".to_owned()]);
    assert_eq!(
        left_out,
        ["model.kind = \"mlp\" instead of \"vit\" leaves out model.depth, model.heads, model.patch, model.width"]
    );
    assert!(Config::left_out("no TOML", &["optim.kind=sgd".to_owned()]).is_empty());
}

#[test]
fn groups_are_read_from_tables_and_from_the_command_line_and_written_back() {
    let groups =
        "[[optim.groups]]\nparams = [\"head.*\"]\nlr_scale = 2\n[[optim.groups]]\nparams = [\"*\"]\nfrozen = true\n";
    let text = WHOLE.replace("[perturb]", &format!("layer_decay = 0.75\n{groups}[perturb]"));
    let config = Config::parse(&text, Path::new("x.toml"), &[]).unwrap();
    let set = "optim.groups=[{params=[\"head.*\"],lr_scale=2},{params=[\"*\"],frozen=true}]";
    assert_eq!(config, read(&[set, "optim.layer_decay=0.75"]).unwrap());
    assert_eq!(Config::parse(&config.to_toml(), Path::new("y.toml"), &[]).unwrap(), config);
    let [first, second] = &config.optim.common.groups[..] else { panic!("two groups") };
    assert_eq!((first.lr_scale, first.frozen, second.lr_scale, second.frozen), (Some(2.0), false, None, true));
    refused(&["optim.groups=3"], &["optim.groups = 3: expected a list"]);
    refused(&["optim.groups=[{frozen=true}]"], &["optim.groups", "params"]);
    let heavy = ["optim.weight_decay=100", "optim.groups=[{params=[\"*\"],lr_scale=4,decay_scale=3}]"];
    refused(&heavy, &["optim.groups[0].decay_scale = 3", "must be below 1"]);
    refused(&["optim.groups=[{params=[\"*\"],lr_scale=1e300}]"], &["lr_scale = 1e300", "in single precision"]);
    refused(&["model.depth=1", "model.drop_path=0.1"], &["model.drop_path = 0.1", "one block"]);
    refused(&["model.drop_path=-0.1"], &["model.drop_path = -0.1", "at least 0"]);
    refused(&["model.kind=mlp", "model.widths=[4]", "model.drop_path=0.1"], &["`model.drop_path` belongs to"]);
}

#[test]
fn a_radius_to_fall_to_needs_a_rate_that_falls() {
    let set = ["perturb.rho_schedule=lr", "perturb.rho_min=0.01"];
    assert!(read(&set).is_ok());
    for stays in ["optim.schedule=constant", "optim.min_lr=0.001"] {
        refused(&[set[0], set[1], stays], &["perturb.rho_min = 0.01", "only if the learning rate decreases"]);
        assert!(read(&[set[0], stays]).is_ok());
    }
}

#[test]
fn geometry_gap_and_update_have_their_keys_and_defaults() {
    let ascent = |set: &[&str]| read(set).unwrap().perturb.ascent().unwrap().clone();
    let plain = ascent(&[]);
    assert_eq!((plain.asam, plain.gsam_xi, plain.update_on), (Asam::None, 0.0, UpdateOn::Slice));
    let set = ["perturb.asam=both", "perturb.asam_eta=0.01", "perturb.asam_scope=matrices", "perturb.update_on=batch"];
    let asam = ascent(&set);
    let found = (asam.asam, asam.asam_eta, asam.asam_scope, asam.update_on);
    assert_eq!(found, (Asam::Both, 0.01, Scope::Matrices, UpdateOn::Batch));
    let gsam = ascent(&["perturb.gsam_xi=0.4", "perturb.gsam_backup=normalised"]);
    assert_eq!((gsam.gsam_xi, gsam.gsam_backup), (0.4, Backup::Normalised));
    let random = read(&["perturb.kind=random", "optim.min_lr=1e-5", "perturb.rho_schedule=lr", "perturb.asam=before"]);
    assert!(matches!(random.unwrap().perturb, PerturbConfig::Random(ascent) if ascent.asam == Asam::Before));
}

#[test]
fn shrink_and_perturb_is_a_section_that_may_be_left_out() {
    assert_eq!(read(&[]).unwrap().shrink, None);
    let shrink = |set: &[&str]| read(set).unwrap().shrink.unwrap();
    assert_eq!(shrink(&["shrink.scaling=lr"]), ShrinkConfig { factor: 1e-5, scaling: ShrinkScaling::Lr });
    let constant = shrink(&["shrink.factor=0.1", "shrink.scaling=constant", "perturb.kind=none"]);
    assert_eq!(constant, ShrinkConfig { factor: 0.1, scaling: ShrinkScaling::Constant });
    refused(&["shrink.factor=0"], &["shrink.factor = 0", "leave [shrink] out"]);
    refused(&["shrink.factor=1.5"], &["shrink.factor = 1.5", "at most 1"]);
    refused(&["shrink.share=1"], &["unknown key `shrink.share`", "factor, scaling"]);
}

#[test]
fn the_bias_of_a_head_is_a_number_or_minus_the_logarithm_of_the_classes() {
    let bias = |set: &[&str]| {
        let config = read(set).unwrap();
        assert_eq!(Config::parse(&config.to_toml(), Path::new("y.toml"), &[]).unwrap(), config);
        let ModelConfig::Vit(vit) = config.resolve(&facts()).unwrap().model else { panic!("a ViT") };
        vit.head_bias.unwrap()
    };
    let per_class = HeadBias::Value(-(10f64.ln()));
    assert_eq!(bias(&["model.head_bias=-ln C"]), per_class);
    assert_eq!(bias(&["model.head_bias=-3"]), HeadBias::Value(-3.0));
    assert_eq!((bias(&[]), bias(&["loss.kind=ce"])), (HeadBias::Value(-10.0), HeadBias::Value(0.0)));
    // In fine-tuning, as in the paper.
    assert_eq!((bias(&["init.from=a"]), bias(&["init.from=a", "model.head_bias=-10"])), (per_class, bias(&[])));
    let resnet = ["model.kind=resnet", "model.block=basic", "model.blocks=[1]"];
    let bias = |set: &[&str]| {
        let config = read(&[&resnet[..], set].concat()).unwrap();
        assert_eq!(Config::parse(&config.to_toml(), Path::new("y.toml"), &[]).unwrap(), config);
        let ModelConfig::Resnet(resnet) = config.model else { panic!("a ResNet") };
        resnet.head_bias.0
    };
    assert_eq!(
        [bias(&[]), bias(&["model.head_bias=1"]), bias(&["model.head_bias=uniform"])],
        [Some(0.0), Some(1.0), None]
    );
    refused(&[&resnet[..], &["model.head_bias=-ln C"]].concat(), &["model.head_bias = \"-ln C\"", "\"uniform\""]);
    refused(&["model.head_bias=ln C"], &["model.head_bias = \"ln C\"", "a number or \"-ln C\""]);
    refused(&["init.from="], &["init.from = \"\"", "leave [init] out"]);
    refused(&["init.from=a", "init.head=old"], &["init.head = \"old\"", "auto", "new", "keep"]);
    refused(&["init.head=new"], &["key `init.from` is missing"]);
}

#[test]
fn a_config_must_fit_its_data() {
    let problem = |set: &str| read(&[set]).unwrap().resolve(&facts()).unwrap_err().to_string();
    assert!(problem("model.patch=3").contains("must divide the images' height and width, 8×8"));
    assert!(problem("train.batch=1472").contains("must not exceed the training set, 1437"));
    assert!(problem("data.train_limit=100").contains("must not exceed the training set, 100"));
    assert!(problem("data.train_limit=2000").contains("only 1437 images"));
    let resnet = ["model.kind=resnet", "model.block=basic", "model.blocks=[1, 1, 1, 1]", "model.width=8"];
    let one = |m: &str| read(&[&resnet[..], &[m]].concat()).unwrap().resolve(&facts());
    assert!(one("perturb.m=1").unwrap_err().to_string().contains("batch norm needs more than one value per channel"));
    assert!(one("perturb.m=2").is_ok() && problem("data.augment.crop_padding=8").contains("smaller than the images"));
}

#[test]
fn epochs_are_due_by_their_interval_and_at_the_end() {
    let due = |every| -> Vec<usize> {
        let train = read(&["train.epochs=5"]).unwrap().train;
        (0..5).filter(|epoch| train.is_due(every, *epoch)).collect()
    };
    assert_eq!((due(0), due(1), due(2)), (vec![4], vec![0, 1, 2, 3, 4], vec![1, 3, 4]));
}

#[test]
fn an_analysis_needs_something_to_analyse() {
    let config = read(&[]).unwrap();
    assert_eq!(config.analysis, AnalysisConfig::default());
    refused(&["analysis.every=1", "perturb.kind=none"], &["analysis.every = 1", "needs a perturbation"]);
    refused(&["analysis.draws=0"], &["analysis.draws = 0", "at least 1"]);
    refused(&["analysis.protocol=p3"], &["analysis.protocol = \"p3\"", "unknown choice", "p1", "p2"]);
    let held_out = read(&["analysis.split=held-out", "train.batch=64"]).unwrap();
    assert!(held_out.resolve(&facts()).is_ok());
    let few = held_out.resolve(&DataFacts { train: 70, ..facts() }).unwrap_err().to_string();
    assert!(few.contains("the training set, 63 images"), "{few}");
}

#[test]
fn data_is_checked_key_by_key() {
    let colours = ["data.dataset=cifar-10", "data.mean=[0.485, 0.456, 0.406]", "data.std=0.25", "data.size=224"];
    let data = read(&colours).unwrap().data;
    assert_eq!((data.mean.by_channel(), data.std.by_channel()), ([0.485, 0.456, 0.406], [0.25; 3]));
    for (set, parts) in [
        (&["data.mean=[0.5, 0.5, 0.5]"][..], &["data.mean", "a list of 1"][..]),
        (&["data.dataset=cifar-100", "data.std=[0.5, 0.5]"], &["data.std = [0.5, 0.5]", "a list of 3"]),
        (&["data.dataset=cifar-100", "data.std=[0.5, 0.5, 0]"], &["data.std", "positive"]),
        (&["data.mean=grey"], &["data.mean", "a list of one for each channel"]),
        (&["data.dataset=imagenet"], &["`data.size` is missing"]),
        (&["data.size=0"], &["data.size = 0", "between 1 and 16384"]),
        (&["data.eval_size=288"], &["data.eval_size = 288", "needs data.size"]),
        (&["data.size=224", "data.eval_size=288"], &["data.eval_size = 288", "a position for each patch"]),
        (&["data.hold_out=0"], &["data.hold_out = 0", "at least 1"]),
        (&["data.augment.min_area=0.3"], &["min_area", "needs data.augment.inception_crop"]),
        (&["data.augment={ inception_crop = true, min_area = 0.0 }"], &["min_area", "above 0"]),
        (&["data.augment={ inception_crop = true, crop_padding = 2 }"], &["crop_padding = 2", "cannot be combined"]),
    ] {
        refused(set, parts);
    }
    let set = ["data.size=16", "data.augment.inception_crop=true"];
    let resolved = read(&set).unwrap().resolve(&facts()).unwrap().data;
    assert_eq!((resolved.eval_size, resolved.augment.min_area), (Some(16), Some(0.05)));
    assert_eq!(read(&[]).unwrap().resolve(&facts()).unwrap().data, read(&[]).unwrap().data);
}

/// The reference of all keys, docs/config.md.
const REFERENCE: &str = include_str!("../../../docs/config.md");

/// The keys of a section in the reference.
pub(super) fn documented(name: &str) -> BTreeSet<String> {
    let (_, text) = REFERENCE.split_once(&format!("\n## `[{name}]`")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    // The first cell of a row names one key, or two.
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let keys = cells.flat_map(|cell| cell.split('`').step_by(2).map(str::to_owned));
    keys.filter(|key| !key.is_empty()).collect()
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    use super::reading::fields;
    let augment = fields::<AugmentConfig>().iter().map(|key| format!("augment.{key}"));
    let data = fields::<DataConfig>().iter().filter(|key| **key != "augment").map(|key| (*key).to_owned());
    let of_kinds = |keys: fn(&str) -> Option<Vec<&'static str>>, kinds: &[&str]| {
        let all = kinds.iter().flat_map(|kind| keys(kind).unwrap());
        all.chain(["kind"]).map(str::to_owned).collect::<Vec<String>>()
    };
    let plain = |fields: &[&str]| fields.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
    let groups = fields::<GroupConfig>().iter().map(|key| format!("groups.{key}"));
    let optim = of_kinds(OptimConfig::keys, &super::optim::RULES).into_iter().filter(|key| key != "groups");
    let sections = [
        ("data", data.chain(augment).collect()),
        ("model", of_kinds(ModelConfig::keys, &["mlp", "vit", "resnet"])),
        ("init", plain(fields::<InitConfig>())),
        ("loss", plain(fields::<LossConfig>())),
        ("optim", optim.chain(groups).collect()),
        ("perturb", of_kinds(PerturbConfig::keys, &["none", "steepest", "obf", "random"])),
        ("shrink", plain(fields::<ShrinkConfig>())),
        ("train", plain(fields::<TrainConfig>())),
        ("analysis", plain(fields::<AnalysisConfig>())),
    ];
    assert_eq!(sections.each_ref().map(|(name, _)| *name).len(), SECTIONS.len());
    for (name, keys) in sections {
        assert_eq!(documented(name), keys.into_iter().collect(), "[{name}]");
    }
}

#[test]
fn the_config_of_the_reference_can_be_read() {
    let text = REFERENCE.split_once("```toml").unwrap().1.split_once("```").unwrap().0;
    let config = Config::parse(text, Path::new("docs/config.md"), &[]).unwrap();
    assert_eq!(config.perturb.ascent().unwrap().gsam_xi, 0.01);
}

#[test]
fn classes_without_images_cannot_be_balanced() {
    let facts = |labels: &[u32]| DataFacts { classes: 3, train: labels.len(), labels: labels.to_vec(), ..facts() };
    let small = ["train.batch=2", "perturb.m=2", "loss.kind=ce"];
    for (set, key) in
        [("data.sampling=balanced", "data.sampling"), ("loss.class_weights=balanced", "loss.class_weights")]
    {
        let config = read(&[&small[..], &[set]].concat()).unwrap();
        assert!(config.resolve(&facts(&[0, 1, 2, 2])).is_ok());
        let message = config.resolve(&facts(&[0, 2, 0, 2])).unwrap_err().to_string();
        assert!(message.starts_with(key) && message.contains("class 1 has no training images"), "{message}");
    }
}
