//! Checks that a JPEG (ITU-T T.81) is complete. Decoders accept a truncated file and fill missing data with grey; here all codes are read to the
//! last, so that truncated and damaged files are found wherever the format makes that possible: a misplaced marker, an invalid code, data that ends
//! early or is left over. Data after the end of the image is ignored.
//!
//! No pixels are computed. For a photograph that decodes in 0.9 ms this takes 0.6 ms, once for each file and process.

mod bits;
mod flaw;
mod frame;
mod scan;
mod tables;

use std::io::{Read, Seek, SeekFrom};

pub use flaw::Flaw;

use frame::Frame;
use scan::Scan;
use tables::Tables;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const DHT: u8 = 0xc4;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const SOS: u8 = 0xda;

/// The end of every JPEG, unless other data follows.
pub(super) const END: [u8; 2] = [0xff, EOI];

/// The quantisation tables that a segment defines, as a bit mask of their numbers.
fn quantisation(mut content: &[u8], position: usize) -> Result<u8, Flaw> {
    let flaw = Flaw::Segment { what: "quantisation table", position };
    let mut numbers = 0;
    while let Some(head) = content.first() {
        let length = match head >> 4 {
            0 => 65,
            1 => 129,
            _ => return Err(flaw),
        };
        content = content.get(length..).filter(|_| head & 15 < 4).ok_or(flaw)?;
        numbers |= 1 << (head & 15);
    }
    Ok(numbers)
}

/// Whether the frame is progressive, if the marker begins a frame header.
fn frame_kind(marker: u8) -> Option<Result<bool, Flaw>> {
    match marker {
        0xc0 | 0xc1 => Some(Ok(false)),
        0xc2 => Some(Ok(true)),
        0xc3 | 0xc7 | 0xcb | 0xcf => Some(Err(Flaw::Unsupported { what: "lossless coding" })),
        0xc5 | 0xc6 => Some(Err(Flaw::Unsupported { what: "hierarchical coding" })),
        0xc9 | 0xca | 0xcd | 0xce => Some(Err(Flaw::Unsupported { what: "arithmetic coding" })),
        _ => None,
    }
}

/// Checks that the bytes are a complete JPEG.
///
/// # Errors
/// The first flaw found.
pub(super) fn check(data: &[u8]) -> Result<(), Flaw> {
    let (mut tables, mut quantised, mut interval) = (Tables::default(), 0, 0);
    let mut frame: Option<Frame> = None;
    let mut position = 2;
    loop {
        let (marker, start) = marker(data, position)?;
        if marker == EOI {
            let whole = frame.is_some_and(|frame| frame.components.iter().all(|c| c.missing == [0; 64]));
            return if whole { Ok(()) } else { Err(Flaw::Scans { position }) };
        }
        let content = segment(data, start)?;
        position = start + 2 + content.len();
        match (marker, frame_kind(marker)) {
            (DHT, _) => tables.define(content, start)?,
            (DQT, _) => quantised |= quantisation(content, start)?,
            (DRI, _) => match content {
                [high, low] => interval = usize::from(*high) << 8 | usize::from(*low),
                _ => return Err(Flaw::Segment { what: "restart interval", position: start }),
            },
            (SOS, _) => {
                let frame = frame.as_mut().ok_or(Flaw::Missing { what: "frame header", position: start })?;
                if frame.components.iter().any(|c| quantised >> c.quantisation.min(7) & 1 == 0) {
                    return Err(Flaw::Missing { what: "quantisation table", position: start });
                }
                let scan = Scan::new(frame, content, start)?;
                position = scan.walk(frame, &tables, interval, data, position)?;
            }
            (_, Some(progressive)) if frame.is_none() => frame = Some(Frame::new(progressive?, content, start)?),
            (_, Some(_)) | (SOI | 0xd0..=0xd7 | 0xdc, None) => return Err(Flaw::Early { position: start - 2 }),
            _ => {}
        }
    }
}

/// The marker at this position, after any number of fill bytes, and the position after it.
fn marker(data: &[u8], position: usize) -> Result<(u8, usize), Flaw> {
    let fill = data[position.min(data.len())..].iter().take_while(|byte| **byte == 0xff).count();
    match data.get(position + fill) {
        None => Err(Flaw::Cut { length: data.len() }),
        Some(0) => Err(Flaw::NoMarker { position }),
        Some(marker) if fill > 0 => Ok((*marker, position + fill + 1)),
        Some(_) => Err(Flaw::NoMarker { position }),
    }
}

/// The content of the segment whose length is at this position.
fn segment(data: &[u8], start: usize) -> Result<&[u8], Flaw> {
    let cut = Flaw::Cut { length: data.len() };
    let length = data.get(start..start + 2).ok_or(cut)?;
    let length = usize::from(length[0]) << 8 | usize::from(length[1]);
    if length < 2 {
        return Err(Flaw::Segment { what: "length of a segment", position: start });
    }
    data.get(start + 2..start + length).ok_or(cut)
}

/// Width and height, read from the headers only.
///
/// # Errors
/// If the file cannot be read; the inner error is a flaw.
pub(super) fn dimensions(file: &mut (impl Read + Seek)) -> std::io::Result<Result<(usize, usize), Flaw>> {
    let mut position = 2;
    file.seek(SeekFrom::Start(2))?;
    let mut head = [0; 4];
    let mut taken = 0;
    loop {
        let read = file.by_ref().take((4 - taken) as u64).read(&mut head[taken..])?;
        taken += read;
        if read == 0 {
            return Ok(Err(Flaw::Cut { length: file.seek(SeekFrom::End(0))? as usize }));
        }
        if taken < 4 {
            continue;
        }
        if head[0] != 0xff || head[1] == 0 {
            return Ok(Err(Flaw::NoMarker { position }));
        }
        if head[1] == 0xff {
            head.rotate_left(1);
            (taken, position) = (3, position + 1);
            continue;
        }
        let length = u64::from(head[2]) << 8 | u64::from(head[3]);
        match (head[1], frame_kind(head[1])) {
            (SOS | EOI, _) => return Ok(Err(Flaw::Missing { what: "frame header", position })),
            _ if length < 2 => return Ok(Err(Flaw::Segment { what: "length of a segment", position: position + 2 })),
            (_, Some(Err(flaw))) => return Ok(Err(flaw)),
            (_, Some(Ok(_))) => {
                let mut content = Vec::new();
                file.by_ref().take(length - 2).read_to_end(&mut content)?;
                return Ok(frame::size(&content, position));
            }
            _ => file.seek(SeekFrom::Current(length as i64 - 2))?,
        };
        (taken, position) = (0, position + 2 + length as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pil/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    const FILES: [&str; 6] =
        ["colour.jpg", "grey.jpg", "cmyk.jpg", "progressive.jpg", "restarts.jpg", "progressive-cmyk.jpg"];

    #[test]
    fn whole_files_pass_and_no_part_of_one_does() {
        for name in FILES {
            let whole = fixture(name);
            assert_eq!(check(&whole), Ok(()), "{name}");
            for length in 2..whole.len() {
                assert!(check(&whole[..length]).is_err(), "{name} cut to {length} of {} bytes", whole.len());
                // As programs that repair files write them.
                let ended = [&whole[..length.min(whole.len() - 4)], &END[..]].concat();
                assert!(check(&ended).is_err(), "{name} cut to {length} bytes and ended");
            }
        }
    }

    #[test]
    fn what_stands_behind_the_image_or_fills_up_does_no_harm() {
        for name in FILES {
            let whole = fixture(name);
            let body = &whole[..whole.len() - 2];
            for end in [&b"\xff\xd9 and more"[..], b"\xff\xff\xff\xd9", b"\0\0\xff\xd9"] {
                assert_eq!(check(&[body, end].concat()), Ok(()), "{name}, {end:?}");
            }
            let left = check(&[body, b"\x12\x34\xff\xd9"].concat());
            assert!(matches!(left, Err(Flaw::LeftOver { .. })), "{name}: {left:?}");
        }
    }

    /// Some changes give another valid image with as many codes, which cannot be detected; most do not.
    #[test]
    fn damaged_data_is_mostly_found_and_never_a_panic() {
        for name in FILES {
            let whole = fixture(name);
            let found = (0..whole.len()).filter(|&at| {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x5a;
                check(&damaged).is_err()
            });
            let found = found.count();
            assert!(found * 5 > whole.len(), "{name}: {found} of {}", whole.len());
        }
    }

    #[test]
    fn sizes_are_read_from_headers_alone() {
        for (name, size) in [("colour.jpg", (16, 16)), ("progressive.jpg", (45, 37)), ("restarts.jpg", (45, 37))] {
            let whole = fixture(name);
            let of = |bytes: &[u8]| dimensions(&mut std::io::Cursor::new(bytes)).unwrap();
            assert_eq!(of(&whole), Ok(size), "{name}");
            let long = [&whole[..2], b"\xff\xff\xfe\x00\x05abc", &whole[2..]].concat();
            assert_eq!(of(&long), Ok(size), "{name}");
            assert_eq!(of(&whole[..30]), Err(Flaw::Cut { length: 30 }), "{name}");
        }
    }
}
