//! Loads the tensors of a file into θ and the state of a model: the backbone with its running statistics, and the head unless it is for other
//! classes. Every tensor that is not newly initialised must exist with its shape. What was done is reported.

use super::Source;
use crate::classes::Classes;
use crate::config::{Head, InitConfig, ModelConfig};
use crate::error::Error;
use crate::run::CheckpointError;
use crate::words::count;
use lethe_autograd::{Param, ParamLayout};
use lethe_nn::models::{Positions, interpolate_positions};
use lethe_nn::{Model, State, Theta};
use lethe_tensor::{Device, Tensor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The largest number of names that a message lists.
const LISTED: usize = 8;

/// A report of what was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The file or folder.
    pub from: PathBuf,
    /// Which checkpoint of a run it was, if not the last one.
    pub remark: Option<String>,
    /// The prefix that was removed from names in the file, and the number of these names.
    pub prefix: Option<(String, usize)>,
    /// How many tensors of the file were converted to f32, by their type.
    pub converted: BTreeMap<String, usize>,
    /// The names of the loaded tensors.
    pub loaded: Vec<String>,
    /// What was done with the head, and why, in words.
    pub head: String,
    /// The old and new grid, if position embeddings were interpolated.
    pub interpolated: Option<[[usize; 2]; 2]>,
    /// The parameters that were initialised anew.
    pub new: Vec<String>,
    /// The tensors of the file that were not used, apart from an optimiser's vectors in a run's checkpoint.
    pub unused: Vec<String>,
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "starts from {}: {} loaded", self.from.display(), count(self.loaded.len(), "tensor"))?;
        if let Some(remark) = &self.remark {
            write!(f, "\n  warning: {remark}")?;
        }
        write!(f, "\n  {}", self.head)?;
        if let Some((prefix, names)) = &self.prefix {
            write!(f, "\n  `{prefix}` removed from the names of {}", count(*names, "tensor"))?;
        }
        for (dtype, tensors) in &self.converted {
            let how = if dtype == "F64" { "rounded" } else { "widened" };
            write!(f, "\n  {} of {dtype} {how} to f32", count(*tensors, "tensor"))?;
        }
        if let Some([[h, w], [rows, columns]]) = self.interpolated {
            write!(f, "\n  positions interpolated from {h}×{w} to {rows}×{columns} patches")?;
        }
        for (what, names) in [("new", &self.new), ("in the file and not used", &self.unused)] {
            if !names.is_empty() {
                let more = names.len().saturating_sub(LISTED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, "\n  {what}: {}{more}", names[..names.len().min(LISTED)].join(", "))?;
            }
        }
        Ok(())
    }
}

/// The initial θ and state of a model with `[init]`: those of its seed, replaced by what the file contains.
///
/// # Errors
/// If the file cannot be read, belongs to a model that computes differently, or lacks a tensor or has it with a different shape.
pub fn transfer(
    init: &InitConfig,
    config: &ModelConfig,
    model: &dyn Model,
    classes: &Classes,
    seed: u64,
) -> Result<(Theta, State, Transfer), Error> {
    let mut source = Source::open(&init.from)?;
    source.tensors.expect_alike(config)?;
    let (theta, state) = model.init(&Device::cpu(), seed);
    let names = |layout: &ParamLayout| layout.owned().map(|(_, p)| p.name.clone()).collect::<Vec<_>>();
    let own = [names(theta.layout()), names(state.layout())].concat();
    let prefix = source.unwrap_names(&own.iter().map(String::as_str).collect());
    let head = format!("{}.", model.head());
    let (replaced, why) = replaces_head(init.head, &source, &head, theta.layout(), classes)?;
    let mut filling = Filling { source: &source, positions: model.positions(), interpolated: None, loaded: vec![] };
    let theta_values = filling.fill(theta.layout(), theta.values(), |p| replaced && p.name.starts_with(&head))?;
    let state_values = filling.fill(state.layout(), state.values(), |_| false)?;
    let Filling { loaded, interpolated, .. } = filling;
    let new = own.iter().filter(|name| !loaded.contains(name)).cloned().collect();
    let all = source.tensors.tensors.iter().map(|t| &t.name).chain(source.others.iter().map(|(name, _)| name));
    let unused = all.filter(|name| !loaded.contains(name) && (!source.tensors.is_of_a_run() || own.contains(name)));
    let unused = unused.cloned().collect();
    let (from, remark, converted) = (init.from.clone(), source.remark.clone(), source.converted.clone());
    let report = Transfer { from, remark, head: why, prefix, converted, interpolated, new, unused, loaded };
    Ok((Theta::new(theta_values, theta.layout()), State::new(state_values, state.layout()), report))
}

/// Whether the head is initialised anew instead of loaded, and why, in words. A head knows its classes by number only, so it is useless for other
/// classes even if there are as many.
fn replaces_head(
    choice: Head,
    source: &Source,
    head: &str,
    layout: &ParamLayout,
    classes: &Classes,
) -> Result<(bool, String), Error> {
    let name = format!("{head}weight");
    let count = layout.owned().find(|(_, p)| p.name == name).map(|(_, p)| p.shape[0]);
    let found = source.shape(&name).and_then(|shape| shape.first().copied());
    let difference = source.tensors.classes()?.map(|of_file| of_file.difference(classes));
    Ok(match (choice, difference) {
        (Head::New, _) => (true, "the head is new, as init.head says".to_owned()),
        (Head::Keep, Some(Some(difference))) => {
            (false, format!("the head is kept, as init.head says, though its classes were different: {difference}"))
        }
        (Head::Keep, _) => (false, "the head is kept, as init.head says".to_owned()),
        (Head::Auto, _) if found != count => {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
            (true, format!("the head is new: it has {} classes, and the file's has {found}", classes.len()))
        }
        (Head::Auto, Some(Some(difference))) => {
            (true, format!("the head is new: its classes were different: {difference}"))
        }
        (Head::Auto, Some(None)) => (false, "the head is kept: its classes are the same".to_owned()),
        (Head::Auto, None) => {
            let advice = "the file does not name them; if they are different, set init.head = \"new\"";
            (false, format!("the head is kept: it has as many classes, {}; {advice}", classes.len()))
        }
    })
}

/// The state of loading vectors from a file.
struct Filling<'a> {
    source: &'a Source,
    positions: Option<Positions>,
    interpolated: Option<[[usize; 2]; 2]>,
    loaded: Vec<String>,
}

impl Filling<'_> {
    /// A vector with the file's values, except for parameters that are initialised anew.
    fn fill(&mut self, layout: &ParamLayout, start: &Tensor, stays: impl Fn(&Param) -> bool) -> Result<Tensor, Error> {
        let mut values: Vec<f32> = start.to_vec()?;
        for (_, p) in layout.owned().filter(|(_, p)| !stays(p)) {
            match self.positions.filter(|at| at.name == p.name) {
                Some(at) => values[p.range()].copy_from_slice(&self.positions(p, at)?),
                None => values[p.range()].copy_from_slice(self.source.tensor(&p.name, &p.shape)?),
            }
            self.loaded.push(p.name.clone());
        }
        Ok(Tensor::from_slice(start.device(), &values, &[layout.len()]))
    }

    /// The file's position embeddings for the model's grid. A different grid is assumed to be square, as in all common models, since the file does
    /// not say. Bilinear interpolation preserves the similarity of neighbours, which embeddings have learnt.
    fn positions(&mut self, p: &Param, at: Positions) -> Result<Vec<f32>, Error> {
        let file = self.source;
        let found = match self.source.shape(&p.name) {
            Some(&[1, tokens, width]) if width == p.shape[2] && tokens != p.shape[1] => tokens,
            _ => return Ok(file.tensor(&p.name, &p.shape)?.to_vec()),
        };
        let side = found.saturating_sub(at.leading).isqrt();
        if side == 0 || side * side + at.leading != found {
            let leading = if at.leading > 0 { " after the class token" } else { ", without a class token" };
            return Err(Error::Checkpoint(CheckpointError::Tensor {
                path: file.tensors.path.clone(),
                tensor: p.name.clone(),
                expected: format!("shape {:?}, or a square grid of patches{leading}", p.shape),
                found: format!("shape [1, {found}, {}]", p.shape[2]),
            }));
        }
        let shape = [1, found, p.shape[2]];
        let embeddings = Tensor::from_slice(&Device::cpu(), file.tensor(&p.name, &shape)?, &shape);
        self.interpolated = Some([[side; 2], at.grid]);
        Ok(interpolate_positions(&embeddings, at.leading, [side; 2], at.grid).to_vec()?)
    }
}
