//! `lethe report` and `lethe compare`.

#![cfg(feature = "program")]

mod common;
mod trained;

use common::{fails, runs};
use std::fs;
use std::path::Path;
use std::process::Command;
use trained::trained;

const SMALL: &str = "
[data]
dataset = \"digits\"
train_limit = 320
[model]
kind = \"mlp\"
widths = [16]
[optim]
kind = \"adamw\"
lr = 0.01
[perturb]
kind = \"steepest\"
rho = 0.05
m = 16
[train]
epochs = 3
batch = 32
";

/// The JSON in a page.
fn data(page: &Path) -> serde_json::Value {
    let text = fs::read_to_string(page).unwrap();
    let start = text.split("type=\"application/json\">").nth(1).unwrap();
    serde_json::from_str(start.split("</script>").next().unwrap()).unwrap()
}

#[test]
fn a_page_holds_the_curves_the_config_and_what_the_model_says_of_every_test_image() {
    let (folder, run) = trained(SMALL, &[]);
    let (page, path) = (folder.path().join("page.html"), run.display().to_string());
    let out = page.display().to_string();
    assert_eq!(runs(&["report", &path, "--out", &out, "--device", "cpu"]).trim(), out);
    let data = data(&page);
    let shown = &data["runs"][0];
    assert_eq!(shown["curves"]["training loss"]["x"].as_array().unwrap().len(), 30);
    assert_eq!(shown["curves"]["test accuracy"]["x"], serde_json::json!([1.0, 2.0, 3.0]));
    assert_eq!(shown["curves"]["radius"]["y"][0], 0.05);
    assert_eq!(shown["config"]["perturb.rho"], "0.05");
    let judged = &shown["judged"];
    let counts = judged["confusion"].as_array().unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let sum = |row: &serde_json::Value| row.as_array().unwrap().iter().map(number).sum::<u64>();
    assert_eq!(counts.iter().map(sum).sum::<u64>(), 360, "every test image once");
    let right: u64 = (0..10).map(|c| number(&counts[c][c])).sum();
    let said = runs(&["eval", &path, "--device", "cpu"]);
    assert!(said.contains(&format!("test accuracy {:.2} %", 100.0 * right as f64 / 360.0)), "{right}: {said}");
    let error = judged["calibration_error"].as_f64().unwrap();
    assert!(said.contains(&format!("calibration error {error:.4}")), "{error}: {said}");
    let wrong = judged["most_wrong"].as_array().unwrap();
    assert_eq!(wrong.len() as u64, (360 - right).min(24));
    let likelihoods: Vec<f64> = wrong.iter().map(|image| image["right"].as_f64().unwrap()).collect();
    assert!(likelihoods.is_sorted(), "{likelihoods:?}");
    assert!(wrong[0]["image"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"));
    // The logs alone need neither the data nor the device.
    runs(&["report", &path, "--out", &out, "--logs-only"]);
    assert!(self::data(&page)["runs"][0]["judged"].is_null());
    let other = folder.path().display().to_string();
    fails(&["report", &other], 1, &["is not a run folder: it has no config.toml"]);
    fs::write(folder.path().join("sweep.json"), "{}").unwrap();
    fails(&["report", &other], 1, &[&format!("it is that of a sweep, whose runs are {other}/*/*")]);
    let config = run.join("config.toml").display().to_string();
    fails(&["report", &config], 1, &[&format!("it is a file of the run {path}")]);
    fails(&["check", &path], 2, &[&format!("cannot read the config {path}: it is a folder; its config is {config}")]);
}

#[test]
fn runs_are_compared_by_results_and_by_the_keys_that_differ() {
    let (_a, first) = trained(SMALL, &[]);
    let (_b, second) = trained(SMALL, &["optim.lr=0.001", "perturb.kind=none"]);
    let [first, second] = [&first, &second].map(|run| run.display().to_string());
    let said = runs(&["compare", &first, &second]);
    let row = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {said}"));
    let words = |name: &str| row(name).split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words("optim.lr"), ["0.01", "0.001"]);
    assert_eq!(words("perturb.kind"), ["\"steepest\"", "\"none\""]);
    assert_eq!(words("perturb.rho"), ["0.05", "–"]);
    assert_eq!(words("updates"), ["30", "30"]);
    assert!(row("test accuracy").matches(" % after epoch 3").count() == 2, "{said}");
    assert!(
        said.lines().next().unwrap().contains(&first),
        "both folders are named `run`, so their paths are said: {said}"
    );
    assert!(!said.contains("train.batch"), "{said}");
    assert!(runs(&["compare", &first, &first]).contains("the configs do not differ"));
    fails(&["compare", &first], 2, &["2 values required"]);
}

/// A browser, if there is one; `LETHE_REQUIRE_BROWSER` demands it.
fn browser() -> Option<&'static str> {
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there);
    assert!(found.is_some() || std::env::var_os("LETHE_REQUIRE_BROWSER").is_none(), "no browser was found");
    found
}

/// A page with this page in a frame of a width: no window is narrower than 500 pixels. Its title becomes what is found in the frame.
fn framed(page: &str, width: u32) -> String {
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        r#"<!DOCTYPE html><title>nothing</title><iframe width="{width}" height="800" srcdoc="{page}"></iframe><script>
        addEventListener("load", () => setTimeout(() => {{
            const found = document.querySelector("iframe").contentDocument;
            const widths = [...found.querySelectorAll(".chart svg")].map((svg) => svg.getBoundingClientRect().width);
            const [lines, matrices] = ["polyline", "table.confusion"].map((name) => found.querySelectorAll(name).length);
            document.title = JSON.stringify({{ page: found.documentElement.scrollWidth, widest: Math.max(...widths), lines, matrices }});
        }}, 500));</script>"#
    )
}

#[test]
fn a_browser_draws_the_page_on_wide_and_narrow_screens_without_an_error() {
    let Some(browser) = browser() else { return };
    let (folder, run) = trained(SMALL, &[]);
    let (page, path) = (folder.path().join("page.html"), run.display().to_string());
    runs(&["report", &path, &path, "--out", &page.display().to_string(), "--device", "cpu"]);
    for width in [400, 1400] {
        let frame = folder.path().join("frame.html");
        fs::write(&frame, framed(&fs::read_to_string(&page).unwrap(), width)).unwrap();
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"])
            .args(["--virtual-time-budget=5000", "--dump-dom", "--window-size=1500,900"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", frame.display()))
            .output()
            .unwrap();
        let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!log.contains("CONSOLE"), "{log}");
        let title = dom.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        let found: serde_json::Value = serde_json::from_str(title).unwrap_or_else(|_| panic!("{title}"));
        assert_eq!((&found["lines"], &found["matrices"]), (&16.into(), &2.into()), "eight curves of each of two runs");
        assert!(found["page"].as_u64().unwrap() <= u64::from(width), "nothing is wider than the screen: {found}");
        let widest = found["widest"].as_f64().unwrap();
        assert!(widest > 250.0 && widest < f64::from(width), "{found}");
    }
}
