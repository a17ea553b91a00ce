//! Tables that programs write into documents.

use std::path::Path;

/// Replaces everything below the last heading of a file.
///
/// # Errors
/// If it cannot be read or written.
pub fn write_table(path: &Path, table: &str) -> std::io::Result<()> {
    let old = std::fs::read_to_string(path)?;
    let end = old.rfind("\n## ").map_or(old.len(), |i| i + 1);
    let head = old[end..].find('\n').map_or(old.len(), |i| end + i + 1);
    std::fs::write(path, format!("{}\n{table}", &old[..head]))
}
