//! `lethe data info`.

use super::data::Name;
use super::options::{number, threads};
use super::output::{note, say};
use crate::classes::counts;
use crate::config::{Config, DataConfig, DatasetKind, Problem};
use crate::data::{DataSplit, Dataset, Duplicates, Loader, Preparation, Remarks, SearchPath, Sizes, Statistics};
use crate::data::{duplicates, load, statistics};
use crate::error::Error;
use crate::files;
use crate::report::{class_sheet, png};
use crate::words::count;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The number of images of each class on a sheet.
const COLUMNS: usize = 8;
/// The largest number of classes on a sheet.
const ROWS: usize = 100;
/// The side of images in files on a sheet, if no config gives one.
const SIDE: usize = 96;

/// Which data set, and what to say of it.
#[derive(Args)]
pub struct InfoArgs {
    /// The name of a data set, as `data.dataset` has it, or a config file, whose data section selects the images; `-` for one from standard input.
    #[arg(value_name = "NAME|CONFIG.toml")]
    what: String,
    /// Change a key of the config: section.key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder that holds the data set, or that holds a folder named after it; by default $LETHE_DATA, then the user's and the system's data folders.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Of images in files, decode no more than this number for the sizes and channels, evenly spaced.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = number())]
    images: usize,
    /// Write a picture of the first training images of each class, with the names of the classes, to this PNG file.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
    /// CPU threads for the sheet; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads())]
    threads: usize,
}

/// What is said.
#[derive(Serialize)]
struct Info<'a> {
    folder: Option<&'a Path>,
    train_images: usize,
    test_images: usize,
    /// Of the training images.
    #[serde(flatten)]
    statistics: Statistics,
    duplicates: Duplicates,
    classes: Vec<Class<'a>>,
}

#[derive(Serialize)]
struct Class<'a> {
    name: &'a str,
    train_images: usize,
    test_images: usize,
}

/// Says what is in a data set.
pub fn run(args: &InfoArgs) -> Result<(), Error> {
    let config = config(args)?;
    let split = load(&config, &SearchPath::of_process(args.data_dir.clone()))?;
    Remarks::default().tell(&split, &note);
    let DataSplit { train, test, folder } = &split;
    let counts = [train, test].map(|set| counts(set.labels.iter().copied(), set.classes));
    let names = train.names.names().iter().enumerate();
    let info = Info {
        folder: folder.as_deref(),
        train_images: train.len(),
        test_images: test.len(),
        statistics: statistics(train, args.images, config.exif_orientation)?,
        duplicates: duplicates(&split)?,
        classes: names.map(|(i, name)| Class { name, train_images: counts[0][i], test_images: counts[1][i] }).collect(),
    };
    if args.json {
        say(&serde_json::to_string(&info).expect("names and numbers can be written as JSON"));
    } else {
        describe(&info);
    }
    match &args.sheet {
        Some(path) => draw(path, train, &config, args.threads),
        None => Ok(()),
    }
}

/// The section `[data]` that is meant.
fn config(args: &InfoArgs) -> Result<DataConfig, Error> {
    // Or as `lethe data get` and `lethe new` have it.
    let named =
        Name::from_str(&args.what, false).map_or_else(|_| DatasetKind::named(&args.what), |name| Ok(name.kind()));
    if let Ok(kind) = named {
        if let Some(text) = args.set.first() {
            let reason = format!("changes a config, and {} is the name of a data set; name a config", args.what);
            return Err(Problem::value("--set", text, reason).into());
        }
        let mut config = DataConfig::of(kind);
        config.size = kind.is_in_files().then_some(SIDE);
        return Ok(config);
    }
    let path = Path::new(&args.what);
    if let (Err(names), false) = (named, args.what == "-" || path.extension().is_some() || path.exists()) {
        let reason = format!("neither a data set nor a config file; the data sets are {}", names.join(", "));
        return Err(Problem::value("NAME|CONFIG.toml", &args.what, reason).into());
    }
    Ok(Config::load(path, &args.set)?.data)
}

fn describe(info: &Info<'_>) {
    let (train, test) = (count(info.train_images, "training image"), count(info.test_images, "test image"));
    let Statistics { images, sizes: Sizes { smallest, median, largest }, channels } = &info.statistics;
    let size = |[height, width]: &[u32; 2]| format!("{height}×{width}");
    say(&format!("data: {train} and {test} in {}", count(info.classes.len(), "class")));
    if let Some(folder) = info.folder {
        say(&format!("folder: {}", folder.display()));
    }
    let of = if *images < info.train_images { format!("of {images} training images: ") } else { String::new() };
    match smallest == largest {
        true => say(&format!("size (height×width): {of}{}", size(largest))),
        false => {
            let (least, middle, most) = (size(smallest), size(median), size(largest));
            say(&format!("sizes (height×width): {of}{least} to {most}, {middle} in the middle"));
        }
    }
    say(&format!("\n{:8} {:>8} {:>10} {:>6} {:>9}", "channel", "mean", "deviation", "least", "greatest"));
    let names: &[&str] = if channels.len() == 1 { &["grey"] } else { &["red", "green", "blue"] };
    for (name, channel) in names.iter().zip(channels) {
        let (mean, std, least, greatest) = (channel.mean, channel.std, channel.least, channel.greatest);
        say(&format!("{name:8} {mean:>8.4} {std:>10.4} {least:>6} {greatest:>9}"));
    }
    let list = |of: fn(&crate::data::Channel) -> f64| {
        let numbers: Vec<String> = channels.iter().map(|channel| format!("{:.4}", of(channel))).collect();
        numbers.join(", ")
    };
    say(&format!("in a config: mean = [{}], std = [{}]\n", list(|c| c.mean), list(|c| c.std)));
    let width = info.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max("name".len());
    say(&format!("{:>6}  {:width$} {:>8} {:>8}", "class", "name", "train", "test"));
    for (i, Class { name, train_images, test_images }) in info.classes.iter().enumerate() {
        say(&format!("{i:>6}  {name:width$} {train_images:>8} {test_images:>8}"));
    }
    let Duplicates { train, test, test_in_train, in_other_class } = info.duplicates;
    say(&format!(
        "\nequal images: {train} of the training images have an earlier equal, and {test} of the test images; {} also in the training set{}",
        if test_in_train == 1 { "1 test image is".to_owned() } else { format!("{test_in_train} test images are") },
        if in_other_class == 0 { String::new() } else { format!(", {in_other_class} of them in another class") },
    ));
}

/// Draws the first images of each class.
fn draw(path: &Path, train: &Dataset, config: &DataConfig, threads: usize) -> Result<(), Error> {
    let classes = train.classes.min(ROWS);
    if classes < train.classes {
        note(&format!("note: the sheet has the first {classes} of {} classes", train.classes));
    }
    let mut of_class = vec![Vec::new(); classes];
    for (i, label) in train.labels.iter().enumerate() {
        if let Some(class) = of_class.get_mut(*label as usize).filter(|class| class.len() < COLUMNS) {
            class.push(i);
        }
    }
    let chosen = train.select(&train.name, &of_class.concat());
    let names = train.names.names()[..classes].to_vec();
    let (preparation, images) = (Preparation::of(config), chosen.len());
    let loader = Loader::evaluation(Arc::new(chosen), preparation, images, super::device::threads(threads));
    let batch = loader.epoch(0)?.next().expect("a set with images has a batch")?;
    let picture = class_sheet(&batch, preparation, &names)?;
    files::write(path, &png(&picture)).map(drop)
}
