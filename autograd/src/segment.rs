//! Segments of a tape: runs of nodes whose rules, and the values these keep, were dropped, each with what makes them again.

use std::ops::Range;

/// A run of nodes that one block recorded.
pub(crate) struct Segment {
    /// The nodes.
    pub(crate) nodes: Range<usize>,
    /// Runs the block again.
    pub(crate) run: Box<dyn Fn()>,
}

/// All segments of a tape. None lies within another.
#[derive(Default)]
pub(crate) struct Segments(Vec<Segment>);

impl Segments {
    /// Adds a segment; those within it go, since its block makes them again.
    pub(crate) fn add(&mut self, segment: Segment) {
        let outer = segment.nodes.clone();
        self.0.retain(|s| s.nodes.start < outer.start || outer.end < s.nodes.end);
        self.0.push(segment);
    }

    /// Takes out the segment of a node.
    pub(crate) fn take(&mut self, node: usize) -> Option<Segment> {
        let at = self.0.iter().position(|s| s.nodes.contains(&node))?;
        Some(self.0.swap_remove(at))
    }

    /// Drops what begins up to a node.
    pub(crate) fn forget(&mut self, last: usize) {
        self.0.retain(|s| s.nodes.start > last);
    }
}
