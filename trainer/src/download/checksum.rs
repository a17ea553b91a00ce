//! MD5, with which these data sets were published.

use md5::{Digest, Md5};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const PIECE: usize = 1 << 20;

/// The MD5 checksum of a file, in hexadecimal digits.
pub fn md5_of(path: &Path) -> io::Result<String> {
    let (mut file, mut sum, mut piece) = (File::open(path)?, Md5::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            Ok(read) => sum.update(&piece[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_rfc_1321() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (text, sum) in
            [("", "d41d8cd98f00b204e9800998ecf8427e"), ("message digest", "f96b697d7cb7938d525a2f31aaf161d0")]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(md5_of(&path).unwrap(), sum);
        }
    }
}
