//! `lethe data`: data sets on this machine.

use super::info::{self, InfoArgs};
use super::options::{Telling, number, whole};
use super::output::{note, say};
use crate::classes::listed;
use crate::config::DatasetKind;
use crate::data::{Remarks, SearchPath};
use crate::download::{Fetcher, Installed, Patience, Published, Transfers, get};
use crate::error::Error;
use crate::progress::Show;
use crate::words::count;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to do with a data set.
#[derive(Subcommand)]
pub enum Data {
    /// Download a published data set, verify it, and install it where the other commands look for it. What an interrupted download left is continued;
    /// files that are there already are verified and kept.
    Get(GetArgs),
    /// Say what is in a data set: classes, sizes, the mean and deviation of its channels, duplicates.
    Info(InfoArgs),
}

/// Which data set, from where and to where.
#[derive(Args)]
pub struct GetArgs {
    /// The data set.
    #[arg(value_enum, value_name = "NAME")]
    name: Name,
    /// The folder to install to; it gets a folder with the data set's name. By default $LETHE_DATA, or else the user's data folder.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The address of the folder of a mirror, which has files of the published names. They must be the published ones.
    #[arg(long, value_name = "URL", value_parser = address)]
    from: Option<String>,
    /// The checksums of a mirror whose files are others than the published ones, as md5sum prints them.
    #[arg(long, value_name = "FILE", requires = "from")]
    checksums: Option<PathBuf>,
    /// How often a file is tried again after a failure of the network or the server.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<usize>(0..=1000))]
    retries: usize,
    /// After how many seconds without an answer, or without anything of the file, an attempt ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = number())]
    timeout: usize,
    #[command(flatten)]
    telling: Telling,
}

/// The data sets that can be downloaded.
#[derive(Clone, Copy, ValueEnum)]
pub enum Name {
    Mnist,
    #[value(alias = "fashion")]
    FashionMnist,
    #[value(name = "cifar-10", alias = "cifar10")]
    Cifar10,
    #[value(name = "cifar-100", alias = "cifar100")]
    Cifar100,
}

impl Name {
    /// As configs name it.
    pub fn kind(self) -> DatasetKind {
        match self {
            Name::Mnist => DatasetKind::Mnist,
            Name::FashionMnist => DatasetKind::FashionMnist,
            Name::Cifar10 => DatasetKind::Cifar10,
            Name::Cifar100 => DatasetKind::Cifar100,
        }
    }

    fn published(self) -> Published {
        Published::of(self.kind()).expect("every name is one of a data set that can be downloaded")
    }
}

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct Outcome<'a> {
    dataset: &'a str,
    folder: &'a Path,
    /// The files that were downloaded.
    downloaded: &'a [&'static str],
    /// The files that were there and have no checksum to be compared with.
    unverified: &'a [String],
    train_images: usize,
    test_images: usize,
}

/// Runs one of the commands.
pub fn run(data: &Data) -> Result<(), Error> {
    match data {
        Data::Get(args) => download(args),
        Data::Info(args) => info::run(args),
    }
}

fn download(args: &GetArgs) -> Result<(), Error> {
    let mut set = args.name.published();
    if let Some(address) = &args.from {
        set = set.mirrored(address);
    }
    if let Some(path) = &args.checksums {
        set = set.with_checksums(path)?;
    }
    let search_path = SearchPath::of_process(args.data_dir.clone());
    let (timeout, pause) = (Duration::from_secs(args.timeout as u64), Duration::from_millis(500));
    let fetcher = Fetcher::new(Patience { retries: args.retries, timeout, pause });
    let show = args.telling.show();
    let done = get(&set, &search_path, &fetcher, &mut Transfers::new(show))?;
    tell(&set, &done, show);
    Ok(())
}

fn tell(set: &Published, done: &Installed, show: Show) {
    let Installed { folder, fetched, unverified, split } = done;
    if show == Show::Json {
        let (train_images, test_images) = (split.train.len(), split.test.len());
        let result = Outcome { dataset: set.name, folder, downloaded: fetched, unverified, train_images, test_images };
        return say(&serde_json::to_string(&result).expect("names and numbers can be written as JSON"));
    }
    if show == Show::Text {
        Remarks::default().tell(split, &note);
        if !unverified.is_empty() {
            let files = listed(unverified);
            note(&format!(
                "note: there is no checksum to compare {files} with; they were read, and have the form they must have"
            ));
        }
    }
    let (train, test) = (count(split.train.len(), "training image"), count(split.test.len(), "test image"));
    let what = if fetched.is_empty() { "is already in" } else { "is installed in" };
    say(&format!("{} {what} {}: {train}, {test}", set.name, folder.display()));
}

/// An address of HTTP.
fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.starts_with('/') && !rest.is_empty() && !text.contains(['?', '#', ' ']) => {
            Ok(text.to_owned())
        }
        _ => Err("expected the address of a folder, http://… or https://…, without ? and #".to_owned()),
    }
}
