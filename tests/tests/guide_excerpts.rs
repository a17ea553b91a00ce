//! Every block of Rust in the guide that is not compiled itself (marked `rust,ignore`) is an excerpt of code that is: the last link in the
//! paragraph before it names a source file, whose lines it repeats. Only the indentation may differ, by the same number of spaces in the
//! whole block. A line `// …` marks code that is left out; what such lines separate are runs of consecutive lines of the file, in its
//! order.

use std::path::Path;

/// The line that stands for code that is left out.
const LEFT_OUT: &str = "// …";

/// A block of a page, and the target of the last link in the paragraph before it.
struct Excerpt<'a> {
    /// The number of the line of its opening fence, counted from 1.
    line: usize,
    link: Option<&'a str>,
    code: Vec<&'a str>,
}

/// The excerpts of a page.
fn excerpts(page: &str) -> Vec<Excerpt<'_>> {
    let lines: Vec<&str> = page.lines().collect();
    let mut found = vec![];
    let mut at = 0;
    while at < lines.len() {
        let opening = at;
        at += 1;
        let Some(words) = lines[opening].trim_start().strip_prefix("```") else { continue };
        let code: Vec<&str> = lines[at..].iter().copied().take_while(|l| !l.trim_start().starts_with("```")).collect();
        at += code.len() + 1;
        if words.split(',').any(|word| word.trim() == "ignore") {
            let before = lines[..opening].iter().rev().skip_while(|l| l.trim().is_empty());
            let link =
                before.take_while(|l| !l.trim().is_empty()).find_map(|l| l.rsplit_once("](")?.1.split(')').next());
            found.push(Excerpt { line: opening + 1, link, code });
        }
    }
    found
}

/// The number of the first line of `code`, indented by `spaces`, that does not occur where it must; `None` if all do.
fn first_missing(code: &[&str], source: &[&str], spaces: usize) -> Option<usize> {
    let indent = " ".repeat(spaces);
    let same = |a: &str, b: &str| if a.is_empty() { b.is_empty() } else { b.strip_prefix(&indent) == Some(a) };
    let (mut line, mut from) = (0, 0);
    for run in code.split(|l| l.trim() == LEFT_OUT) {
        let agreeing = |at: &usize| run.iter().zip(&source[*at..]).take_while(|(a, b)| same(a, b)).count();
        let Some(at) = (from..=source.len()).find(|at| agreeing(at) == run.len()) else {
            return Some(line + (from..=source.len()).map(|at| agreeing(&at)).max().unwrap_or(0));
        };
        (line, from) = (line + run.len() + 1, at + run.len());
    }
    None
}

/// What is wrong with an excerpt, if anything: the first line that the source does not have.
fn flaw(code: &[&str], source: &str) -> Option<String> {
    let source: Vec<&str> = source.lines().collect();
    if code.iter().all(|l| l.trim().is_empty() || l.trim() == LEFT_OUT) {
        return Some("nothing is quoted".into());
    }
    let missing: Option<Vec<usize>> = (0..=40).map(|spaces| first_missing(code, &source, spaces)).collect();
    let line = missing?.into_iter().max()?;
    Some(format!("has no such line at this place: {:?}", code[line].trim()))
}

#[test]
fn every_excerpt_of_the_guide_is_in_the_file_that_it_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/guide");
    let (mut count, mut wrong) = (0, vec![]);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let page = std::fs::read_to_string(&path).unwrap();
        for Excerpt { line, link, code } in excerpts(&page) {
            count += 1;
            let place = format!("docs/guide/{}:{line}", path.file_name().unwrap().to_string_lossy());
            match link.filter(|link| link.ends_with(".rs")) {
                None => wrong.push(format!(
                    "{place}: the paragraph before an excerpt must link to its source file, after any other link"
                )),
                Some(link) => match std::fs::read_to_string(folder.join(link)) {
                    Err(error) => wrong.push(format!("{place}: {link}: {error}")),
                    Ok(source) => wrong.extend(flaw(&code, &source).map(|flaw| format!("{place}: {link}: {flaw}"))),
                },
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 0, "no excerpt was found");
}

#[test]
fn an_excerpt_repeats_lines_of_its_source_in_order() {
    let source = "fn f() {\n    if a {\n        b();\n    }\n\n    c();\n}\n";
    let flaw = |code: &str| flaw(&code.lines().collect::<Vec<_>>(), source);
    for right in ["if a {\n    b();\n}\n\nc();", "fn f() {\n    // …\n    c();\n}", "// …\nb();\n// …\n"] {
        assert_eq!(flaw(right), None, "{right}");
    }
    for (wrong, line) in [
        ("b(1);", "b(1);"),                     // changed
        ("if a {\n    b();\n    c();", "c();"), // something left out without a mark
        ("if a {\n// …\nb();", "b();"),         // another indentation
        ("c();\n// …\nif a {", "if a {"),       // another order
    ] {
        assert!(flaw(wrong).is_some_and(|flaw| flaw.ends_with(&format!("{line:?}"))), "{wrong}");
    }
    assert!(flaw("// …").is_some());
}

#[test]
fn blocks_are_found_with_the_last_link_before_them() {
    let page = "In [a](a.rs)\nand [b](b.rs):\n\n```rust,ignore\nx\n```\n\n```rust\ny\n```\n\n```ignore\nz\n```\n";
    let found = excerpts(page);
    let all: Vec<_> = found.iter().map(|e| (e.line, e.link, e.code.join("\n"))).collect();
    assert_eq!(all, [(4, Some("b.rs"), "x".to_string()), (12, None, "z".to_string())]);
}
