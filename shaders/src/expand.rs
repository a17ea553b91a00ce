//! The line preprocessor of the kernel files. It keeps and drops lines; it substitutes nothing and knows no names.

use std::fmt;

/// Why a source could not be expanded. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandError {
    /// `//#if` without a flag after it.
    NoFlag {
        /// The line of the `//#if`.
        line: usize,
    },
    /// `//#else` or `//#end` outside of any block, or a second `//#else` in one.
    Unmatched {
        /// The directive.
        directive: String,
        /// Its line.
        line: usize,
    },
    /// A `//#if` that no `//#end` closes.
    Unclosed {
        /// The line of the `//#if`.
        line: usize,
    },
    /// A line that starts with `//#` and is none of the directives.
    Unknown {
        /// The line's text.
        directive: String,
        /// Its line.
        line: usize,
    },
}

impl fmt::Display for ExpandError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::NoFlag { line } => write!(out, "line {line}: `//#if` names no flag; write `//#if A B`"),
            Self::Unmatched { directive, line } => {
                write!(out, "line {line}: `{directive}` belongs to no `//#if` above it")
            }
            Self::Unclosed { line } => write!(out, "line {line}: this `//#if` has no `//#end`"),
            Self::Unknown { directive, line } => {
                write!(out, "line {line}: `{directive}` is none of `//#if A B`, `//#else`, `//#end`")
            }
        }
    }
}

impl std::error::Error for ExpandError {}

/// An open `//#if`.
struct Conditional {
    line: usize,
    keeps: bool,
    turned: bool,
}

/// The lines of `source` that `flags` select.
///
/// `//#if A B` keeps the lines that follow if *any* of the flags named is set, `//#else` turns that round, `//#end` closes the
/// block; blocks nest. All other lines stay as they are. The order of `flags` is irrelevant.
///
/// ```
/// let source = "//#if WIDE\nalias T = vec4<f32>;\n//#else\nalias T = f32;\n//#end\n";
/// assert_eq!(lethe_shaders::expand(source, &["WIDE"]).unwrap(), "alias T = vec4<f32>;\n");
/// assert_eq!(lethe_shaders::expand(source, &[]).unwrap(), "alias T = f32;\n");
/// ```
///
/// # Errors
/// A directive that is unknown, unmatched, unclosed or names no flag.
pub fn expand(source: &str, flags: &[&str]) -> Result<String, ExpandError> {
    let mut open: Vec<Conditional> = Vec::new();
    let mut out = String::with_capacity(source.len());
    for (line, text) in (1..).zip(source.lines()) {
        let word = text.trim();
        if !word.starts_with("//#") {
            if open.iter().all(|block| block.keeps) {
                out.push_str(text);
                out.push('\n');
            }
            continue;
        }
        match (word.split_whitespace().next().unwrap_or(word), open.last_mut()) {
            ("//#if", _) => {
                let mut names = word.split_whitespace().skip(1).peekable();
                if names.peek().is_none() {
                    return Err(ExpandError::NoFlag { line });
                }
                open.push(Conditional { line, keeps: names.any(|name| flags.contains(&name)), turned: false });
            }
            ("//#else", Some(block)) if word == "//#else" && !block.turned => {
                block.keeps = !block.keeps;
                block.turned = true;
            }
            ("//#end", Some(_)) if word == "//#end" => {
                open.pop();
            }
            _ if word == "//#else" || word == "//#end" => {
                return Err(ExpandError::Unmatched { directive: word.into(), line });
            }
            _ => return Err(ExpandError::Unknown { directive: word.into(), line }),
        }
    }
    match open.first() {
        Some(block) => Err(ExpandError::Unclosed { line: block.line }),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &str = "a\n//#if X Y\nb\n  //#if Z\nc\n  //#else\nd\n  //#end\n//#else\ne\n//#end\nf\n";

    #[test]
    fn keeps_what_the_flags_select() {
        let kept = |flags: &[&str]| expand(NESTED, flags).unwrap().replace('\n', "");
        assert_eq!(kept(&[]), "aef");
        assert_eq!(kept(&["Z"]), "aef");
        assert_eq!(kept(&["X"]), "abdf");
        assert_eq!(kept(&["Z", "Y"]), "abcf");
        assert_eq!(kept(&["Y", "Z", "X"]), "abcf");
    }

    #[test]
    fn names_the_line_of_a_mistake() {
        let error = |source: &str| expand(source, &[]).unwrap_err();
        assert_eq!(error("a\n//#if\n"), ExpandError::NoFlag { line: 2 });
        assert_eq!(error("//#end\n"), ExpandError::Unmatched { directive: "//#end".into(), line: 1 });
        assert_eq!(
            error("//#if A\n//#else\n//#else\n"),
            ExpandError::Unmatched { directive: "//#else".into(), line: 3 }
        );
        assert_eq!(error("//#if A\n//#if B\n//#end\n"), ExpandError::Unclosed { line: 1 });
        assert_eq!(error("\n//#elif A\n"), ExpandError::Unknown { directive: "//#elif A".into(), line: 2 });
    }
}
