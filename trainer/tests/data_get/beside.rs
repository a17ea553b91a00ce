//! `lethe data get` where files are already: it keeps the data set's, and replaces none.

use crate::common::{fails, program, runs};
use crate::mirror::{FAILURE, IMAGES, Setup, archive, gunzip, of_archive, sums, tiny};
use crate::server::honest;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

#[track_caller]
fn refuses(setup: &Setup, name: &str, parts: &[&str]) {
    let arguments = setup.arguments(name, &[]);
    fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, parts);
}

#[test]
fn files_of_cifar_that_are_not_the_archives_are_refused_and_not_replaced() {
    let of_length = |file: &str| if file == "train.bin" { 2 * 3074 } else { 3074 };
    // The file that is there, before or after the one that is missing, has the right length, and there is no MD5SUMS.
    for file in ["train.bin", "test.bin"] {
        let setup = of_archive(archive(&[], ""));
        let path = setup.data().join("cifar-100").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let relabelled = vec![1; of_length(file)];
        fs::write(&path, &relabelled).unwrap();
        refuses(&setup, "cifar-100", &[file, "expected the MD5 checksum", "move the file away"]);
        assert!(fs::read(&path).unwrap() == relabelled, "{file} is as it was");
        // The archive is kept for the same command, after the file was moved away.
        let there = setup.there();
        assert!(there.len() == 2 && there.iter().any(|file| file.ends_with(".tar.gz")), "{there:?}");
        fs::remove_file(&path).unwrap();
        setup.gets("cifar-100");
        assert_eq!((setup.server.asked().len(), setup.there().len()), (1, 3));
        assert!(fs::read(&path).unwrap() != relabelled && path.metadata().unwrap().len() == of_length(file) as u64);
    }
}

#[test]
fn files_of_cifar_that_are_the_archives_are_kept_and_the_others_come() {
    for lost in ["train.bin", "test.bin"] {
        let setup = of_archive(archive(&[], ""));
        setup.gets("cifar-100");
        let folder = setup.data().join("cifar-100");
        let (before, whole) = (fs::read(folder.join(lost)).unwrap(), setup.there());
        [lost, "MD5SUMS"].iter().for_each(|file| fs::remove_file(folder.join(file)).unwrap());
        let kept = folder.join(if lost == "train.bin" { "test.bin" } else { "train.bin" });
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&kept).unwrap().set_modified(time).unwrap();
        let output = setup.get("cifar-100", &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !error.contains("there is no checksum"), "{error}");
        assert!(fs::read(folder.join(lost)).unwrap() == before);
        assert_eq!(kept.metadata().unwrap().modified().unwrap(), time, "the other is the file that it was");
        assert_eq!(setup.there(), whole, "with MD5SUMS");
        assert!(setup.gets("cifar-100").contains("is already in"));
    }
}

/// A link to a disk that is not there is the user's as well.
#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_not_replaced() {
    let setup = of_archive(archive(&[], ""));
    let idx = Setup::new(&tiny(), honest);
    for (setup, name, file) in [(&setup, "cifar-100", "train.bin"), (&idx, "mnist", IMAGES)] {
        let path = setup.data().join(name).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", &path).unwrap();
        refuses(setup, name, &["cannot read", file]);
        assert!(path.is_symlink() && setup.server.asked().is_empty());
    }
}

fn put(folder: &Path, files: &BTreeMap<&'static str, Vec<u8>>, which: impl Fn(&str) -> bool) {
    fs::create_dir_all(folder).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| which(name)) {
        fs::write(folder.join(name.trim_end_matches(".gz")), gunzip(bytes)).unwrap();
    }
}

#[test]
fn a_folder_of_another_data_set_is_not_completed() {
    let files = tiny();
    let is_train = |name: &str| name.starts_with("train");
    // Published files have known contents: MNIST's are not Fashion-MNIST's, whether all are there or some.
    for which in [is_train, |_: &str| true] {
        let setup = Setup::new(&files, honest);
        put(&setup.data(), &files, which);
        let (before, data) = (setup.there(), setup.data().display().to_string());
        let get = ["data", "get", "fashion-mnist", "--data-dir", &data, "--from", &setup.server.address];
        let md5 = "expected the MD5 checksum f4a8712d7a061bf5bd6d2ca38dc4d50a";
        fails(&get, FAILURE, &["train-images-idx3-ubyte:", md5, "choose another --data-dir"]);
        assert_eq!((setup.there(), setup.server.asked().len()), (before, 0));
    }
    // The contents of others are not known; alone or beside compressed ones that are right.
    for beside in [false, true] {
        let setup = Setup::new(&files, honest);
        put(&setup.data(), &files, is_train);
        if beside {
            let file = "t10k-labels-idx1-ubyte.gz";
            fs::write(setup.data().join(file), &files[file]).unwrap();
        }
        let before = setup.there();
        let parts =
            ["it lacks t10k-images-idx3-ubyte.gz", "train-images-idx3-ubyte, train-labels-idx1-ubyte", "--checksums"];
        refuses(&setup, "mnist", &parts);
        assert_eq!((setup.there(), setup.server.asked().len()), (before, 0));
        // With their checksums they are.
        let contents: BTreeMap<&str, Vec<u8>> =
            files.iter().map(|(name, bytes)| (name.trim_end_matches(".gz"), gunzip(bytes))).collect();
        let list = setup.folder.path().join("SUMS");
        fs::write(&list, sums(&files) + &sums(&contents)).unwrap();
        setup.gets("mnist");
        assert_eq!(setup.there().len(), 4, "{:?}", setup.there());
        assert_eq!(setup.server.asked().len(), if beside { 1 } else { 2 });
        let info = runs(&["data", "info", "mnist", "--data-dir", &setup.data().display().to_string()]);
        assert!(info.contains("120 training images and 20 test images"), "{info}");
        let path = setup.data().join("train-labels-idx1-ubyte");
        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(&path, bytes).unwrap();
        refuses(&setup, "mnist", &["train-labels-idx1-ubyte: expected the MD5 checksum"]);
    }
}

#[test]
fn of_commands_at_the_same_time_one_installs_and_none_disturbs_it() {
    for _ in 0..3 {
        let setup = Setup::new(&tiny(), honest);
        let arguments = setup.arguments("mnist", &[]);
        let start = |_| program().args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let all: Vec<_> = (0..5).map(start).collect();
        let mut installed = 0;
        for child in all {
            let output = child.wait_with_output().unwrap();
            let [said, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            installed += usize::from(said.contains("mnist is installed in"));
            let is_busy = error.contains("another program is downloading");
            assert!(output.status.success() || is_busy, "{said}{error}");
        }
        assert_eq!((installed, setup.server.asked().len(), setup.there().len()), (1, 4, 5), "{:?}", setup.there());
    }
}
