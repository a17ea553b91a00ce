//! `lethe new`.

use super::output::{note, say_or_end};
use super::schema;
use crate::config::{DataConfig, DatasetKind, Problem, SCHEMA};
use crate::data::{DataError, DataSplit, Images, SearchPath, load};
use crate::error::Error;
use crate::files;
use crate::words::count;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// For which data, and where to write the config.
#[derive(Args)]
pub struct NewArgs {
    #[command(subcommand)]
    data: Data,
    /// The file to write; by default the config is printed.
    #[arg(long, global = true, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write the JSON Schema of configs beside --out, and begin the config with the line by which editors find it.
    #[arg(long, global = true)]
    schema: bool,
}

#[derive(Subcommand)]
enum Data {
    /// The optical digits, which are in the program.
    Digits,
    /// MNIST.
    Mnist,
    /// Fashion-MNIST.
    #[command(alias = "fashion-mnist")]
    Fashion,
    /// CIFAR-10.
    #[command(alias = "cifar-10")]
    Cifar10,
    /// CIFAR-100.
    #[command(alias = "cifar-100")]
    Cifar100,
    /// Images of one's own, in a folder for each class under `train/` and `val/`; they are looked at. Without `val/`, the config holds out images.
    Folder {
        /// The folder that has `train/`, and `val/` or not.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Writes a config with comments to start from.
pub fn run(args: &NewArgs) -> Result<(), Error> {
    let filled = |template: &str, parts: &[(&str, &str)]| {
        parts.iter().fold(template.to_owned(), |text, (place, part)| text.replace(&format!("{{{place}}}"), part))
    };
    let grey = |name, dataset, augment| {
        filled(include_str!("templates/grey.toml"), &[("name", name), ("dataset", dataset), ("augment", augment)])
    };
    let cifar = |name, dataset| filled(include_str!("templates/cifar.toml"), &[("name", name), ("dataset", dataset)]);
    let text = match &args.data {
        Data::Digits => include_str!("templates/digits.toml").to_owned(),
        // Mirrored digits are others; mirrored clothes are clothes.
        Data::Mnist => grey("MNIST", "mnist", "{ crop_padding = 2 }"),
        Data::Fashion => grey("Fashion-MNIST", "fashion-mnist", "{ crop_padding = 2, flip = true }"),
        Data::Cifar10 => cifar("CIFAR-10", "cifar-10"),
        Data::Cifar100 => cifar("CIFAR-100", "cifar-100"),
        Data::Folder { folder } => folder_config(folder)?,
    };
    let Some(out) = &args.out else {
        if args.schema {
            return Err(
                Problem::value("--schema", true, "needs --out FILE: the schema is written beside that file").into()
            );
        }
        say_or_end(text.trim_end());
        return Ok(());
    };
    if out.exists() {
        let error = std::io::Error::other("it exists already; choose another --out");
        return Err(Error::Write { path: out.clone(), error });
    }
    let line = if args.schema { format!("#:schema ./{SCHEMA}\n") } else { String::new() };
    files::write(out, (line + &text).as_bytes())?;
    if args.schema {
        files::write(&out.with_file_name(SCHEMA), schema::text().as_bytes())?;
    }
    let data = match &args.data {
        Data::Folder { folder } => format!(" --data-dir {}", folder.display()),
        _ => String::new(),
    };
    note(&format!("{}: look at it, then `lethe check {0}{data}` and `lethe train {0}{data}`", out.display()));
    Ok(())
}

/// The config for the images in a folder: their size and number choose that of the network's inputs and of the batch.
fn folder_config(folder: &Path) -> Result<String, Error> {
    if !folder.is_dir() {
        let reason = if folder.exists() { "is no folder" } else { "there is no such folder" };
        let reason = format!("{reason}; expected one that has train/, with a folder of images for each class");
        return Err(Problem::value("DIR", folder.display(), reason).into());
    }
    let mut data = DataConfig::of(DatasetKind::ImageFolder);
    data.size = Some(64);
    let split = folder_split(folder, &mut data)?;
    let sides = match &split.train.images {
        Images::Files(files) => {
            let mut sides: Vec<u32> = files.iter().take(500).filter_map(|file| shorter_side(&file.path)).collect();
            sides.sort_unstable();
            sides
        }
        Images::Memory(_) => Vec::new(),
    };
    let side = sides.get(sides.len() / 2).copied().unwrap_or(64);
    // A large stem divides the image's side by four at once.
    let (size, stem, width) = match side {
        0..48 => (32, "small", 32),
        48..160 => (64, "small", 32),
        _ => (128, "large", 64),
    };
    let images = split.train.len();
    let batch = [64, 32, 16, 8, 4, 2, 1].into_iter().find(|batch| batch * 4 <= images).unwrap_or(1);
    let found = format!(
        "{} and {} in {}, half of them {side} pixels or more on their shorter side",
        count(images, "training image"),
        count(split.test.len(), "test image"),
        count(split.train.classes, "class")
    );
    let held_out = data.hold_out.map_or_else(String::new, |count| {
        format!(
            "\nhold_out = {count} # images of train/ to test on, since there is no val/; without this key val/ is used"
        )
    });
    let (folder, batch) = (folder.display().to_string(), batch.to_string());
    let parts = [
        ("folder", folder),
        ("found", found),
        ("size", size.to_string()),
        ("hold_out", held_out),
        ("width", width.to_string()),
        ("stem", stem.to_owned()),
        ("pad", " ".repeat(14 - batch.len())),
        ("batch", batch),
    ];
    let text = include_str!("templates/folder.toml").to_owned();
    Ok(parts.iter().fold(text, |text, (place, part)| text.replace(&format!("{{{place}}}"), part)))
}

/// The images in a folder. If it has none to test on, a tenth of the others is held out.
fn folder_split(folder: &Path, data: &mut DataConfig) -> Result<DataSplit, DataError> {
    let search_path = SearchPath::of_process(Some(folder.to_owned()));
    match load(data, &search_path) {
        Err(DataError::Incomplete { .. }) => {}
        split => return split,
    }
    data.hold_out = Some(1);
    data.hold_out = Some(load(data, &search_path)?.train.len().div_ceil(10));
    load(data, &search_path)
}

fn shorter_side(path: &Path) -> Option<u32> {
    image::image_dimensions(path).ok().map(|(width, height)| width.min(height))
}
