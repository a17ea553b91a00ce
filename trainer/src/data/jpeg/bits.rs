//! Reads the bits of an entropy-coded segment, and the Huffman codes in them.

use super::flaw::Flaw;

/// The number of bits that are looked up at once.
const AHEAD: u32 = 9;
/// The number of bits of the longest code.
const LONGEST: usize = 16;

/// A Huffman table.
pub(super) struct Table {
    /// By the next [`AHEAD`] bits: the code's length and its symbol; length 0 for a longer code.
    short: Box<[(u8, u8); 1 << AHEAD]>,
    /// By length: one more than the largest code of this length, or 0, and the offset from a code to its symbol's index.
    ends: [(u32, i32); LONGEST + 1],
    symbols: Vec<u8>,
}

impl Table {
    /// Makes a table from the number of codes of each length, 1 to 16, and their symbols in order. `None` if there are more codes than these lengths
    /// allow.
    pub fn new(counts: &[u8], symbols: &[u8]) -> Option<Table> {
        let mut short = Box::new([(0u8, 0u8); 1 << AHEAD]);
        let mut ends = [(0, 0); LONGEST + 1];
        let (mut code, mut index) = (0u32, 0usize);
        for (length, count) in (1..).zip(counts.iter().map(|count| usize::from(*count))) {
            ends[length].1 = index as i32 - code as i32;
            for symbol in &symbols[index..index + count] {
                if code >= 1 << length {
                    return None;
                }
                if length as u32 <= AHEAD {
                    let unused = AHEAD - length as u32;
                    short[(code << unused) as usize..][..1 << unused].fill((length as u8, *symbol));
                }
                code += 1;
            }
            index += count;
            ends[length].0 = if count > 0 { code } else { 0 };
            code <<= 1;
        }
        Some(Table { short, ends, symbols: symbols.to_vec() })
    }
}

/// A reader of the bits between two markers.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next unread byte; at a marker, its 0xff.
    position: usize,
    /// Bits that were read ahead, the next one at the top; below them zeros or following bits.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8], position: usize) -> Bits<'a> {
        Bits { data, position, held: 0, count: 0 }
    }

    /// The error of an invalid code at the current position.
    #[cold]
    pub fn flaw(&self) -> Flaw {
        Flaw::Code { position: self.position }
    }

    /// Reads bytes until there are at least 56 bits, or a marker or the end of the file is reached.
    #[inline]
    fn fill(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        if let Some(bytes) = self.data.get(self.position..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*bytes);
            let has_ff = (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0;
            if !has_ff {
                self.held |= word >> self.count;
                self.position += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
                return;
            }
        }
        self.fill_slowly();
    }

    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.position) else { return };
            if byte == 0xff {
                if self.data.get(self.position + 1) != Some(&0) {
                    return;
                }
                self.position += 1;
            }
            self.position += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Skips this number of bits, at most 16.
    #[inline]
    pub fn skip(&mut self, bits: u32) -> Result<(), Flaw> {
        self.take(bits).map(drop)
    }

    /// The next bits, at most 16, as a number.
    #[inline]
    pub fn take(&mut self, bits: u32) -> Result<u32, Flaw> {
        if self.count < bits {
            self.fill();
            if self.count < bits {
                return Err(self.ended());
            }
        }
        let value = if bits == 0 { 0 } else { (self.held >> (64 - bits)) as u32 };
        self.held <<= bits;
        self.count -= bits;
        Ok(value)
    }

    /// The symbol of the next code.
    #[inline]
    pub fn symbol(&mut self, table: &Table) -> Result<u8, Flaw> {
        if self.count < 32 {
            self.fill();
        }
        let (length, symbol) = table.short[(self.held >> (64 - AHEAD)) as usize];
        if length == 0 {
            return self.long_symbol(table);
        }
        if u32::from(length) > self.count {
            return Err(self.ended());
        }
        self.held <<= length;
        self.count -= u32::from(length);
        Ok(symbol)
    }

    fn long_symbol(&mut self, table: &Table) -> Result<u8, Flaw> {
        for length in AHEAD as usize + 1..=LONGEST {
            let code = (self.held >> (64 - length)) as u32;
            let (end, offset) = table.ends[length];
            if code < end {
                self.skip(length as u32)?;
                return Ok(table.symbols[(code as i32 + offset) as usize]);
            }
        }
        // Beyond the end of the data there are zeros.
        Err(if self.count < LONGEST as u32 { self.ended() } else { self.flaw() })
    }

    fn ended(&self) -> Flaw {
        if self.position < self.data.len() {
            Flaw::Early { position: self.position }
        } else {
            Flaw::Cut { length: self.data.len() }
        }
    }

    /// Ends reading after the last block and returns the position of the next marker. Only the last bits of a byte may be left, and zero bytes, with
    /// which some cameras pad.
    pub fn finish(mut self) -> Result<usize, Flaw> {
        let start = self.position;
        loop {
            self.held <<= self.count % 8;
            self.count -= self.count % 8;
            if self.count > 0 && self.held >> (64 - self.count) != 0 {
                return Err(Flaw::LeftOver { position: start });
            }
            (self.held, self.count) = (0, 0);
            let before = self.position;
            self.fill();
            if self.position == before {
                break;
            }
        }
        if self.position < self.data.len() { Ok(self.position) } else { Err(Flaw::Cut { length: self.data.len() }) }
    }
}
