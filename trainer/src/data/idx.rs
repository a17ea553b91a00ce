//! IDX files, the format of MNIST: a big-endian header (a magic number, then one 32-bit size per axis), then bytes; plain or
//! compressed by gzip, which is recognised from the file itself.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::error::DataError;
use crate::files;
use crate::shape::ImageShape;

const IMAGES: u32 = 0x0000_0803; // unsigned bytes, three axes
const LABELS: u32 = 0x0000_0801; // unsigned bytes, one axis

/// The pixels of a file of grey images, image after image and row by row, with the number of images and their size.
///
/// # Errors
/// If the file cannot be read or is not exactly one such array.
pub fn read_images(path: &Path) -> Result<(Vec<u8>, usize, ImageShape), DataError> {
    let (sizes, pixels) = read::<3>(path, IMAGES, "images")?;
    let [count, height, width] = sizes;
    Ok((pixels, count, ImageShape { channels: 1, height, width }))
}

/// The labels of a file of labels.
///
/// # Errors
/// If the file cannot be read or is not exactly one such array.
pub fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    read::<1>(path, LABELS, "labels").map(|(_, labels)| labels)
}

fn read<const AXES: usize>(path: &Path, magic: u32, what: &str) -> Result<([usize; AXES], Vec<u8>), DataError> {
    let mut source = open(path)?;
    let found = word(&mut *source, path)?;
    if found != magic {
        let expected = format!("0x{magic:08x} (IDX, bytes, {AXES} axes: {what})");
        return Err(DataError::malformed(path, "magic number", expected, format!("0x{found:08x}")));
    }
    let mut sizes = [0; AXES];
    for size in &mut sizes {
        *size = word(&mut *source, path)? as usize;
    }
    let total = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let Some(total) = total.filter(|total| *total > 0) else {
        return Err(DataError::malformed(path, "sizes", "a product above 0".to_owned(), format!("{sizes:?}")));
    };
    // Reading one byte more than announced detects a file that is too long, without reading the rest.
    let mut bytes = Vec::new();
    source.take(total as u64 + 1).read_to_end(&mut bytes).map_err(|source| read_error(path, source))?;
    if bytes.len() != total {
        let found = if bytes.len() < total { format!("{}", bytes.len()) } else { "more".to_owned() };
        let expected = format!("{total} bytes after the header (its sizes are {sizes:?})");
        return Err(DataError::malformed(path, "length", expected, found));
    }
    Ok((sizes, bytes))
}

/// The file's contents, decompressed if it starts with gzip's magic number.
fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let error = |source| DataError::Read { path: path.to_owned(), source };
    files::spare(path);
    let mut file = File::open(path).map_err(error)?;
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(error)?;
    file.rewind().map_err(error)?;
    let file = BufReader::new(file);
    Ok(if start == [0x1f, 0x8b] { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

fn word(source: &mut dyn Read, path: &Path) -> Result<u32, DataError> {
    let mut bytes = [0; 4];
    source.read_exact(&mut bytes).map_err(|source| read_error(path, source))?;
    Ok(u32::from_be_bytes(bytes))
}

/// A file that ends too early is malformed; any other error comes from the system or the compression.
fn read_error(path: &Path, source: std::io::Error) -> DataError {
    if source.kind() == ErrorKind::UnexpectedEof {
        let expected = "a complete header and the bytes it announces".to_owned();
        return DataError::malformed(path, "length", expected, "the end of the file".to_owned());
    }
    DataError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn header(magic: u32, sizes: &[u32]) -> Vec<u8> {
        std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn with_file<T>(bytes: &[u8], read: impl Fn(&Path) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.idx");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn plain_and_compressed_files_read_alike() {
        let pixels: Vec<u8> = (0..2 * 3 * 5).collect();
        let file = [header(IMAGES, &[2, 3, 5]), pixels.clone()].concat();
        for bytes in [file.clone(), gzip(&file)] {
            let (read, count, shape) = with_file(&bytes, read_images).unwrap();
            assert_eq!((&read, count), (&pixels, 2));
            assert_eq!(shape, ImageShape { channels: 1, height: 3, width: 5 });
        }
        let labels = [header(LABELS, &[3]), vec![7, 0, 255]].concat();
        assert_eq!(with_file(&gzip(&labels), read_labels).unwrap(), [7, 0, 255]);
    }

    #[test]
    fn every_malformation_is_an_error_that_says_what_was_expected() {
        let whole = [header(IMAGES, &[2, 3, 5]), vec![1; 30]].concat();
        let zipped = gzip(&whole);
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", vec![], "complete header"),
            ("half a magic number", whole[..3].to_vec(), "complete header"),
            ("half a header", whole[..10].to_vec(), "complete header"),
            ("labels in place of images", header(LABELS, &[2]), "expected 0x00000803"),
            ("no IDX file", b"P5 28 28 255 ....".to_vec(), "magic number"),
            ("no images", header(IMAGES, &[0, 3, 5]), "a product above 0"),
            ("sizes beyond all memory", header(IMAGES, &[u32::MAX; 3]), "sizes"),
            (
                "truncated",
                whole[..45].to_vec(),
                "expected 30 bytes after the header (its sizes are [2, 3, 5]), found 29",
            ),
            ("trailing bytes", [whole.clone(), vec![0]].concat(), "found more"),
            ("trailing bytes, compressed", gzip(&[whole.clone(), vec![0]].concat()), "found more"),
            ("truncated gzip", zipped[..zipped.len() - 9].to_vec(), "end of the file"),
            ("broken checksum", [&zipped[..zipped.len() - 8], &[0; 8]].concat(), "cannot read"),
            ("garbage after gzip", [zipped.clone(), vec![9; 40]].concat(), "cannot read"),
        ];
        for (name, bytes, expected) in cases {
            let message = with_file(&bytes, read_images).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("file.idx"), "{name}: {message}");
        }
    }
}
