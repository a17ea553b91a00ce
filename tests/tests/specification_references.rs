//! Every reference to the specification resolves: docs/specification.md has a heading for it. References have the form
//! "specification, section 3.1", with several sections "specification, sections 2.4 and 4.4" or "specification, sections 1.1 to 1.5".

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The types of files that may refer to the specification.
const EXTENSIONS: [&str; 4] = ["rs", "wgsl", "toml", "md"];
/// The minimum number of references: fewer would mean that this test no longer finds them.
const LEAST: usize = 35;

/// The files of the repository below `folder`.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, found);
            }
        } else if path.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e == *known)) {
            found.push(path);
        }
    }
}

/// The number at the beginning of a text ("3", "3.1"), and the rest.
fn number(text: &str) -> Option<(&str, &str)> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let whole = digits(text);
    let part = text[whole..].strip_prefix('.').map_or(0, digits);
    let end = if part > 0 { whole + 1 + part } else { whole };
    (whole > 0).then(|| text.split_at(end))
}

/// The sections of a reference whose text begins after "specification, ": those of "sections 3.1 and 3.2" are two. `None` if it does not
/// have this form.
fn sections(text: &str) -> Option<Vec<&str>> {
    let rest = text.strip_prefix("section").map(|rest| rest.strip_prefix('s').unwrap_or(rest))?.strip_prefix(' ')?;
    let (first, mut rest) = number(rest)?;
    let mut all = vec![first];
    let separators = [", ", " and ", " to "];
    while let Some((next, after)) = separators.iter().find_map(|s| number(rest.strip_prefix(s)?)) {
        all.push(next);
        rest = after;
    }
    Some(all)
}

/// The sections that a text refers to, and as errors what looks like a reference but has another form.
fn references(text: &str) -> Vec<Result<&str, &str>> {
    let mut found = vec![];
    for (at, word) in text.match_indices("specification") {
        let rest = &text[at + word.len()..];
        let excerpt = rest.lines().next().unwrap_or("");
        match rest.strip_prefix(", ").and_then(sections) {
            Some(all) => found.extend(all.into_iter().map(Ok)),
            None => {
                let after = rest.trim_start_matches([',', ' ', '(', '\n', '/', '!']);
                let is_other_form = number(after).is_some() || after.starts_with("section") || {
                    let before = text[..at].trim_end_matches(" the ").trim_end_matches(" of");
                    before.len() < at && before.rsplit(' ').next().is_some_and(|w| number(w).is_some())
                };
                if is_other_form {
                    found.push(Err(excerpt));
                }
            }
        }
    }
    found
}

#[test]
fn the_specification_has_every_section_that_is_referred_to() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let specification = std::fs::read_to_string(root.join("docs/specification.md")).unwrap();
    let headings: BTreeSet<&str> = specification
        .lines()
        .filter_map(|line| number(line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?))
        .map(|(number, _)| number)
        .collect();
    assert!(headings.contains("0") && headings.contains("3.1") && headings.contains("12"), "headings: {headings:?}");

    let mut all = vec![];
    files(root, &mut all);
    let own = Path::new(file!()).file_name().unwrap();
    let (mut count, mut wrong) = (0, vec![]);
    for path in all.iter().filter(|path| path.file_name() != Some(own)) {
        let text = std::fs::read_to_string(path).unwrap();
        for reference in references(&text) {
            count += 1;
            let place = path.strip_prefix(root).unwrap().display();
            match reference {
                Ok(section) if headings.contains(section) => {}
                Ok(section) => wrong.push(format!("{place}: docs/specification.md has no section {section}")),
                Err(text) => {
                    wrong.push(format!("{place}: \"specification{text}\" is to be \"specification, section N\""))
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= LEAST, "only {count} references were found");
}

#[test]
fn references_are_read_in_their_one_form() {
    let ok = |text| references(text).into_iter().collect::<Result<Vec<_>, _>>();
    assert_eq!(ok("SAM (specification, section 3.1)."), Ok(vec!["3.1"]));
    assert_eq!(ok("(specification, sections 2.4, 4.4 and 6)"), Ok(vec!["2.4", "4.4", "6"]));
    assert_eq!(ok("specification, section 12, invariants 6 and 7"), Ok(vec!["12"]));
    assert_eq!(ok("specification, section 3. Then 4"), Ok(vec!["3"]));
    assert_eq!(ok("the specification has no rule"), Ok(vec![]));
    for other in
        ["specification 3.1", "specification, 3.1", "(specification, section", "section 1.5 of the specification"]
    {
        assert!(ok(other).is_err(), "{other}");
    }
}
