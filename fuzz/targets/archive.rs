//! Archives of data sets: tar, which this target compresses, or compressed already. Nothing but the wanted files may be written.
#![no_main]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use lethe::download::{Archive, unpack};
use lethe_fuzz::{FOLDER, file};
use libfuzzer_sys::fuzz_target;

const WANTED: Archive = Archive { folder: "set", files: [&["train.bin"], &["test.bin"]], lengths: [7, 5] };

fuzz_target!(|data: &[u8]| {
    let compressed = match data {
        [0x1f, 0x8b, ..] => data.to_vec(),
        _ => {
            let mut encoder = GzEncoder::new(vec![], Compression::fast());
            encoder.write_all(data).expect("memory");
            encoder.finish().expect("memory")
        }
    };
    let archive = file("archive.tar.gz", &compressed);
    let folder = FOLDER.join("around/inner");
    let _ = fs::remove_dir_all(FOLDER.join("around"));
    fs::create_dir_all(&folder).expect("a folder");
    let complete = unpack(&archive, &WANTED, &folder).is_ok();
    let names = |folder| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    assert!(names(FOLDER.join("around")).iter().eq(["inner"]), "something was written beside the folder");
    assert!(names(FOLDER.clone()).iter().eq(["archive.tar.gz", "around"]), "something was written two folders up");
    let all = BTreeSet::from(["train.bin".to_owned(), "test.bin".to_owned()]);
    let found = names(folder);
    assert!(found.is_subset(&all) && (found == all || !complete), "found {found:?}");
});
