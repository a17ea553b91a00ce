//! Builds what a config describes: the model, the optimiser, the step and the schedules.

use crate::config::{
    Asam, AscentConfig, ClassWeights, Config, Likelihood as LikelihoodChoice, LossKind, LrSchedule, ModelConfig,
    PerturbConfig, RhoSchedule as RhoChoice, RuleConfig, ShrinkScaling as ShrinkChoice,
};
use crate::groups::Groups;
use crate::shape::ImageShape;
use lethe_autograd::Tags;
use lethe_nn::loss::{ClassWeighted, Likelihood, TaskLoss};
use lethe_nn::models::{MlpClassifier, MlpConfig, Pooling, ResNet, ResNetConfig, Vit, VitConfig};
use lethe_nn::{Model, State, Theta};
use lethe_optim::{
    self as optim, Adaptive, Decay, Descent, Extragradient, Geometry, Optimizer, Perturbation, RhoSchedule, Scale,
    Schedule, ShrinkPerturb, ShrinkScaling, SurrogateGap,
};
use lethe_tensor::{Device, Tensor};

/// The step of a training.
pub type Step = Extragradient<ClassWeighted>;

/// The model of a resolved config, whose parameters are tagged with their groups.
pub fn model(config: &Config, images: ImageShape, classes: usize) -> Box<dyn Model> {
    let mut model: Box<dyn Model> = match &config.model {
        ModelConfig::Mlp(c) => Box::new(MlpClassifier::new(&MlpConfig {
            inputs: images.len(),
            hidden: c.widths.clone(),
            classes,
            activation: c.activation,
        })),
        ModelConfig::Vit(c) => Box::new(Vit::new(VitConfig {
            channels: images.channels,
            image: [images.height, images.width],
            patch: c.patch,
            width: c.width,
            depth: c.depth,
            heads: c.heads,
            mlp: c.mlp_width(),
            classes,
            pooling: if c.class_token { Pooling::ClassToken } else { Pooling::Mean },
            head_norm: c.norm,
            dropout: c.dropout,
            drop_path: c.drop_path,
            head_bias: Some(c.head_bias(config.loss.kind, config.init.is_some()).value(classes)),
            recompute_blocks: c.recompute,
        })),
        ModelConfig::Resnet(c) => Box::new(ResNet::new(&ResNetConfig {
            channels: images.channels,
            block: c.block,
            blocks: c.blocks.clone(),
            width: c.width,
            stem: c.stem,
            classes,
            head_bias: c.head_bias.0,
            drop_path: c.drop_path,
        })),
    };
    let layout = model.blueprint_mut().layout_mut();
    Groups::of(config).tag(layout);
    if config.optim.common.decay_1d {
        let ids: Vec<_> = layout.iter().map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| layout.retag(id, |tags: &mut Tags| tags.decayed = true));
    }
    model
}

/// The base optimiser of θ.
pub fn optimizer(config: &Config, theta: &Theta) -> Box<dyn Optimizer> {
    match config.optim.rule {
        RuleConfig::Adam(rule) => descent(rule, config, theta),
        RuleConfig::Adamw(rule) => descent(rule, config, theta),
        RuleConfig::Lion(rule) => descent(rule, config, theta),
        RuleConfig::Rmsprop(rule) => descent(rule, config, theta),
        RuleConfig::Sgd(rule) => descent(rule, config, theta),
    }
}

/// A rule with the decay, the groups and the clipping of a config.
fn descent<R: optim::UpdateRule<V>, const V: usize>(rule: R, config: &Config, theta: &Theta) -> Box<dyn Optimizer> {
    let common = &config.optim.common;
    let scales = Groups::of(config).scales(theta.layout());
    let mut descent = Descent::with_groups(rule, theta, common.weight_decay, &scales);
    descent.clip = common.clip.unwrap_or(f64::INFINITY);
    Box::new(descent)
}

/// The task loss.
pub fn task_loss(config: &Config) -> TaskLoss {
    let likelihood = match config.loss.kind {
        LossKind::Ce => Likelihood::Softmax,
        LossKind::Bce => Likelihood::Sigmoid,
    };
    TaskLoss { likelihood, smoothing: config.loss.label_smoothing }
}

/// The loss that is minimised: the task loss with the weights of classes, if the config has some.
pub fn trained_loss(config: &Config, device: &Device) -> ClassWeighted {
    match &config.loss.class_weights {
        // Balanced weights have numbers in a config that was checked against training images; without those nothing is trained.
        None | Some(ClassWeights::Balanced(_)) => ClassWeighted::plain(task_loss(config)),
        Some(ClassWeights::Each(weights)) => {
            let weights: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
            ClassWeighted::new(task_loss(config), Tensor::from_slice(device, &weights, &[weights.len()]))
        }
    }
}

/// The step that takes a batch's gradient.
pub fn step(config: &Config, classes: usize, device: &Device) -> Step {
    let loss = trained_loss(config, device);
    let perturbation = match &config.perturb {
        PerturbConfig::None => Perturbation::None,
        PerturbConfig::Steepest(_) => Perturbation::Steepest,
        PerturbConfig::Random(_) => Perturbation::Random,
        PerturbConfig::Obf { forgetting, .. } => {
            let likelihood = match forgetting.likelihood {
                LikelihoodChoice::Auto => loss.loss.likelihood,
                LikelihoodChoice::Softmax => Likelihood::Softmax,
                LikelihoodChoice::Sigmoid => Likelihood::Sigmoid,
            };
            Perturbation::obf(forgetting.lambda.value(classes), forgetting.gamma.0, likelihood)
        }
    };
    let sam = Extragradient { seed: config.train.seed, ..Extragradient::sam(perturbation, loss) };
    let Some(ascent) = config.perturb.ascent() else {
        return sam.slices_of(config.train.batch / config.train.accumulate);
    };
    let gap = SurrogateGap { xi: ascent.gsam_xi, backup: ascent.gsam_backup };
    Extragradient {
        geometry: geometry(ascent),
        surrogate_gap: (gap.xi > 0.0).then_some(gap),
        update_on: ascent.update_on,
        ..sam.slices_of(ascent.m)
    }
}

/// SAM's sphere or ASAM's ellipsoid.
fn geometry(ascent: &AscentConfig) -> Geometry {
    let scale = match ascent.asam {
        Asam::None => return Geometry::Euclidean,
        Asam::Before => Scale::Before,
        Asam::After => Scale::After,
        Asam::Both => Scale::Both,
    };
    Geometry::Adaptive(Adaptive { scale, eta: ascent.asam_eta, scope: ascent.asam_scope })
}

/// Shrink and perturb towards the current θ and state, if the config asks for it.
pub fn shrink(config: &Config, theta: &Theta, state: &State) -> Option<ShrinkPerturb> {
    let shrink = config.shrink.as_ref()?;
    let scaling = match shrink.scaling {
        ShrinkChoice::Lr => ShrinkScaling::Lr { max: config.optim.common.lr },
        ShrinkChoice::Constant => ShrinkScaling::Constant,
    };
    Some(ShrinkPerturb::new(shrink.factor, scaling, theta, state))
}

/// The learning rate and the radius, by update, after the learning rate was lowered this number of times since evaluations did not improve.
pub fn schedules(config: &Config, updates_per_epoch: usize, lr_decays: u32) -> (Schedule, RhoSchedule) {
    let common = &config.optim.common;
    let updates = |epochs: usize| (epochs * updates_per_epoch) as u64;
    let total = updates(config.train.epochs);
    let lowered = (common.lr * common.decay_factor.powi(lr_decays as i32)).max(common.min_lr);
    let (max, min, decay) = match common.schedule {
        LrSchedule::Linear => (common.lr, common.min_lr, Decay::Linear),
        LrSchedule::Cosine => (common.lr, common.min_lr, Decay::Cosine),
        LrSchedule::Step => {
            let at = common.step_epochs.iter().map(|epochs| updates(*epochs)).collect();
            (common.lr, common.min_lr, Decay::Step { at, factor: common.decay_factor })
        }
        LrSchedule::Plateau => (lowered, common.min_lr, Decay::Constant),
        LrSchedule::Constant => (common.lr, common.lr, Decay::Constant),
    };
    let lr = Schedule { min, decay, ..Schedule::new(max, updates(common.warmup_epochs), total) };
    let rho = match config.perturb.ascent() {
        None => RhoSchedule::Constant(0.0),
        Some(a) => {
            let own = |decay| {
                let schedule = Schedule::new(a.rho, updates(a.rho_warmup_epochs), total);
                RhoSchedule::Own(Schedule { min: a.rho_min, decay, ..schedule })
            };
            match a.rho_schedule {
                RhoChoice::Constant => own(Decay::Constant),
                RhoChoice::Linear => own(Decay::Linear),
                RhoChoice::Cosine => own(Decay::Cosine),
                RhoChoice::Lr => RhoSchedule::FollowsLr { min: a.rho_min, max: a.rho, lr_min: min, lr_max: common.lr },
            }
        }
    };
    (lr, rho)
}
