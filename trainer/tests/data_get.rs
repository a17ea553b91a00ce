//! `lethe data get`, against servers on this machine that are slow, lie, or break off.

#![cfg(feature = "program")]

mod common;
mod server;

use common::{fails, program, runs};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use server::{Request, Server, head, honest, whole};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

const FAILURE: i32 = 1;
const USAGE: i32 = 2;
/// The largest file of the tiny set, and the first that is downloaded.
const IMAGES: &str = "train-images-idx3-ubyte.gz";

type Files = Arc<BTreeMap<&'static str, Vec<u8>>>;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The four files of a set of tiny images, some kilobytes.
fn tiny() -> Files {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    let images = |count: usize| {
        let pixels = (0..count * 64).map(|i| (i * i / 7 % 251) as u8);
        gzip(&words(&[0x803, count as u32, 8, 8]).into_iter().chain(pixels).collect::<Vec<u8>>())
    };
    let labels = |count: usize| {
        gzip(&words(&[0x801, count as u32]).into_iter().chain((0..count).map(|i| (i % 10) as u8)).collect::<Vec<u8>>())
    };
    Arc::new(BTreeMap::from([
        (IMAGES, images(120)),
        ("train-labels-idx1-ubyte.gz", labels(120)),
        ("t10k-images-idx3-ubyte.gz", images(20)),
        ("t10k-labels-idx1-ubyte.gz", labels(20)),
    ]))
}

fn sums(files: &BTreeMap<&'static str, Vec<u8>>) -> String {
    let hex = |bytes: &[u8]| Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", hex(bytes))).collect()
}

/// A server of files whose first one is sent as a test wants it, and a folder to install to.
struct Setup {
    server: Server,
    folder: tempfile::TempDir,
}

impl Setup {
    fn new(
        files: &Files,
        images: impl Fn(&Request, &mut TcpStream, &[u8]) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Setup {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("SUMS"), sums(files)).unwrap();
        let files = files.clone();
        let server = Server::new(move |request, stream| match files.get(request.file.as_str()) {
            Some(bytes) if request.file == IMAGES || files.len() == 1 => images(request, stream, bytes),
            Some(bytes) => honest(request, stream, bytes),
            None => head(stream, "404 Not Found", &["Content-Length: 0".into()]),
        });
        Setup { server, folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn arguments(&self, name: &str, more: &[&str]) -> Vec<String> {
        let (data, sums) = (self.data(), self.folder.path().join("SUMS"));
        let paths = [data, sums].map(|path| path.display().to_string());
        let own =
            ["data", "get", name, "--data-dir", &paths[0], "--from", &self.server.address, "--checksums", &paths[1]];
        own.iter().chain(&["--timeout", "1", "--retries", "1"]).chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn get(&self, name: &str, more: &[&str]) -> Output {
        program().args(self.arguments(name, more)).output().unwrap()
    }

    /// It must succeed; its standard output.
    #[track_caller]
    fn gets(&self, name: &str) -> String {
        let output = self.get(name, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// It must fail and install nothing; its message.
    #[track_caller]
    fn refuses(&self, name: &str, parts: &[&str]) {
        let arguments = self.arguments(name, &[]);
        fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, parts);
        assert!(!self.data().join(name).exists(), "nothing is installed");
    }

    /// The ranges that were asked of the first file.
    fn ranges(&self) -> Vec<Option<usize>> {
        self.server.asked().into_iter().filter(|request| request.file == IMAGES).map(|request| request.from).collect()
    }

    /// Everything in the folder of data sets.
    fn there(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![self.data()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    all.push(entry.path().strip_prefix(self.data()).unwrap().display().to_string());
                }
            }
        }
        all.sort();
        all
    }
}

#[test]
fn a_data_set_is_installed_where_the_readers_find_it_and_not_again() {
    let files = tiny();
    let setup = Setup::new(&files, honest);
    let said = setup.gets("mnist");
    assert!(said.contains("mnist is installed in ") && said.contains("120 training images, 20 test images"), "{said}");
    let mut expected: Vec<String> = files.keys().map(|name| format!("mnist/{name}")).collect();
    expected.push("mnist/MD5SUMS".to_owned());
    expected.sort();
    assert_eq!(setup.there(), expected);
    assert_eq!(fs::read_to_string(setup.data().join("mnist/MD5SUMS")).unwrap().lines().count(), 4);
    assert_eq!(setup.server.asked().len(), 4);
    assert!(setup.gets("mnist").contains("mnist is already in"));
    assert_eq!(setup.server.asked().len(), 4, "nothing is asked for again");
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
    // A copy that the readers find is found here too: the files were unpacked by hand.
    let place = setup.folder.path().join("LETHE_DATA/mnist");
    let unpack = |path: PathBuf| {
        let mut bytes = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()), &mut bytes).unwrap();
        fs::write(path.with_extension(""), bytes).unwrap();
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
fn after_a_cut_the_rest_alone_is_fetched() {
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            stream.write_all(&bytes[..3000])
        }
        _ => honest(request, stream, bytes),
    });
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(3000)]);
}

#[test]
fn a_later_command_continues_and_until_then_nothing_is_installed() {
    // Silent after a part, for two requests; then honest.
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 | 1 => {
            let from = request.from.unwrap_or(0);
            let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let status = if request.from.is_some() { "206 Partial Content" } else { "200 OK" };
            head(stream, status, &[format!("Content-Length: {}", bytes.len() - from), range])?;
            stream.write_all(&bytes[from..from + 1000])?;
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        _ => honest(request, stream, bytes),
    });
    setup.refuses(
        "mnist",
        &["nothing arrived for 1 s after 2000 of", "2 attempts", "continues after the 2000 bytes in"],
    );
    assert_eq!(setup.there(), ["mnist.partial/lock", &format!("mnist.partial/{IMAGES}.part")].map(String::from)[1..]);
    let missing = program().args(["data", "info", "mnist", "--data-dir"]).arg(setup.data()).output().unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("mnist not found"), "half of it is not found");
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(1000), Some(2000)]);
    assert_eq!(setup.there().len(), 5);
}

#[test]
fn a_killed_download_leaves_nothing_half_and_is_continued() {
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            stream.write_all(&bytes[..2500])?;
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        _ => honest(request, stream, bytes),
    });
    let part = setup.data().join(format!("mnist.partial/{IMAGES}.part"));
    let mut command = program();
    let mut child = command.args(setup.arguments("mnist", &["--timeout", "30"])[..11].iter()).spawn().unwrap();
    let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while length(&part) < 2500 && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    // Meanwhile no other program downloads to the same place.
    let arguments = setup.arguments("mnist", &[]);
    fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, &["another program is downloading"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!setup.data().join("mnist").exists());
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(2500)]);
}

#[test]
fn servers_without_ranges_and_files_that_changed_are_begun_anew() {
    // It ignores Range.
    let setup = Setup::new(&tiny(), |request, stream, bytes| match request.earlier {
        0 => {
            head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
            stream.write_all(&bytes[..3000])
        }
        _ => whole(stream, bytes),
    });
    setup.gets("mnist");
    assert_eq!(setup.ranges(), [None, Some(3000)]);
    // What an earlier program left: longer than the file, as long and of another, a beginning of another, and complete.
    let bytes = tiny()[IMAGES].clone();
    let other =
        |length: usize| bytes[..2].iter().copied().chain(std::iter::repeat(7)).take(length).collect::<Vec<u8>>();
    let all = bytes.len();
    for (left, expected) in [
        (other(all + 10), vec![Some(all + 10), None]),
        (other(all), vec![Some(all), None]),
        (other(900), vec![Some(900), None]),
        (bytes.clone(), vec![Some(all)]),
    ] {
        let setup = Setup::new(&tiny(), honest);
        fs::create_dir_all(setup.data().join("mnist.partial")).unwrap();
        fs::write(setup.data().join(format!("mnist.partial/{IMAGES}.part")), left).unwrap();
        setup.gets("mnist");
        assert_eq!(setup.ranges(), expected);
    }
}

#[test]
fn lies_of_the_server_are_told_and_nothing_is_installed() {
    type Lie = fn(&Request, &mut TcpStream, &[u8]) -> std::io::Result<()>;
    let lies: [(Lie, &[&str]); 7] = [
        (
            |_, stream, bytes| {
                head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len() - 100)])?;
                stream.write_all(bytes)
            },
            &["expected the MD5 checksum", "--checksums FILE"],
        ),
        (
            |_, stream, bytes| {
                head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len() + 100)])?;
                stream.write_all(bytes)
            },
            &["the connection ended after", "2 attempts"],
        ),
        (
            |_, stream, bytes| {
                head(stream, "200 OK", &["Content-Length: 99999999999999".into()])?;
                stream.write_all(bytes)
            },
            &["expected at most 536870912 bytes, found 99999999999999 announced"],
        ),
        (
            |_, stream, _| {
                head(stream, "200 OK", &["Content-Type: text/html".into()])?;
                stream.write_all(b"<!DOCTYPE html><title>Log in</title>")
            },
            &["expected a file compressed by gzip, found an HTML page"],
        ),
        (
            |_, stream, _| head(stream, "404 Not Found", &["Content-Length: 0".into()]),
            &["answered 404 (not found)", "--from URL"],
        ),
        (|_, stream, _| stream.write_all(b"220 smtp ready\r\n\r\n"), &["2 attempts", "try again later"]),
        (
            |_, stream, bytes| {
                let mut wrong = bytes.to_vec();
                wrong[2000] ^= 1;
                whole(stream, &wrong)
            },
            &["expected the MD5 checksum", "nothing is installed"],
        ),
    ];
    std::thread::scope(|scope| {
        for (lie, parts) in lies {
            scope.spawn(move || {
                let setup = Setup::new(&tiny(), lie);
                setup.refuses("mnist", &[&[IMAGES], parts].concat());
            });
        }
    });
}

#[test]
fn servers_that_drip_or_do_not_answer_are_given_up() {
    let drip = |_: &Request, stream: &mut TcpStream, bytes: &[u8]| {
        head(stream, "200 OK", &[format!("Content-Length: {}", bytes.len())])?;
        bytes.iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(&[*byte])
        })
    };
    let silent = |_: &Request, _: &mut TcpStream, _: &[u8]| {
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    };
    std::thread::scope(|scope| {
        scope.spawn(|| Setup::new(&tiny(), drip).refuses("mnist", &["bytes arrived in 1 s", "2 attempts"]));
        scope.spawn(|| {
            let setup = Setup::new(&tiny(), silent);
            setup.refuses("mnist", &["the server does not answer", "2 attempts"]);
            assert_eq!(setup.there(), [""; 0], "nothing is left");
        });
    });
    // Nobody listens there.
    let fails_to_connect =
        ["data", "get", "mnist", "--data-dir", "d", "--from", "http://127.0.0.1:9", "--retries", "0"];
    fails(&fails_to_connect, FAILURE, &["http://127.0.0.1:9/train-images", "the connection was refused", "1 attempt;"]);
}

/// An archive as CIFAR-100's, with these entries before the two files, which have these labels; without one of them.
fn archive_of(before: &[(&str, &[u8])], labels: [u8; 3], without: &str) -> Vec<u8> {
    let record = |labels: [u8; 2]| labels.into_iter().chain([labels[1]; 3072]).collect::<Vec<u8>>();
    let (train, test) = ([record([3, labels[0]]), record([0, labels[1]])].concat(), record([1, labels[2]]));
    let own: [(&str, &[u8]); 2] = [("cifar-100-binary/train.bin", &train), ("cifar-100-binary/test.bin", &test)];
    let mut all = tar::Builder::new(Vec::new());
    for (name, bytes) in before.iter().chain(&own).filter(|(name, _)| *name != without) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // As it is: the library refuses to write such paths.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        all.append(&header, *bytes).unwrap();
    }
    gzip(&all.into_inner().unwrap())
}

fn archive(before: &[(&str, &[u8])], without: &str) -> Vec<u8> {
    archive_of(before, [99, 5, 7], without)
}

fn of_archive(bytes: Vec<u8>) -> Setup {
    Setup::new(&Arc::new(BTreeMap::from([("cifar-100-binary.tar.gz", bytes)])), honest)
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
