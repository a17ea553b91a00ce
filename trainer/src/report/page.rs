//! The page: a template, its style and its script, with the runs as JSON in it. It loads nothing from elsewhere.

use super::shown::{Shown, differences};
use serde::Serialize;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    runs: &'a [Shown],
    differences: Vec<(String, Vec<Option<String>>)>,
}

/// The page of one or more runs.
pub fn page(runs: &[Shown]) -> String {
    let data = Data { runs, differences: differences(runs) };
    let data = serde_json::to_string(&data).expect("numbers and words can be written as JSON");
    let names: Vec<&str> = runs.iter().map(|run| &run.name[..]).collect();
    let title = escaped(&names.join(", "));
    // The data comes last, since names in it may contain what the template is filled at.
    let parts =
        [("{title}", &title[..]), ("{version}", env!("CARGO_PKG_VERSION")), ("{style}", STYLE), ("{script}", SCRIPT)];
    let page = parts.iter().fold(TEMPLATE.to_owned(), |page, (place, text)| page.replace(place, text));
    page.replacen("{data}", &in_script(&data), 1)
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON inside a `script` element, which `</script>` would end wherever it stands. Outside of its strings JSON has no `<`.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn names_cannot_leave_their_place() {
        let name = "a</script><b>&{style}".to_owned();
        let run = Shown { name, facts: vec![], curves: BTreeMap::new(), config: BTreeMap::new(), judged: None };
        let page = page(&[run]);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains(r#""name":"a\u003c/script>\u003cb>&{style}""#));
        assert!(page.contains("<title>a&lt;/script&gt;&lt;b&gt;&amp;"));
        assert!(!page.contains("http") || page.matches("http").count() == 1, "the name space of SVG alone");
    }
}
