//! `lethe data get`: what it installs and where, what it takes from archives, and what it refuses.

use crate::common::{fails, program, runs};
use crate::mirror::{FAILURE, IMAGES, Setup, USAGE, archive, archive_of, gunzip, gzip, of_archive, tiny};
use crate::server::{head, honest};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_data_set_is_installed_where_the_readers_find_it_and_not_again() {
    let files = tiny();
    let setup = Setup::new(&files, honest);
    // Without its own checksums the files of a mirror must be the published ones.
    let data = setup.data().display().to_string();
    let untold = ["data", "get", "mnist", "--data-dir", &data, "--from", &setup.server.address];
    fails(&untold, FAILURE, &["expected the MD5 checksum f68b3c2dcbeaaa9fbdd348bbdeb94873", "--checksums FILE"]);
    assert_eq!(setup.there(), [""; 0]);
    let said = setup.gets("mnist");
    assert!(said.contains("mnist is installed in ") && said.contains("120 training images, 20 test images"), "{said}");
    let mut expected: Vec<String> = files.keys().map(|name| format!("mnist/{name}")).collect();
    expected.push("mnist/MD5SUMS".to_owned());
    expected.sort();
    assert_eq!(setup.there(), expected);
    assert_eq!(fs::read_to_string(setup.data().join("mnist/MD5SUMS")).unwrap().lines().count(), 4);
    assert_eq!(setup.server.asked().len(), 1 + 4);
    assert!(setup.gets("mnist").contains("mnist is already in"));
    assert_eq!(setup.server.asked().len(), 1 + 4, "nothing is asked for again");
    let info = runs(&["data", "info", "mnist", "--data-dir", &setup.data().display().to_string()]);
    assert!(info.contains("120 training images"), "the readers find it: {info}");

    // A file that is lost is brought back alone, also if it is the one that the readers look for.
    for lost in [IMAGES, "t10k-labels-idx1-ubyte.gz"] {
        let before = setup.server.asked().len();
        fs::remove_file(setup.data().join("mnist").join(lost)).unwrap();
        setup.gets("mnist");
        assert_eq!(setup.server.asked()[before..].iter().map(|r| r.file.as_str()).collect::<Vec<_>>(), [lost]);
        assert_eq!(setup.there(), expected);
    }
    // A file that is another one is not replaced.
    fs::write(setup.data().join("mnist").join(IMAGES), &files[IMAGES][1..]).unwrap();
    let arguments = setup.arguments("mnist", &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fails(&arguments, FAILURE, &[IMAGES, "expected the MD5 checksum", "move the file away"]);
    assert_eq!(fs::read(setup.data().join("mnist").join(IMAGES)).unwrap(), files[IMAGES][1..]);
}

#[test]
fn without_a_folder_it_goes_where_the_other_commands_look() {
    let setup = Setup::new(&tiny(), honest);
    let sums = setup.folder.path().join("SUMS").display().to_string();
    let get = ["data", "get", "mnist", "--from", &setup.server.address, "--checksums", &sums];
    for (variable, folder) in [("LETHE_DATA", "mnist"), ("XDG_DATA_HOME", "lethe/mnist")] {
        let place = setup.folder.path().join(variable);
        if variable == "XDG_DATA_HOME" && cfg!(windows) {
            continue;
        }
        for command in [&get[..], &["data", "info", "mnist"]] {
            let output = program().args(command).env(variable, &place).output().unwrap();
            let [said, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            assert!(said.contains(&place.join(folder).display().to_string()), "{variable}: {said}{error}");
        }
    }
    // A copy elsewhere that is not the published one is left alone, and ours is found first.
    if !cfg!(windows) {
        let [ours, theirs] = ["ours", "theirs"].map(|name| setup.folder.path().join(name));
        let broken = theirs.join("lethe/mnist").join(IMAGES);
        fs::create_dir_all(broken.parent().unwrap()).unwrap();
        fs::write(&broken, "broken").unwrap();
        let output = program().args(get).env("LETHE_DATA", &ours).env("XDG_DATA_HOME", &theirs).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(ours.join("mnist").join(IMAGES).exists() && fs::read(&broken).unwrap() == b"broken");
    }
    // A copy that the readers find is found here too: the files were unpacked by hand.
    let place = setup.folder.path().join("LETHE_DATA/mnist");
    let unpack = |path: PathBuf| {
        fs::write(path.with_extension(""), gunzip(&fs::read(&path).unwrap())).unwrap();
        fs::remove_file(path).unwrap();
    };
    tiny().keys().for_each(|file| unpack(place.join(file)));
    let before = setup.server.asked().len();
    let output = program().args(get).arg("--data-dir").arg(place.parent().unwrap()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && error.contains("there is no checksum to compare") && error.contains("t10k"),
        "{error}"
    );
    assert_eq!(setup.server.asked().len(), before);
}

/// A full disk: what is written to this device does not fit.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_installs_nothing() {
    let setup = Setup::new(&tiny(), honest);
    let staging = setup.data().join("mnist.partial");
    fs::create_dir_all(&staging).unwrap();
    std::os::unix::fs::symlink("/dev/full", staging.join(format!("{IMAGES}.part"))).unwrap();
    setup.refuses("mnist", &[IMAGES, "cannot be written: No space left on device", "nothing is installed"]);
    // While an archive is unpacked.
    let setup = of_archive(archive(&[], ""));
    let staging = setup.data().join("cifar-100.partial");
    fs::create_dir_all(&staging).unwrap();
    std::os::unix::fs::symlink("/dev/full", staging.join("train.bin.part")).unwrap();
    setup.refuses("cifar-100", &["train.bin.part: cannot be written: No space left on device"]);
}

#[test]
fn the_result_is_json_if_asked_for_and_alone_if_quiet() {
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => head(stream, "503 Busy", &["Content-Length: 0".into()]),
        _ => honest(request, stream, bytes),
    });
    let output = setup.get("mnist", &["--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let result: serde_json::Value = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
    assert_eq!((&result["dataset"], result["train_images"].as_u64()), (&"mnist".into(), Some(120)));
    assert_eq!(result["downloaded"].as_array().unwrap().len(), 4);
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => head(stream, "503 Busy", &["Content-Length: 0".into()]),
        _ => honest(request, stream, bytes),
    });
    let output = setup.get("mnist", &["--quiet"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}

#[test]
fn the_wanted_files_of_an_archive_are_taken_and_no_others() {
    let before: [(&str, &[u8]); 4] = [
        ("../outside.bin", b"out"),
        ("/tmp/lethe-outside.bin", b"out"),
        ("cifar-100-binary/fine_label_names.txt", b"apple"),
        ("cifar-100-binary/../train.bin", b"out"),
    ];
    let setup = of_archive(archive(&before, ""));
    setup.gets("cifar-100");
    assert_eq!(setup.there(), ["cifar-100/MD5SUMS", "cifar-100/test.bin", "cifar-100/train.bin"]);
    assert!(!setup.folder.path().join("outside.bin").exists() && !Path::new("/tmp/lethe-outside.bin").exists());
    assert!(setup.gets("cifar-100").contains("is already in"));
    let data = setup.data().display().to_string();
    let published = ["data", "get", "cifar-100", "--data-dir", &data];
    fails(&published, FAILURE, &["train.bin: expected 153700000 bytes, found 6148"]);
    let mut bytes = fs::read(setup.data().join("cifar-100/test.bin")).unwrap();
    bytes[100] ^= 1;
    fs::write(setup.data().join("cifar-100/test.bin"), bytes).unwrap();
    let arguments = setup.arguments("cifar-100", &[]);
    fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, &["test.bin: expected the MD5 checksum"]);
}

#[test]
fn broken_archives_install_nothing() {
    let whole = archive(&[], "");
    let long = {
        // The header of the first file says that it has a terabyte.
        let mut header = tar::Header::new_gnu();
        header.set_path("cifar-100-binary/train.bin").unwrap();
        header.set_size(1 << 40);
        header.set_cksum();
        gzip(&[header.as_bytes(), &[0; 1024][..]].concat())
    };
    let link = {
        let mut all = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        all.append_link(&mut header, "cifar-100-binary/train.bin", "/etc/passwd").unwrap();
        gzip(&all.into_inner().unwrap())
    };
    for (bytes, part) in [
        (archive(&[], "cifar-100-binary/test.bin"), "it has no cifar-100-binary/test.bin"),
        (whole[..whole.len() / 2].to_vec(), "it is broken"),
        (long, "it ends in train.bin, after 1024 of 1099511627776 bytes"),
        (link, "train.bin in it is not a regular file"),
        (gzip(b"no archive"), "cannot be unpacked"),
    ] {
        let setup = of_archive(bytes);
        setup.refuses("cifar-100", &["cifar-100-binary.tar.gz", part]);
        assert_eq!(setup.there(), [""; 0], "{part}");
    }
    // Right by its checksum, and no data set: a label beyond the classes.
    let setup = of_archive(archive_of(&[], [99, 100, 7], ""));
    setup.refuses("cifar-100", &["train.bin", "labels below 100, found 100 in record 1"]);
    assert_eq!(setup.there(), [""; 0]);
}

#[test]
fn wrong_command_lines_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sums = folder.path().join("SUMS");
    let sums = sums.to_str().unwrap();
    fails(&["data", "get", "imagenet"], USAGE, &["imagenet", "mnist, fashion-mnist, cifar-10, cifar-100"]);
    for wrong in ["ftp://a/b", "mirror", "http://", "http://a/?b"] {
        fails(&["data", "get", "mnist", "--from", wrong], USAGE, &["--from", "http://… or https://…"]);
    }
    fails(&["data", "get", "mnist", "--checksums", sums], USAGE, &["--from"]);
    let with = ["data", "get", "mnist", "--from", "http://127.0.0.1:9", "--checksums", sums];
    fails(&with, FAILURE, &["cannot read", sums]);
    fs::write(sums, "d53e105ee54ea40749a09fcbcd1e9432  train-images-idx3-ubyte.gz\n").unwrap();
    fails(&with, USAGE, &[sums, "a line for train-labels-idx1-ubyte.gz"]);
    fs::write(sums, "SHA256 (a) = 1\n").unwrap();
    fails(&with, USAGE, &["SUMS, line 1: expected an MD5 checksum"]);
    fails(&["data", "get", "mnist", "--timeout", "0"], USAGE, &["--timeout"]);
    // A file is in the way.
    fs::write(folder.path().join("file"), "").unwrap();
    let at = folder.path().join("file").display().to_string();
    let arguments = ["data", "get", "mnist", "--data-dir", &at, "--from", "http://127.0.0.1:9", "--retries", "0"];
    fails(&arguments, FAILURE, &[&at, "cannot be written"]);
}

#[test]
fn data_that_is_missing_names_the_command_that_downloads_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("my data").display().to_string();
    for name in ["mnist", "fashion-mnist", "cifar-10", "cifar-100"] {
        let command = format!("`lethe data get {name} --data-dir '{data}'`");
        fails(&["data", "info", name, "--data-dir", &data], FAILURE, &[&command, "not found"]);
    }
    let files = tiny();
    let setup = Setup::new(&files, honest);
    setup.gets("mnist");
    fs::remove_file(setup.data().join("mnist/t10k-images-idx3-ubyte.gz")).unwrap();
    let data = setup.data().display().to_string();
    fails(
        &["data", "info", "mnist", "--data-dir", &data],
        FAILURE,
        &["no t10k-images", "`lethe data get mnist --data-dir"],
    );
}
