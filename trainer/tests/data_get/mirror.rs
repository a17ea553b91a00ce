//! A tiny data set in MNIST's form, and a server that is a mirror of it.

use crate::common::{fails, program};
use crate::server::{Request, Server, head, honest};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

pub const FAILURE: i32 = 1;
pub const USAGE: i32 = 2;
/// The largest file of the tiny set, and the first that is downloaded.
pub const IMAGES: &str = "train-images-idx3-ubyte.gz";

/// Files by name.
pub type Files = Arc<BTreeMap<&'static str, Vec<u8>>>;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut all).unwrap();
    all
}

/// The four files of a set of tiny images, some kilobytes.
pub fn tiny() -> Files {
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

pub fn sums(files: &BTreeMap<&str, Vec<u8>>) -> String {
    let hex = |bytes: &[u8]| Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", hex(bytes))).collect()
}

/// A server of files whose first one is sent as a test wants it, and a folder to install to.
pub struct Setup {
    pub server: Server,
    pub folder: tempfile::TempDir,
}

impl Setup {
    pub fn new(
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

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn arguments(&self, name: &str, more: &[&str]) -> Vec<String> {
        let (data, sums) = (self.data(), self.folder.path().join("SUMS"));
        let paths = [data, sums].map(|path| path.display().to_string());
        let own =
            ["data", "get", name, "--data-dir", &paths[0], "--from", &self.server.address, "--checksums", &paths[1]];
        own.iter().chain(&["--timeout", "1", "--retries", "1"]).chain(more).map(|word| (*word).to_owned()).collect()
    }

    pub fn get(&self, name: &str, more: &[&str]) -> Output {
        program().args(self.arguments(name, more)).output().unwrap()
    }

    /// It must succeed; its standard output.
    #[track_caller]
    pub fn gets(&self, name: &str) -> String {
        let output = self.get(name, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// It must fail and install nothing; its message.
    #[track_caller]
    pub fn refuses(&self, name: &str, parts: &[&str]) {
        let arguments = self.arguments(name, &[]);
        fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), FAILURE, parts);
        assert!(!self.data().join(name).exists(), "nothing is installed");
    }

    /// The ranges that were asked of the first file.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.server.asked().into_iter().filter(|request| request.file == IMAGES).map(|request| request.from).collect()
    }

    /// Everything in the folder of data sets.
    pub fn there(&self) -> Vec<String> {
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

/// An archive as CIFAR-100's, with these entries before the two files, which have these labels; without one of them.
pub fn archive_of(before: &[(&str, &[u8])], labels: [u8; 3], without: &str) -> Vec<u8> {
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

/// The same with labels that it may have.
pub fn archive(before: &[(&str, &[u8])], without: &str) -> Vec<u8> {
    archive_of(before, [99, 5, 7], without)
}

/// A server of this archive.
pub fn of_archive(bytes: Vec<u8>) -> Setup {
    Setup::new(&Arc::new(BTreeMap::from([("cifar-100-binary.tar.gz", bytes)])), honest)
}
