//! The list of the classes of validation images.
#![no_main]

use lethe::config::{DataConfig, DatasetKind};
use lethe::data::{SearchPath, load};
use lethe_fuzz::{FOLDER, file};
use libfuzzer_sys::fuzz_target;
use std::sync::Once;

const PIXEL: &[u8] = include_bytes!("pixel.png");

fuzz_target!(|data: &[u8]| {
    static FILES: Once = Once::new();
    FILES.call_once(|| {
        for name in ["train/cat/1.png", "train/hot dog/1.png", "train/7/1.png", "val/a.png", "val/b 1.png", "val/7.png"] {
            file(name, PIXEL);
        }
    });
    file("val.txt", data);
    let config = DataConfig { size: Some(1), ..DataConfig::of(DatasetKind::ImageFolder) };
    if let Ok(split) = load(&config, &SearchPath::of_process(Some(FOLDER.clone()))) {
        assert_eq!(split.test.len(), 3);
        assert!(split.test.labels.iter().all(|label| *label < 3));
    }
});
