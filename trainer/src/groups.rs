//! What a config makes of each parameter of its model: whether it is frozen, and the factors of its learning rate and weight decay.
//!
//! The first of `[[optim.groups]]` that matches a parameter counts. `optim.layer_decay` multiplies the learning rate of every layer of a vision
//! transformer by a power of itself, which is larger for layers nearer to the images.

use crate::config::{Config, GroupConfig, ModelConfig, Problem, nearest_few};
use crate::words::count;
use glob::Pattern;
use lethe_autograd::{Param, ParamLayout};
use lethe_optim::Group;
use std::collections::BTreeSet;
use std::fmt;

/// How many of the nearest names a message lists.
const NEAREST: usize = 3;

/// What is done with a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Treatment {
    /// Whether it is held fixed.
    pub frozen: bool,
    /// The factors of its learning rate and weight decay.
    pub scales: Group,
}

impl Treatment {
    const PLAIN: Treatment = Treatment { frozen: false, scales: Group { lr_scale: 1.0, decay_scale: 1.0 } };
}

impl fmt::Display for Treatment {
    /// In words; nothing for a parameter with the config's own rate and decay.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.frozen {
            return f.write_str("frozen");
        }
        let Group { lr_scale, decay_scale } = self.scales;
        let factors = [("lr", lr_scale), ("decay", decay_scale)].into_iter().filter(|(_, scale)| *scale != 1.0);
        // Four digits tell layers apart; 0.75¹² has many more.
        let short = |scale: f64| format!("{scale:.3e}").parse::<f64>().unwrap_or(scale);
        let words: Vec<String> = factors.map(|(name, scale)| format!("{name} × {}", short(scale))).collect();
        f.write_str(&words.join(", "))
    }
}

/// The groups of a config, ready to be asked.
pub struct Groups<'a> {
    config: &'a Config,
    groups: Vec<(&'a GroupConfig, Vec<Pattern>)>,
}

impl<'a> Groups<'a> {
    /// Those of this config.
    pub fn of(config: &'a Config) -> Groups<'a> {
        let groups = config.optim.common.groups.iter().map(|group| (group, group.patterns())).collect();
        Groups { config, groups }
    }

    /// What is done with the parameter of this name.
    pub fn treatment(&self, name: &str) -> Treatment {
        self.treatment_without(name, None)
    }

    /// The same as if there were no group with this number.
    fn treatment_without(&self, name: &str, left_out: Option<usize>) -> Treatment {
        let others = self.groups.iter().enumerate().filter(|(i, _)| Some(*i) != left_out).map(|(_, group)| group);
        let group = others.filter(|(_, patterns)| patterns.iter().any(|p| p.matches(name))).map(|(group, _)| *group);
        let of_group = |group: &GroupConfig| Treatment {
            frozen: group.frozen,
            scales: Group { lr_scale: group.lr_scale.unwrap_or(1.0), decay_scale: group.decay_scale.unwrap_or(1.0) },
        };
        let mut treatment = group.map(of_group).next().unwrap_or(Treatment::PLAIN);
        treatment.scales.lr_scale *= self.layer_scale(name);
        treatment
    }

    /// d^(depth + 1 − layer), where the embeddings are layer 0, `blocks.i` is layer i + 1, and the last norm and the head are layer depth + 1.
    fn layer_scale(&self, name: &str) -> f64 {
        let (Some(decay), ModelConfig::Vit(vit)) = (self.config.optim.common.layer_decay, &self.config.model) else {
            return 1.0;
        };
        let block = name.strip_prefix("blocks.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        let layer = match block {
            Some(i) => i + 1,
            None if name == "cls_token" || name == "pos_embed" || name.starts_with("patch_embed.") => 0,
            None => vit.depth + 1,
        };
        decay.powi((vit.depth + 1 - layer) as i32)
    }

    /// The different scales of a model's parameters, in the order in which they appear; their numbers are the tags of the parameters.
    pub fn scales(&self, layout: &ParamLayout) -> Vec<Group> {
        let mut scales: Vec<Group> = Vec::new();
        for (_, param) in layout.owned() {
            let own = self.treatment(&param.name).scales;
            if !scales.contains(&own) {
                scales.push(own);
            }
        }
        scales
    }

    /// Tags a model's parameters: which are frozen, and the number of their scales.
    pub fn tag(&self, layout: &mut ParamLayout) {
        let scales = self.scales(layout);
        let owned: Vec<_> = layout.owned().map(|(id, param)| (id, self.treatment(&param.name))).collect();
        for (id, Treatment { frozen, scales: own }) in owned {
            let group = scales.iter().position(|group| *group == own).expect("each parameter's scales are among all");
            layout.retag(id, |tags| (tags.frozen, tags.group) = (tags.frozen || frozen, group));
        }
    }

    /// Checks them against the names of a model's parameters.
    ///
    /// # Errors
    /// If a glob matches no parameter, a group changes nothing, or no parameter is left to train.
    pub fn check(&self, layout: &ParamLayout) -> Result<(), Problem> {
        let params: Vec<&Param> = layout.owned().map(|(_, param)| param).collect();
        for (i, (group, patterns)) in self.groups.iter().enumerate() {
            for (text, pattern) in group.params.iter().zip(patterns) {
                if !params.iter().any(|param| pattern.matches(&param.name)) {
                    return Err(unmatched(i, text, &params));
                }
            }
            if params.iter().all(|param| self.effect(param, None) == self.effect(param, Some(i))) {
                let reason = "this group has no effect: without it every parameter would be trained in the same way (the first group that matches a \
                              parameter counts, and biases, norms and embeddings decay only with optim.decay_1d)";
                let found = format!("{:?}", group.params);
                return Err(Problem::value(&GroupConfig::key(i, "params"), found, reason));
            }
        }
        if params.iter().all(|param| param.tags.frozen) && !params.is_empty() {
            let reason = "all parameters of the model are frozen; leave some to be trained, such as those of the head";
            return Err(Problem::value("optim.groups", count(self.groups.len(), "group"), reason));
        }
        Ok(())
    }

    /// What an update sees of a parameter's treatment.
    fn effect(&self, param: &Param, left_out: Option<usize>) -> (bool, f64, f64) {
        let Treatment { frozen, scales } = self.treatment_without(&param.name, left_out);
        let decays = param.tags.decayed && self.config.optim.common.weight_decay > 0.0;
        if frozen { (true, 0.0, 0.0) } else { (false, scales.lr_scale, if decays { scales.decay_scale } else { 1.0 }) }
    }
}

/// The problem of a glob that matches no parameter, with the nearest names, and the nearest globs of whole layers.
fn unmatched(group: usize, glob: &str, params: &[&Param]) -> Problem {
    let levels = |name: &str| name.match_indices('.').map(|(dot, _)| format!("{}.*", &name[..dot])).collect::<Vec<_>>();
    let names: BTreeSet<String> =
        params.iter().flat_map(|param| [levels(&param.name), vec![param.name.clone()]].concat()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest_few(glob, &names, NEAREST).join(", ");
    let reason = format!("matches no parameter of the model; the nearest are {near}; `lethe check CONFIG` lists all");
    Problem::value(&GroupConfig::key(group, "params"), format!("{glob:?}"), reason)
}
