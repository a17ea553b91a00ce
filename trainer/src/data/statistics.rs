//! What a data set looks like in numbers: the sizes of its images, and the mean, deviation and range of each channel.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::dataset::{Dataset, Images};
use super::decode::decode;
use super::error::DataError;
use crate::words::of_panic;

/// The number of values of a byte.
const VALUES: usize = 256;

/// Numbers about the images of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// The number of images that were looked at.
    pub images: usize,
    /// Their heights and widths.
    pub sizes: Sizes,
    /// Their channels: grey, or red, green and blue.
    pub channels: Vec<Channel>,
}

/// Heights and widths in pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The height and width of the image with the fewest pixels.
    pub smallest: [u32; 2],
    /// Those of the image in the middle.
    pub median: [u32; 2],
    /// Those of the image with the most pixels.
    pub largest: [u32; 2],
}

/// The values of a channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Channel {
    /// The mean over all pixels, on the scale 0 … 1 of `data.mean`.
    pub mean: f64,
    /// The deviation of all pixels, on the same scale.
    pub std: f64,
    /// The least value, on the scale of the files.
    pub least: u8,
    /// The greatest value.
    pub greatest: u8,
}

/// How often each value occurs in each channel.
#[derive(Clone)]
struct Histogram {
    counts: Vec<[u64; VALUES]>,
    sizes: Vec<[u32; 2]>,
}

impl Histogram {
    fn new(channels: usize) -> Histogram {
        Histogram { counts: vec![[0; VALUES]; channels], sizes: Vec::new() }
    }

    fn merge(&mut self, other: Histogram) {
        for (own, other) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            *own += other;
        }
        self.sizes.extend(other.sizes);
    }

    /// An image in a file, in three channels.
    fn add_file(&mut self, path: &Path, upright: bool) -> Result<(), DataError> {
        let image = decode(path, upright)?;
        self.sizes.push([image.height(), image.width()]);
        for pixel in image.as_raw().chunks_exact(3) {
            self.counts.iter_mut().zip(pixel).for_each(|(counts, value)| counts[usize::from(*value)] += 1);
        }
        Ok(())
    }

    fn statistics(mut self, max_value: u8) -> Statistics {
        self.sizes.sort_by_key(|[height, width]| (u64::from(*height) * u64::from(*width), *height));
        let size = |at: usize| self.sizes.get(at).copied().unwrap_or_default();
        let images = self.sizes.len();
        let sizes = Sizes { smallest: size(0), median: size(images / 2), largest: size(images.saturating_sub(1)) };
        let channels = self.counts.iter().map(|counts| channel(counts, max_value)).collect();
        Statistics { images, sizes, channels }
    }
}

fn channel(counts: &[u64; VALUES], max_value: u8) -> Channel {
    let all = counts.iter().sum::<u64>().max(1) as f64;
    let of = |term: &dyn Fn(f64) -> f64| {
        counts.iter().enumerate().map(|(value, count)| *count as f64 * term(value as f64)).sum::<f64>() / all
    };
    let mean = of(&|value| value);
    let std = of(&|value| (value - mean).powi(2)).sqrt();
    let max = f64::from(max_value);
    let is_there = |value: &usize| counts[*value] > 0;
    let least = (0..VALUES).find(is_there).unwrap_or(0) as u8;
    let greatest = (0..VALUES).rev().find(is_there).unwrap_or(0) as u8;
    Channel { mean: mean / max, std: std / max, least, greatest }
}

/// Looks at the images of a set, at no more than `most` if they are in files; these are evenly spaced.
///
/// # Errors
/// If a file cannot be read or decoded.
pub fn statistics(set: &Dataset, most: usize, upright: bool) -> Result<Statistics, DataError> {
    match &set.images {
        Images::Memory(pixels) => {
            let mut histogram = Histogram::new(pixels.shape.channels);
            let area = pixels.shape.height * pixels.shape.width;
            histogram.sizes = vec![[pixels.shape.height as u32, pixels.shape.width as u32]; set.len()];
            for (plane, values) in pixels.values.chunks_exact(area.max(1)).enumerate() {
                let counts = &mut histogram.counts[plane % pixels.shape.channels];
                values.iter().for_each(|value| counts[usize::from(*value)] += 1);
            }
            Ok(histogram.statistics(pixels.max_value))
        }
        Images::Files(files) => {
            let step = files.len().div_ceil(most.max(1)).max(1);
            let paths: Vec<&Path> = files.iter().step_by(step).map(|file| file.path.as_path()).collect();
            Ok(of_files(&paths, upright)?.statistics(u8::MAX))
        }
    }
}

/// The histograms of image files, on all threads.
fn of_files(paths: &[&Path], upright: bool) -> Result<Histogram, DataError> {
    let next = Mutex::new(paths.iter());
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut own = Histogram::new(3);
        while let Some(path) = take() {
            own.add_file(path, upright)?;
        }
        Ok::<Histogram, DataError>(own)
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(paths.len());
    std::thread::scope(|scope| {
        let others: Vec<_> =
            (1..workers).filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut all: Histogram = work()?;
        for other in others {
            all.merge(other.join().unwrap_or_else(|panic| panic!("{}", of_panic(&*panic)))?);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Classes;
    use crate::shape::ImageShape;
    use image::{Rgb, RgbImage};

    #[test]
    fn means_and_deviations_are_those_of_all_pixels_of_a_channel() {
        let shape = ImageShape { channels: 2, height: 1, width: 2 };
        let set = Dataset::in_memory("m".into(), vec![0, 16, 5, 5, 8, 8, 7, 3], shape, 16, vec![0, 1], 2);
        let found = statistics(&set, 1, false).unwrap();
        assert_eq!((found.images, found.sizes.median), (2, [1, 2]));
        let [a, b] = &found.channels[..] else { panic!("{found:?}") };
        assert_eq!((a.mean, a.least, a.greatest), (0.5, 0, 16));
        assert!((a.std - 32f64.sqrt() / 16.0).abs() < 1e-12 && (b.std - 2f64.sqrt() / 16.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn files_are_decoded_and_no_more_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |i: u32| {
            let path = folder.path().join(format!("{i}.png"));
            RgbImage::from_pixel(10 + i, 4, Rgb([i as u8, 255, 0])).save(&path).unwrap();
            path
        };
        let paths: Vec<_> = (0..5).map(path).collect();
        let set = Dataset::in_files("f".into(), paths.clone(), vec![0; 5], Classes::numbered(2));
        let all = statistics(&set, 100, false).unwrap();
        assert_eq!((all.images, all.sizes.smallest, all.sizes.largest), (5, [4, 10], [4, 14]));
        assert_eq!((all.channels[0].least, all.channels[0].greatest, all.channels[1].mean), (0, 4, 1.0));
        assert_eq!(statistics(&set, 2, false).unwrap().images, 2, "every third one");
        std::fs::write(&paths[3], "no image").unwrap();
        assert!(statistics(&set, 100, false).unwrap_err().to_string().contains("3.png"));
    }
}
