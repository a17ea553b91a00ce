//! The Huffman tables that scans are coded with.

use super::bits::Table;
use super::flaw::Flaw;

/// The current Huffman tables.
#[derive(Default)]
pub struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
}

impl Tables {
    pub fn dc(&self, number: usize, position: usize) -> Result<&Table, Flaw> {
        self.dc.get(number).and_then(Option::as_ref).ok_or(Flaw::Missing { what: "Huffman table", position })
    }

    pub fn ac(&self, number: usize, position: usize) -> Result<&Table, Flaw> {
        self.ac.get(number).and_then(Option::as_ref).ok_or(Flaw::Missing { what: "Huffman table", position })
    }

    /// Reads the tables of a segment.
    pub fn define(&mut self, mut content: &[u8], position: usize) -> Result<(), Flaw> {
        let flaw = Flaw::Segment { what: "Huffman table", position };
        while !content.is_empty() {
            let (head, rest) = content.split_at_checked(17).ok_or(flaw)?;
            let count = head[1..].iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).ok_or(flaw)?;
            let tables = if head[0] >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let table = tables.get_mut(usize::from(head[0] & 15)).filter(|_| head[0] >> 4 < 2).ok_or(flaw)?;
            *table = Some(Table::new(&head[1..], symbols).ok_or(flaw)?);
            content = rest;
        }
        Ok(())
    }
}
