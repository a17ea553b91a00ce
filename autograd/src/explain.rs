//! The recorded graph in words: what was done with what, where in the calling code, and which parameters no gradient will reach, and why.
//! The sweep asks the same question here, so that both give the same answer.

use crate::graph::{Kind, Node, Tape, Var};
use crate::params::ParamId;
use std::fmt;
use std::fmt::Write;
use std::panic::Location;

/// A parameter that no gradient reaches. `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Its name; of tied ones, that of the parameter which owns the elements.
    pub name: String,
    /// Why.
    pub why: Cut,
}

/// Why no gradient reaches a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The forward pass never read it.
    NeverRead,
    /// It was read there, and no operation used it, or only its tensor was used.
    Unused(&'static Location<'static>),
    /// The last recorded operation that it takes part in: what was made of the result was not recorded (it was detached, or only its tensor was
    /// used), or does not lead to what was differentiated.
    After {
        /// The operation's number on the tape.
        node: usize,
        /// Its name.
        op: &'static str,
        /// The line of calling code.
        location: &'static Location<'static>,
    },
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no gradient for `{}`: {}", self.name, self.why)
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::NeverRead => write!(f, "the forward pass never read it"),
            Cut::Unused(at) => write!(f, "it was read at {at}, and not used (or only its tensor was)"),
            Cut::After { node, op, location } => {
                write!(
                    f,
                    "its last recorded use is #{node} {op} at {location}, which has no recorded path to the result"
                )
            }
        }
    }
}

impl Tape {
    /// A line for every recorded operation: its number, name, shape, inputs and line of calling code; a dot before those that `y` does not
    /// depend on. Then the parameters that a sweep from `y` does not reach, each with the reason.
    ///
    /// # Panics
    /// If `y` is not on this tape.
    #[track_caller]
    pub fn explain(&self, y: &Var) -> String {
        let last = self.number_of("explain", y);
        let nodes = self.0.nodes();
        let needed = needed(&nodes, last);
        let mut text = String::new();
        for (i, node) in nodes.iter().enumerate() {
            let mark = if needed[i] { ' ' } else { '·' };
            let _ = write!(text, "{mark} #{i} {}", self.title(node));
            let _ = write!(text, " {:?}", node.shape);
            let inputs: Vec<String> =
                node.inputs.iter().map(|n| n.map_or("constant".into(), |n| format!("#{n}"))).collect();
            if !inputs.is_empty() {
                let _ = write!(text, " <- {}", inputs.join(", "));
            }
            let _ = writeln!(text, "  at {}", node.location);
        }
        drop(nodes);
        self.unreached(last).iter().for_each(|u| _ = writeln!(text, "{u}"));
        text
    }

    fn title(&self, node: &Node) -> String {
        match node.kind {
            Kind::Parameter(set, id) => format!("parameter `{}`", self.0.sets()[set].0.get(id).name),
            Kind::Opaque => format!("{} (no derivative)", node.op),
            Kind::Leaf | Kind::Operation => node.op.to_string(),
        }
    }

    /// The parameters on which node `last` does not depend, and why. Frozen ones want no gradient, and tied ones are one.
    pub(crate) fn unreached(&self, last: usize) -> Vec<Unreached> {
        let nodes = self.0.nodes();
        let needed = needed(&nodes, last);
        let mut all = vec![];
        for (set, (layout, vector)) in self.0.sets().into_iter().enumerate() {
            if needed[vector] {
                continue; // the whole vector was used, and so every parameter
            }
            let owner = |id: ParamId| layout.get(id).tied_to.unwrap_or(id);
            let mut reads = vec![vec![]; layout.iter().count()];
            for (i, node) in nodes.iter().enumerate() {
                if let Kind::Parameter(of, id) = node.kind
                    && of == set
                {
                    reads[owner(id).0].push(i);
                }
            }
            for (id, param) in layout.owned().filter(|(_, p)| !p.tags.frozen) {
                if !reads[id.0].iter().any(|i| needed[*i]) {
                    all.push(Unreached { name: param.name.clone(), why: cut(&nodes, &reads[id.0]) });
                }
            }
        }
        all
    }
}

/// Which nodes the last one depends on, as far as the tape knows.
fn needed(nodes: &[Node], last: usize) -> Vec<bool> {
    let mut needed = vec![false; nodes.len()];
    needed[last] = true;
    for i in (0..=last).rev().filter(|i| nodes[*i].kind != Kind::Opaque || *i == last) {
        if needed[i] {
            nodes[i].inputs.iter().flatten().for_each(|&n| needed[n] = true);
        }
    }
    needed
}

/// Where the way from these nodes, all of one parameter, ends: at the end of the way along the first user of each result.
fn cut(nodes: &[Node], reads: &[usize]) -> Cut {
    let user = |of: usize| (of + 1..nodes.len()).find(|i| nodes[*i].inputs.contains(&Some(of)));
    let Some(&read) = reads.first() else { return Cut::NeverRead };
    let Some(mut node) = reads.iter().find_map(|read| user(*read)) else { return Cut::Unused(nodes[read].location) };
    while let Some(next) = user(node) {
        node = next;
    }
    Cut::After { node, op: nodes[node].op, location: nodes[node].location }
}
