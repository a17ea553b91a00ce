//! Images that a trained model is shown: files from anywhere, prepared as the run's test images are.

use std::path::{Path, PathBuf};

use super::dataset::{Dataset, ImageFile};
use super::decode::decode;
use super::error::DataError;
use super::inspect::inspect;
use super::listing::{Found, endings};
use super::resize::{Filter, ImageView, Resampler};
use crate::classes::Classes;
use crate::config::DataConfig;
use crate::shape::ImageShape;

/// The images at these paths: files, and folders with images at any depth, in the given order and sorted by path within a folder. They have no
/// labels; every label is 0. Returned with the path of each.
///
/// A run on folders of images crops and resizes them as its test images. For other runs they are resized, without cropping, to the size of the
/// run's images, `own`, and become grey if those are.
///
/// # Errors
/// If a path does not exist, a folder has no images, or a file is no intact image.
pub fn pictures(
    paths: &[PathBuf],
    config: &DataConfig,
    own: ImageShape,
    classes: &Classes,
) -> Result<(Dataset, Vec<PathBuf>), DataError> {
    let (mut files, mut remarks) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            files.push(ImageFile::from(path.clone()));
            continue;
        }
        let mut found = Found::default();
        found.take(path)?;
        found.check()?;
        if found.images.is_empty() {
            return Err(DataError::malformed(path, "images", format!("images ({})", endings()), "none".to_owned()));
        }
        remarks.extend(found.remark());
        files.append(&mut found.images);
    }
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let labels = vec![0; files.len()];
    // All flaws of all files are reported together.
    let mut set = Dataset::in_files("images".to_owned(), files, labels.clone(), classes.clone());
    inspect(&mut [&mut set])?;
    let set = if config.dataset.is_in_files() {
        set.resized(config.eval_size.or(config.size))
    } else {
        let mut resampler = Resampler::default();
        let mut values = Vec::with_capacity(paths.len() * own.len());
        for path in &paths {
            values.extend(resized(path, config.exif_orientation, own, &mut resampler)?);
        }
        Dataset::in_memory("images".to_owned(), values, own, u8::MAX, labels, classes.len()).named(classes.clone())
    };
    Ok((Dataset { remarks, ..set }, paths))
}

/// The values of an image in the order CHW, from 0 to 255, at this size.
fn resized(path: &Path, upright: bool, to: ImageShape, resampler: &mut Resampler) -> Result<Vec<u8>, DataError> {
    let colours = decode(path, upright)?;
    let (width, height) = (colours.width() as usize, colours.height() as usize);
    let pixels = if to.channels == 1 { image::imageops::grayscale(&colours).into_raw() } else { colours.into_raw() };
    let shape = ImageShape { channels: to.channels, height, width };
    let mut out = vec![0; to.len()];
    if (height, width) == (to.height, to.width) {
        out = pixels;
    } else {
        resampler.resize(ImageView { pixels: &pixels, shape }, Filter::Bicubic, &mut out, to);
    }
    Ok((0..to.channels).flat_map(|c| out.iter().skip(c).step_by(to.channels).copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatasetKind;
    use crate::data::Images;
    use image::{Rgb, RgbImage};

    fn values(set: &Dataset, index: usize) -> Vec<u8> {
        let Images::Memory(pixels) = &set.images else { panic!("they are in memory") };
        pixels.image(index).to_vec()
    }

    #[test]
    fn files_become_images_of_the_run_size_and_colours() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("more");
        std::fs::create_dir(&inner).unwrap();
        let colours = RgbImage::from_fn(2, 2, |x, y| Rgb([(100 * x) as u8, (100 * y) as u8, 7]));
        let (exact, large) = (folder.path().join("exact.png"), inner.join("large.png"));
        colours.save(&exact).unwrap();
        RgbImage::from_pixel(9, 5, Rgb([60, 60, 60])).save(&large).unwrap();
        let config = DataConfig::of(DatasetKind::Cifar10);
        let shape = ImageShape { channels: 3, height: 2, width: 2 };
        let (set, paths) = pictures(&[exact.clone(), inner.clone()], &config, shape, &Classes::numbered(10)).unwrap();
        assert_eq!((set.len(), paths), (2, vec![exact, large.clone()]));
        assert_eq!(
            values(&set, 0),
            [0, 100, 0, 100, 0, 0, 100, 100, 7, 7, 7, 7],
            "planes, at their own size as they are"
        );
        assert_eq!(values(&set, 1), [60; 12]);
        let grey = ImageShape { channels: 1, height: 3, width: 3 };
        let (set, _) = pictures(&[large], &DataConfig::of(DatasetKind::Mnist), grey, &Classes::numbered(10)).unwrap();
        assert_eq!(values(&set, 0), [60; 9]);
        let missing = pictures(&[folder.path().join("none.png")], &config, shape, &Classes::numbered(10));
        assert!(missing.unwrap_err().to_string().contains("none.png"));
        std::fs::remove_file(inner.join("large.png")).unwrap();
        std::fs::write(inner.join("notes.txt"), "").unwrap();
        let none = pictures(&[inner], &config, shape, &Classes::numbered(10)).unwrap_err().to_string();
        assert!(none.contains("expected images (.jpeg") && none.contains("found none"), "{none}");
    }
}
