//! Recognises files that are mistaken for safetensors by their first bytes, and says what to do with them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The number of bytes that are examined.
const LOOKED_AT: u64 = 1024;

/// What a file is instead of safetensors, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, with its article.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// What a file is, if it is certainly not a safetensors file.
///
/// # Errors
/// If it cannot be read.
pub fn recognise(path: &Path) -> io::Result<Option<Foreign>> {
    let mut head = Vec::new();
    File::open(path)?.take(LOOKED_AT).read_to_end(&mut head)?;
    // The length of a header below 4 GiB, and the header's first character: the length alone may look like anything.
    if head.get(4..8) == Some(&[0; 4]) && matches!(head.get(8), None | Some(b'{')) {
        return Ok(None);
    }
    Ok(of_text(&head).or_else(|| of_bytes(&head, path)))
}

fn foreign(what: impl Into<String>, advice: impl Into<String>) -> Option<Foreign> {
    Some(Foreign { what: what.into(), advice: advice.into() })
}

/// Whether a text begins, after blank lines and comments, with the name of a table or with a key, as no JSON does.
fn is_toml(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    let table = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    table.is_some_and(|name| is_name(name.trim_matches(['[', ']'])))
        || first.split_once(" = ").is_some_and(|(key, _)| is_name(key))
}

/// Text files and empty files.
fn of_text(head: &[u8]) -> Option<Foreign> {
    const AGAIN: &str =
        "the download failed: the address needs a login, or belongs to a page about the file; download the file itself";
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_lowercase();
    if head.is_empty() {
        return foreign("an empty file", "the download or copy failed; repeat it");
    }
    if text.starts_with("version https://git-lfs") {
        let size = text.lines().find_map(|line| line.strip_prefix("size "));
        let size = size.map_or_else(String::new, |bytes| format!(" to a file of {bytes} bytes"));
        return foreign(format!("a Git LFS pointer{size}"), "fetch the file itself with `git lfs pull`");
    }
    if lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.starts_with("<head") {
        return foreign("an HTML page", AGAIN);
    }
    if lower.starts_with("<?xml") {
        return foreign("an XML file", AGAIN);
    }
    if is_toml(text) {
        return foreign("a TOML file, as configs are", "name a run, one of its checkpoints, or a file of weights");
    }
    if text.starts_with('{') || text.starts_with('[') {
        return match text.contains("weight_map") || text.contains("\"metadata\"") {
            true => foreign("the index of weights in several files", "name a file with all weights"),
            false => foreign("a JSON file", AGAIN),
        };
    }
    None
}

/// Files of other formats.
fn of_bytes(head: &[u8], path: &Path) -> Option<Foreign> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let holds = |part: &[u8]| head.windows(part.len()).any(|bytes| bytes == part);
    let unpack = |program: &str| format!("unpack it with `{program} {}`, and name the unpacked file", path.display());
    let convert = || format!("convert it with PyTorch: {}", conversion(path));
    let elsewhere = "load it with the program that wrote it, and save its weights as safetensors with PyTorch's names";
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return match () {
            () if holds(b".npy") => foreign("a NumPy archive (.npz)", elsewhere),
            () if holds(b"data.pkl") || holds(b".data/") || holds(b"/version") || holds(b"byteorder") => {
                foreign("a Python pickle in PyTorch's zip format (.pt, .pth, .bin)", convert())
            }
            () if holds(b"metadata.json") => foreign("a Keras archive (.keras)", elsewhere),
            () => foreign("a zip archive", unpack("unzip")),
        };
    }
    match head {
        [0x80, 2..=5, ..] => foreign("a Python pickle (.pt, .pth, .bin, .pkl)", convert()),
        [0x1f, 0x8b, ..] => foreign("a gzip archive", unpack("gunzip -k")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => foreign("a zstd archive", unpack("unzstd")),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => foreign("an xz archive", unpack("unxz -k")),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => foreign("a bzip2 archive", unpack("bunzip2 -k")),
        _ if head.get(257..262) == Some(b"ustar") => foreign("a tar archive", unpack("tar xf")),
        _ if starts(b"GGUF") => foreign("a GGUF file", elsewhere),
        _ if starts(b"\x89HDF\r\n\x1a\n") => foreign("an HDF5 file (.h5)", elsewhere),
        _ if starts(b"\x93NUMPY") => foreign("a NumPy array (.npy)", elsewhere),
        _ if head.get(4..8) == Some(b"TFL3") => foreign("a TensorFlow Lite file", elsewhere),
        // A protocol buffer whose first fields are a small version and the name of a program.
        [0x08, 1..=20, 0x12, ..] => foreign("an ONNX file", elsewhere),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => foreign("an image", "name a file of weights"),
        _ => None,
    }
}

/// A command that turns a pickle into safetensors.
fn conversion(path: &Path) -> String {
    let (from, to) = (path.display(), path.with_extension("safetensors"));
    format!(
        "python3 -c 'import torch; from safetensors.torch import save_file; \
         w = torch.load(\"{from}\", map_location=\"cpu\", weights_only=True); w = w.get(\"state_dict\", w.get(\"model\", w)); \
         save_file({{k: v.clone().contiguous() for k, v in w.items() if torch.is_tensor(v)}}, \"{}\")'",
        to.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.pth");
        let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
        for (bytes, what, advice) in [
            (&b""[..], "an empty file", "repeat"),
            (b"PK\x03\x04\0\0\x08\x08archive/data.pkl", "a Python pickle in PyTorch's zip", "torch.load(\""),
            (b"PK\x03\x04\0\0\x08\x08Transformer/encoder.npy", "a NumPy archive", "safetensors"),
            (b"PK\x03\x04notes.txt", "a zip archive", "unzip"),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "a Python pickle (.pt", "save_file({k: v.clone()"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 346\n", "346 bytes", "git lfs pull"),
            (b"\xef\xbb\xbf\n  <!DOCTYPE html><html>", "an HTML page", "download"),
            (b"<?xml version=\"1.0\"?><Error>", "an XML file", "download"),
            (b"{\"error\":\"Unauthorized\"}", "a JSON file", "login"),
            (b"# mine\n\n[data]\ndataset = \"digits\"", "a TOML file", "checkpoints"),
            (b"[[optim.groups]]\nparams = []", "a TOML file", "checkpoints"),
            (b"epochs = 3", "a TOML file", "checkpoints"),
            (b"[1, 2]", "a JSON file", "login"),
            (b"{\"metadata\":{},\"weight_map\":{}}", "the index of weights", "all weights"),
            (b"\x1f\x8b\x08", "a gzip archive", "gunzip"),
            (b"GGUF\x03", "a GGUF file", "safetensors"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "safetensors"),
            (b"\x08\x07\x12\x07pytorch", "an ONNX file", "safetensors"),
            (&tar, "a tar archive", "tar xf"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let Foreign { what: found, advice: said } = recognise(&path).unwrap().expect(what);
            assert!(found.contains(what) && said.contains(advice), "{what}: {found}; {said}");
        }
        for bytes in [
            &b"half"[..],
            b"\x10\0\0\0\0\0\0\0{\"a\":{}}",
            &300u64.to_le_bytes(),
            &0x280u64.to_le_bytes(),
            b"\x1f\x8b\0\0\0\0\0\0{",
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(recognise(&path).unwrap(), None);
        }
    }
}
