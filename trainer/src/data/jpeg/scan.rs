//! Reads the codes of a scan, as a decoder does, without computing coefficients: checks that they are valid, belong to existing coefficients, and are
//! exactly as many as the image has blocks.

use super::bits::{Bits, Table};
use super::flaw::Flaw;
use super::frame::{Frame, UNSENT};
use super::tables::Tables;

/// The largest number of bits that follow the code of a DC coefficient.
const LONGEST: u8 = 11;

/// A scan header.
pub(super) struct Scan {
    /// Its components, by their index in the frame, each with the numbers of its tables.
    parts: Vec<(usize, usize, usize)>,
    /// The first and last coefficient.
    first: usize,
    last: usize,
    /// Whether it refines coefficients of an earlier scan by one bit.
    refines: bool,
}

impl Scan {
    /// Parses a scan header's content.
    pub fn new(frame: &mut Frame, content: &[u8], position: usize) -> Result<Scan, Flaw> {
        let flaw = || Flaw::Segment { what: "scan header", position };
        let count = usize::from(*content.first().ok_or_else(flaw)?);
        if !(1..=4).contains(&count) || content.len() != 4 + 2 * count {
            return Err(flaw());
        }
        let mut parts = Vec::with_capacity(count);
        for part in content[1..=2 * count].chunks_exact(2) {
            let component = frame.components.iter().position(|c| c.id == part[0]).ok_or_else(flaw)?;
            parts.push((component, usize::from(part[1] >> 4), usize::from(part[1] & 15)));
        }
        let [first, last, precision] = content[1 + 2 * count..] else { return Err(flaw()) };
        let (first, last) = if frame.progressive { (usize::from(first), usize::from(last)) } else { (0, 63) };
        let is_right = if first == 0 { last == 0 || !frame.progressive } else { first <= last && count == 1 };
        if !is_right || last > 63 {
            return Err(flaw());
        }
        let (before, after) = if frame.progressive { (precision >> 4, precision & 15) } else { (0, 0) };
        // A scan sends coefficients for the first time, or one more bit of each.
        let wanted = if before == 0 { UNSENT } else { before };
        let is_next = |component: usize| frame.components[component].missing[first..=last].iter().all(|m| *m == wanted);
        if !parts.iter().all(|(component, ..)| is_next(*component)) || (before != 0 && after + 1 != before) {
            return Err(flaw());
        }
        parts.iter().for_each(|(component, ..)| frame.components[*component].missing[first..=last].fill(after));
        Ok(Scan { parts, first, last, refines: before != 0 })
    }

    /// Reads its data, which starts at `position`, and returns the position of the marker after it.
    pub fn walk(
        &self,
        frame: &mut Frame,
        tables: &Tables,
        interval: usize,
        data: &[u8],
        position: usize,
    ) -> Result<usize, Flaw> {
        let alone = (self.parts.len() == 1).then_some(self.parts[0].0);
        let (columns, rows) = alone.map_or((frame.columns, frame.rows), |component| {
            let component = &frame.components[component];
            (component.columns, component.rows)
        });
        let (mut bits, mut zero_blocks) = (Bits::new(data, position), 0);
        for mcu in 0..columns * rows {
            if interval > 0 && mcu > 0 && mcu % interval == 0 {
                let marker = bits.finish()?;
                bits = Bits::new(data, self.restart(data, marker, mcu / interval - 1, zero_blocks)?);
            }
            let (row, column) = (mcu / columns, mcu % columns);
            for &(number, dc, ac) in &self.parts {
                let component = &mut frame.components[number];
                let (down, across) = if alone.is_some() { (1, 1) } else { (component.down, component.across) };
                for at in 0..down * across {
                    let index = (row * down + at / across) * component.stride + column * across + at % across;
                    if frame.progressive {
                        let known = &mut component.known[index];
                        self.progressive_block(&mut bits, tables, (dc, ac), known, &mut zero_blocks)?;
                    } else {
                        let (dc, ac) = (tables.dc(dc, position)?, tables.ac(ac, position)?);
                        sequential_block(&mut bits, dc, ac)?;
                    }
                }
            }
        }
        if zero_blocks > 0 {
            return Err(Flaw::Code { position: bits.finish()? });
        }
        bits.finish()
    }

    /// Checks that the expected restart marker is there (they count cyclically from 0 to 7), and returns the position of the data after it.
    fn restart(&self, data: &[u8], marker: usize, number: usize, zero_blocks: u32) -> Result<usize, Flaw> {
        let skipped = data[marker..].iter().take_while(|byte| **byte == 0xff).count();
        let found = data.get(marker + skipped).copied().ok_or(Flaw::Cut { length: data.len() })?;
        if zero_blocks == 0 && found == 0xd0 + (number % 8) as u8 {
            Ok(marker + skipped + 1)
        } else {
            Err(Flaw::Early { position: marker })
        }
    }

    fn progressive_block(
        &self,
        bits: &mut Bits<'_>,
        tables: &Tables,
        (dc, ac): (usize, usize),
        known: &mut u64,
        zero_blocks: &mut u32,
    ) -> Result<(), Flaw> {
        match (self.first, self.refines) {
            (0, false) => mean_value(bits, tables.dc(dc, 0)?),
            (0, true) => bits.skip(1),
            (_, false) => self.first_block(bits, tables.ac(ac, 0)?, known, zero_blocks),
            (_, true) => self.refined_block(bits, tables.ac(ac, 0)?, known, zero_blocks),
        }
    }

    /// Reads the first bits of a block's coefficients. A code may end this block and a number of following ones.
    fn first_block(&self, bits: &mut Bits<'_>, ac: &Table, known: &mut u64, zero_blocks: &mut u32) -> Result<(), Flaw> {
        if *zero_blocks > 0 {
            *zero_blocks -= 1;
            return Ok(());
        }
        let mut k = self.first;
        while k <= self.last {
            let symbol = bits.symbol(ac)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                *zero_blocks = (1 << run) - 1 + bits.take(run.into())?;
                return Ok(());
            }
            k += usize::from(run);
            if size > 0 {
                if k > self.last {
                    return Err(bits.flaw());
                }
                *known |= 1 << k;
                bits.skip(size.into())?;
            }
            k += 1;
        }
        Ok(())
    }

    /// Reads one more bit of the nonzero coefficients, and new ones among those that were zero.
    fn refined_block(
        &self,
        bits: &mut Bits<'_>,
        ac: &Table,
        known: &mut u64,
        zero_blocks: &mut u32,
    ) -> Result<(), Flaw> {
        let (mut k, mut new) = (self.first, 0);
        while *zero_blocks == 0 && k <= self.last {
            let symbol = bits.symbol(ac)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                *zero_blocks = (1 << run) + bits.take(run.into())?;
                break;
            }
            if size > 1 {
                return Err(bits.flaw());
            }
            bits.skip(size.into())?;
            while k <= self.last {
                if *known >> k & 1 == 1 {
                    bits.skip(1)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
            if size == 1 {
                if k > self.last {
                    return Err(bits.flaw());
                }
                new |= 1 << k;
            }
            k += 1;
        }
        if *zero_blocks > 0 {
            let left = (k..=self.last).filter(|k| *known >> k & 1 == 1).count();
            (0..left).try_for_each(|_| bits.skip(1))?;
            *zero_blocks -= 1;
        }
        *known |= new;
        Ok(())
    }
}

/// Reads the DC coefficient of a block.
#[inline]
fn mean_value(bits: &mut Bits<'_>, dc: &Table) -> Result<(), Flaw> {
    let size = bits.symbol(dc)?;
    if size > LONGEST {
        return Err(bits.flaw());
    }
    bits.skip(size.into())
}

/// Reads a block of a sequential image.
#[inline]
fn sequential_block(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Result<(), Flaw> {
    mean_value(bits, dc)?;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (symbol >> 4, symbol & 15);
        if symbol == 0 {
            break;
        }
        k += usize::from(run) + 1;
        if (size == 0 && run < 15) || (size > 0 && k > 64) {
            return Err(bits.flaw());
        }
        bits.skip(size.into())?;
    }
    Ok(())
}
