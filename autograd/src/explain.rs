//! The recorded graph in words: what was done with what, where in the calling code, and which parameters no gradient will reach, and why.

use crate::tape::{Node, Tape};
use crate::var::Var;
use std::fmt::Write;

impl Tape {
    /// A line for every recorded operation: its number, name, shape, inputs and line of calling code; a dot before those that `y` does not
    /// depend on. Then the parameters that a sweep from `y` would not reach, each with the reason. To be asked before a sweep in
    /// [`crate::Mode::Free`] uses the rules up.
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
        for (name, why) in self.cut_off(&nodes, &needed) {
            let _ = writeln!(text, "no gradient for `{name}`: {why}");
        }
        text
    }

    fn title(&self, node: &Node) -> String {
        match node.parameter {
            Some((set, id)) => format!("parameter `{}`", self.0.layout(set).get(id).name),
            None if !node.leaf && node.rule.is_none() => format!("{} (no derivative)", node.op),
            None => node.op.to_string(),
        }
    }

    /// The names of parameters that are not needed, and why; frozen ones want no gradient.
    fn cut_off(&self, nodes: &[Node], needed: &[bool]) -> Vec<(String, String)> {
        let mut all = vec![];
        for set in 0..self.0.sets() {
            let layout = self.0.layout(set);
            for (id, param) in layout.owned().filter(|(_, p)| !p.tags.frozen) {
                let reads = || (0..nodes.len()).filter(|&i| nodes[i].parameter == Some((set, id)));
                if reads().any(|i| needed[i]) {
                    continue;
                }
                let why = match reads().next() {
                    None => "the forward pass never read it".to_string(),
                    Some(read) => match nodes.iter().position(|n| n.inputs.contains(&Some(read))) {
                        None => {
                            format!("it was read at {}, and not used (or only its tensor was)", nodes[read].location)
                        }
                        Some(user) => format!(
                            "it goes into #{user} {} at {}, from which no recorded way leads to the result",
                            nodes[user].op, nodes[user].location
                        ),
                    },
                };
                all.push((param.name.clone(), why));
            }
        }
        all
    }
}

/// Which nodes the last one depends on.
fn needed(nodes: &[Node], last: usize) -> Vec<bool> {
    let mut needed = vec![false; nodes.len()];
    needed[last] = true;
    for i in (0..=last).rev().filter(|i| nodes[*i].rule.is_some() || *i == last) {
        if needed[i] {
            nodes[i].inputs.iter().flatten().for_each(|&n| needed[n] = true);
        }
    }
    needed
}
