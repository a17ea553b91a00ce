//! The binary files of CIFAR-10 and CIFAR-100.
#![no_main]

use lethe::config::{DataConfig, DatasetKind};
use lethe::data::{SearchPath, load};
use lethe_fuzz::{FOLDER, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (&parts, data) = data.split_first().unwrap_or((&0, &[]));
    let (kind, test) = if parts & 1 == 0 {
        (1..=5).for_each(|part| drop(file(&format!("data_batch_{part}.bin"), data)));
        (DatasetKind::Cifar10, "test_batch.bin")
    } else {
        file("train.bin", data);
        (DatasetKind::Cifar100, "test.bin")
    };
    file(test, &data[..data.len() / (1 + usize::from(parts >> 1))]);
    let _ = load(&DataConfig::of(kind), &SearchPath::of_process(Some(FOLDER.clone())));
});
