//! The file with the classes of images that are not in class folders: one line per image, with its name (with or without extension), then its class
//! by name or number, separated by a tab, a comma or spaces. Anything after a second tab or comma is ignored. Every image must have exactly one line,
//! and every line an image. Ambiguous files are refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::dataset::ImageFile;
use super::error::DataError;
use crate::classes::{Classes, listed};
use crate::config::nearest;
use crate::files;

/// The names of columns that mark a first line as a heading.
const HEADINGS: [&str; 11] =
    ["file", "filename", "file_name", "image", "imageid", "image_id", "name", "path", "id", "img", "images"];

/// The images by the names that a line may use.
struct Names<'a> {
    /// Names and paths with extensions, then names without.
    whole: HashMap<&'a str, usize>,
    stems: HashMap<&'a str, usize>,
}

/// A line with the ways in which it can be read as an image and a class.
struct Line<'a> {
    number: usize,
    text: &'a str,
    meant: Vec<(usize, String)>,
}

impl Line<'_> {
    fn quoted(&self) -> String {
        format!("`{}` in line {}", self.text.trim(), self.number)
    }

    /// The first class that `class` finds in one of its readings, with the image.
    fn find(&self, class: impl Fn(&str) -> Option<u32>) -> Option<(usize, u32)> {
        self.meant.iter().find_map(|(image, word)| Some((*image, class(word)?)))
    }
}

/// The classes of these images, in the order of the images.
///
/// # Errors
/// If the file cannot be read, or a line is wrong, duplicated or missing; it is named.
pub(super) fn read(path: &Path, images: &[ImageFile], classes: &Classes) -> Result<Vec<u32>, DataError> {
    let text = text(path)?;
    let names = Names::of(path, images)?;
    let lines = lines(path, &text, &names, classes)?;
    let words = Words::of(path, &lines, classes)?;
    let mut labels = vec![None; images.len()];
    for line in &lines {
        let Some((image, class)) = line.find(|word| words.class(word)) else {
            let found = format!("{}{}", line.quoted(), words.why_not(line));
            return Err(DataError::malformed(path, "line", wanted(classes), found));
        };
        if let Some(longer) = names.longer(line.text).iter().find(|w| words.by_name(w).is_some_and(|c| c != class)) {
            let expected =
                format!("one class after the name; put quotes around `{longer}`, or remove what follows the class");
            return Err(DataError::malformed(path, "line", expected, line.quoted()));
        }
        if let Some((before, _)) = labels[image].replace((line.number, class)) {
            let found = format!("`{}` in lines {before} and {}", images[image].name(), line.number);
            return Err(DataError::malformed(path, "lines", "one line for each image".to_owned(), found));
        }
    }
    let without: Vec<_> = (0..images.len()).filter(|i| labels[*i].is_none()).collect();
    if let Some(first) = without.first() {
        let more = if without.len() > 1 { format!(", nor for {} more", without.len() - 1) } else { String::new() };
        let expected = format!("a line for {}", images[*first].name());
        return Err(DataError::malformed(path, "lines", expected, format!("none{more}")));
    }
    Ok(labels.into_iter().flatten().map(|(_, class)| class).collect())
}

/// What a line must be.
fn wanted(classes: &Classes) -> String {
    format!("a file name, a space, tab or comma, and a class, by name or by number below {}", classes.len())
}

/// The lines of the file that are not empty, without a heading; each begins with an image.
fn lines<'a>(path: &Path, text: &'a str, names: &Names<'_>, classes: &Classes) -> Result<Vec<Line<'a>>, DataError> {
    let (mut lines, mut unknown) = (Vec::new(), Vec::new());
    let all = (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty());
    for (index, (number, text)) in all.enumerate() {
        let meant = names.readings(text);
        if !meant.is_empty() {
            lines.push(Line { number, text, meant });
        } else if index > 0 || !is_heading(text) {
            unknown.push((number, text));
        }
    }
    let Some((_, first)) = unknown.first() else { return Ok(lines) };
    let expected = format!("{}; each line for an existing image", wanted(classes));
    let all: Vec<String> = unknown.iter().map(|(number, text)| format!("{} in line {number}", text.trim())).collect();
    Err(DataError::malformed(path, "lines", expected, format!("{}{}", listed(&all), names.why_not(first))))
}

/// How a file writes classes.
struct Words<'a> {
    classes: &'a Classes,
    numbers: HashMap<&'a str, u32>,
    /// Read as names if all are names of classes: class names may be numbers, in any order.
    are_names: bool,
}

impl<'a> Words<'a> {
    fn of(path: &Path, lines: &[Line<'_>], classes: &'a Classes) -> Result<Words<'a>, DataError> {
        let numbers = classes.names().iter().map(String::as_str).zip(0..).collect();
        let mut words = Words { classes, numbers, are_names: false };
        words.are_names = lines.iter().all(|line| line.find(|word| words.by_name(word)).is_some());
        // Refused if the same words are numbers of other classes.
        let counted = |word: &str| words.by_number(word).filter(|class| class.to_string() == word);
        let are_numbers = words.are_names && lines.iter().all(|line| line.find(counted).is_some());
        let class = |found: Option<(usize, u32)>| found.map(|(_, class)| class);
        let differs = |line: &&Line<'_>| class(line.find(counted)) != class(line.find(|word| words.by_name(word)));
        if let Some(line) = lines.iter().find(differs).filter(|_| are_numbers) {
            let expected = "classes by name or by number; these can be read as either, with different \
                            classes; put the test images into class folders instead";
            return Err(DataError::malformed(path, "lines", expected.into(), line.quoted()));
        }
        Ok(words)
    }

    fn class(&self, word: &str) -> Option<u32> {
        if self.are_names { self.by_name(word) } else { self.by_number(word) }
    }

    fn by_name(&self, word: &str) -> Option<u32> {
        self.numbers.get(word).copied()
    }

    fn by_number(&self, word: &str) -> Option<u32> {
        match word.parse::<u32>() {
            Ok(number) => Some(number).filter(|number| (*number as usize) < self.classes.len()),
            Err(_) => self.by_name(word),
        }
    }

    /// Why no class was found in a line, in words; nothing about a number, whose range is said anyway.
    fn why_not(&self, line: &Line<'_>) -> String {
        let later = fields(line.text).iter().skip(2).position(|field| self.by_name(&clean(field)).is_some());
        if let Some(column) = later {
            return format!(": the class is in column {}, and must be in column 2", column + 3);
        }
        let names: Vec<&str> = self.classes.names().iter().map(String::as_str).collect();
        let words = || line.meant.iter().map(|(_, word)| word).filter(|word| word.parse::<u32>().is_err());
        match (words().find_map(|word| Some((word, nearest(word, &names)?))), words().next()) {
            (Some((word, near)), _) => format!(": there is no class `{word}` (did you mean `{near}`?)"),
            (None, Some(word)) => format!(": there is no class `{word}`; the classes are {}", listed(&names)),
            (None, None) => String::new(),
        }
    }
}

/// The file as text, without a byte order mark.
fn text(path: &Path) -> Result<String, DataError> {
    let bytes = files::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
            let found = format!("other bytes in line {line}");
            Err(DataError::malformed(path, "text", "text in UTF-8".to_owned(), found))
        }
    }
}

fn is_heading(line: &str) -> bool {
    let word = line.split([',', '\t', ' ', ';']).next().unwrap_or_default();
    HEADINGS.contains(&word.trim_matches('"').to_ascii_lowercase().as_str())
}

impl<'a> Names<'a> {
    fn of(path: &Path, images: &'a [ImageFile]) -> Result<Names<'a>, DataError> {
        let (mut whole, mut stems) = (HashMap::new(), HashMap::new());
        for (i, image) in images.iter().enumerate() {
            let name = image.name();
            if let Some(other) = whole.insert(name, i) {
                let found = format!("{} and {}", images[other].path.display(), image.path.display());
                return Err(DataError::malformed(path, "images", "unique names".to_owned(), found));
            }
            whole.extend(image.relative_path().to_str().map(|path| (path, i)));
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            // A name without extension that fits two images is not accepted.
            stems.entry(stem).and_modify(|i| *i = usize::MAX).or_insert(i);
        }
        stems.retain(|_, i| *i != usize::MAX);
        Ok(Names { whole, stems })
    }

    /// The ways in which a line can be read as an existing image and a class.
    fn readings(&self, line: &str) -> Vec<(usize, String)> {
        let splits = splits(line);
        let of = |names: &HashMap<&str, usize>| {
            let known = splits.iter().filter_map(|(name, word)| Some((*names.get(name.as_str())?, word.clone())));
            known.collect::<Vec<_>>()
        };
        [of(&self.whole), of(&self.stems)].concat()
    }

    /// Why a line is not an image and a class, in words, if it has an image somewhere.
    fn why_not(&self, line: &str) -> String {
        let column = |fields: Vec<String>| fields.iter().position(|field| self.is_image(&clean(field)));
        let parts: Vec<String> = line.split(';').map(|field| field.replace('"', "")).collect();
        if parts.len() > 1 && column(parts).is_some() {
            return ": the columns are separated by semicolons; replace them with commas".to_owned();
        }
        let columns = [fields(line), line.split('\t').map(str::to_owned).collect()];
        match columns.into_iter().find_map(column) {
            None => String::new(),
            Some(0) => ": no class follows the file name".to_owned(),
            Some(at) => {
                format!(": the file name is in column {}, and must be in column 1, with the class in column 2", at + 1)
            }
        }
    }

    fn is_image(&self, name: &str) -> bool {
        self.whole.contains_key(name) || self.stems.contains_key(name)
    }

    /// What follows an image and a comma and itself contains commas: possibly a class without the quotes that it needs.
    fn longer(&self, line: &str) -> Vec<String> {
        let fields = fields(line);
        let ends = if self.is_image(&clean(&fields[0])) { 3..fields.len() + 1 } else { 0..0 };
        ends.map(|end| clean(&fields[1..end].join(","))).collect()
    }
}

/// The ways in which a line can be split into a name and a class: at a tab, at a comma, or at any space, since both may contain spaces.
fn splits(line: &str) -> Vec<(String, String)> {
    let own = |name: &str, word: &str| (clean(name), clean(word));
    let mut splits = Vec::new();
    for fields in [line.split('\t').map(str::to_owned).collect(), fields(line)] {
        if let [name, word, ..] = &fields[..] {
            splits.push(own(name, word));
        }
    }
    let line = line.trim();
    splits.extend(line.match_indices(char::is_whitespace).map(|(at, _)| own(&line[..at], &line[at..])));
    splits.retain(|(name, word)| !name.is_empty() && !word.is_empty());
    splits
}

/// A name in normal form: without surrounding spaces, and with this system's path separators.
fn clean(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix("./").unwrap_or(text);
    if std::path::MAIN_SEPARATOR == '/' {
        text.to_owned()
    } else {
        PathBuf::from_iter(text.split('/')).display().to_string()
    }
}

/// The fields of a line of CSV: a comma between quotes does not separate, and two quotes between quotes are one.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.last_mut().expect("there is always one");
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => last.extend(letters.next()),
            '"' if quoted || last.trim().is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => last.push(letter),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(bytes: &[u8]) -> Result<Vec<u32>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("val.txt");
        std::fs::write(&path, bytes).unwrap();
        let images = ["a.jpg", "my cat.png", "b.JPEG"].map(|name| ImageFile::new(folder.path().join(name), 1));
        read(&path, &images, &Classes::new(["cat", "golden retriever", "owl, barn"])).map_err(|e| e.to_string())
    }

    #[test]
    fn lines_are_cut_where_an_image_ends() {
        for text in [
            "a.jpg cat\nmy cat.png golden retriever\nb.JPEG owl, barn\n",
            "a\tcat\r\nmy cat\tgolden retriever\r\nb\towl, barn\r\n",
            "\u{feff}filename,label\r\na.jpg,cat\r\n\"my cat.png\",golden retriever\r\nb.JPEG,\"owl, barn\"\r\n",
            "b.JPEG   2\n\na.jpg   0\nmy cat.png 1",
            "a.jpg\tcat\t0\t0\t64\t64\nmy cat.png\tgolden retriever\t1\nb.JPEG\towl, barn\t2\n",
            "./a.jpg 0\n./my cat.png 1\n./b.JPEG 2",
        ] {
            assert_eq!(labels(text.as_bytes()), Ok(vec![0, 1, 2]), "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("val.txt");
        let images = ["a.jpg", "b.jpg"].map(|name| ImageFile::new(folder.path().join(name), 1));
        let of = |text: &str, classes: &[&str]| {
            std::fs::write(&path, text).unwrap();
            read(&path, &images, &Classes::new(classes.iter().copied())).map_err(|e| e.to_string())
        };
        let error = of("a.jpg 1\nb.jpg 2\n", &["1", "2", "3"]).unwrap_err();
        assert!(error.contains("found `a.jpg 1` in line 1") && error.contains("class folders"), "{error}");
        // Both mean the same, or only one of them exists.
        assert_eq!(of("a.jpg 1\nb.jpg 0\n", &["0", "1", "2"]), Ok(vec![1, 0]));
        assert_eq!(of("a.jpg 1\nb.jpg 3\n", &["1", "2", "3"]), Ok(vec![0, 2]));
        assert_eq!(of("a.jpg 0\nb.jpg 1\n", &["1", "2", "3"]), Ok(vec![0, 1]));
        assert_eq!(of("a.jpg 001\nb.jpg 002\n", &["001", "002", "003"]), Ok(vec![0, 1]));
        let error = of("a.jpg,owl, barn\nb.jpg,owl\n", &["owl", "owl, barn"]).unwrap_err();
        assert!(error.contains("put quotes around `owl, barn`") && error.contains("line 1"), "{error}");
        assert_eq!(of("a.jpg,\"owl, barn\",9\nb.jpg,owl,9,9\n", &["owl", "owl, barn"]), Ok(vec![1, 0]));
        assert_eq!(of("a.jpg owl, barn\nb.jpg\tbarn\n", &["barn", "owl, barn"]), Ok(vec![1, 0]));
    }

    #[test]
    fn wrong_double_and_missing_lines_are_named() {
        let said = |text: &[u8], part: &str| {
            let error = labels(text).unwrap_err();
            assert!(error.contains(part), "{part} not in {error}");
        };
        said(b"a.jpg 0\nmy cat.png 1\nb.JPEG 3\n", "by name or by number below 3, found `b.JPEG 3` in line 3");
        said(b"a.jpg 0\nmy cat.png 1\nb.JPEG 2\na 1\n", "found `a.jpg` in lines 1 and 4");
        said(b"a.jpg 0\n", "expected a line for my cat.png, found none, nor for 1 more");
        said(b"a.jpg 0\nc.jpg 1\nmy cat.png 1\nb.JPEG 2\n", "found `c.jpg 1 in line 2`");
        said(b"a.jpg\n", "found `a.jpg in line 1`: no class follows the file name");
        said(
            b"a.jpg;cat\nmy cat.png;cat\n",
            "found `a.jpg;cat in line 1`, `my cat.png;cat in line 2`: the columns are separated by semicolons",
        );
        said(
            b"id,file,class\n1,a.jpg,cat\n",
            "found `1,a.jpg,cat in line 2`: the file name is in column 2, and must be in column 1",
        );
        said(b"a.jpg,64,cat\n", "found `a.jpg,64,cat` in line 1: the class is in column 3, and must be in column 2");
        said(b"a.jpg,Catt\n", "found `a.jpg,Catt` in line 1: there is no class `Catt` (did you mean `cat`?)");
        said(b"a.jpg zebra\n", "there is no class `zebra`; the classes are `cat`, `golden retriever`, `owl, barn`");
        said(b"a.jpg 0\n\xff\xfe 1\n", "text in UTF-8, found other bytes in line 2");
    }
}
