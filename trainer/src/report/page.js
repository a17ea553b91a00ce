"use strict";
// Draws the page from the data in it: `runs` (one or more) and `differences` between their configs.
const { runs, differences } = JSON.parse(document.getElementById("runs").textContent);
const main = document.querySelector("main");
const colour = (i) => `var(--run${i % 6})`;
let smoothing = 0.6;
const charts = [];

// An element with attributes and children; text is never read as HTML.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function section(title, wide, ...children) {
  const made = element("section", wide ? { class: "wide" } : {}, element("h2", {}, title), ...children);
  main.append(made);
  return made;
}

function table(head, rows, numbers) {
  const cell = (name, value, i) => element(name, i >= numbers ? { class: "number" } : {}, value ?? "–");
  const line = (name) => (row) => element("tr", {}, ...row.map((value, i) => cell(name, value, i)));
  const body = element("tbody", {}, ...rows.map(line("td")));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, line("th")(head)), body));
}

const number = (x) => {
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return x.toExponential(2).replace("e+", "e");
  return String(Number(x.toPrecision(4)));
};

// Round numbers in a range, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

// An exponential moving average, corrected for its start.
function smooth(values, share) {
  let mean = 0;
  return values.map((value, i) => {
    mean = share * mean + (1 - share) * value;
    return mean / (1 - share ** (i + 1));
  });
}

// The place of the point that is nearest to x; the x of curves increase.
function nearest(xs, x) {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}

// One chart of several curves {name, colour, stroke, x, y, smoothed}.
class Chart {
  constructor(title, curves) {
    this.curves = curves;
    this.range = null;
    const key = (c) => element("span", { style: `--colour: ${c.colour}; --stroke: ${c.stroke}` }, c.name);
    this.box = element("div", { class: "chart" });
    section(title, false, element("div", { class: "legend" }, ...curves.map(key)), this.box);
    charts.push(this);
    this.box.addEventListener("pointermove", (event) => this.moved(event));
    this.box.addEventListener("pointerleave", () => this.left());
    this.box.addEventListener("pointerdown", (event) => (this.from = this.at(event)));
    this.box.addEventListener("pointerup", (event) => this.released(event));
    this.box.addEventListener("dblclick", () => this.zoom(null));
  }

  draw() {
    const width = Math.max(240, this.box.clientWidth);
    const height = 240;
    this.frame = { left: 52, right: width - 8, top: 8, bottom: height - 22 };
    const all = this.curves.flatMap((c) => c.x);
    const [low, high] = this.range ?? [Math.min(0, ...all), Math.max(...all, 1e-9)];
    this.shown = this.curves.map((c) => ({ ...c, drawn: c.smoothed ? smooth(c.y, smoothing) : c.y }));
    const inside = this.shown.flatMap((c) => c.drawn.filter((_, i) => c.x[i] >= low && c.x[i] <= high));
    let [least, most] = [Math.min(...inside), Math.max(...inside)];
    if (!(most > least)) [least, most] = [(least || 0) - (Math.abs(least) || 1) / 2, (most || 0) + (Math.abs(most) || 1) / 2];
    const { left, right, top, bottom } = this.frame;
    const margin = (most - least) * 0.04;
    [least, most] = [least - margin, most + margin];
    this.x = { low, high };
    this.toX = (x) => left + ((x - low) / (high - low)) * (right - left);
    this.toY = (y) => bottom - ((y - least) / (most - least)) * (bottom - top);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img" });
    for (const y of ticks(least, most, 6)) {
      const at = this.toY(y);
      svg.append(shape("line", { x1: left, x2: right, y1: at, y2: at, stroke: "var(--grid)" }));
      svg.append(shape("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, number(y)));
    }
    for (const x of ticks(low, high, Math.max(2, Math.floor(width / 90)))) {
      svg.append(shape("text", { x: this.toX(x), y: height - 6, "text-anchor": "middle" }, number(x)));
    }
    const name = `clip${charts.indexOf(this)}`;
    const clip = shape("clipPath", { id: name });
    clip.append(shape("rect", { x: left, y: 0, width: right - left, height: bottom + 2 }));
    const lines = shape("g", { "clip-path": `url(#${name})` });
    for (const c of this.shown) this.line(lines, c);
    this.cursor = shape("line", { y1: top, y2: bottom, stroke: "var(--quiet)", visibility: "hidden" });
    this.chosen = shape("rect", { y: top, height: bottom - top, fill: "var(--quiet)", opacity: 0.2, visibility: "hidden" });
    svg.append(clip, lines, this.cursor, this.chosen);
    this.tip = element("div", { class: "tip", hidden: "" });
    this.box.replaceChildren(svg, this.tip);
  }

  line(group, c) {
    const points = c.x.map((x, i) => `${this.toX(x).toFixed(1)},${this.toY(c.drawn[i]).toFixed(1)}`);
    const dash = c.stroke.includes("dashed") ? "5 4" : "none";
    const style = { fill: "none", stroke: c.colour, "stroke-width": parseFloat(c.stroke), "stroke-dasharray": dash, "stroke-linejoin": "round" };
    group.append(shape("polyline", { points: points.join(" "), ...style }));
    if (points.length > 40) return;
    for (const point of c.smoothed ? [] : points) {
      const [cx, cy] = point.split(",");
      group.append(shape("circle", { cx, cy, r: 2.6, fill: c.colour }));
    }
  }

  // The x under the pointer, within the frame.
  at(event) {
    const { left, right } = this.frame;
    const place = event.clientX - this.box.getBoundingClientRect().left;
    const share = (Math.min(Math.max(place, left), right) - left) / (right - left);
    return this.x.low + share * (this.x.high - this.x.low);
  }

  moved(event) {
    const x = this.at(event);
    const place = this.toX(x);
    this.cursor.setAttribute("visibility", "visible");
    this.cursor.setAttribute("x1", place);
    this.cursor.setAttribute("x2", place);
    const values = this.shown.map((c) => `${c.name}: ${number(c.drawn[nearest(c.x, x)])}`);
    this.tip.replaceChildren(...[`epoch ${number(x)}`, ...values].map((text) => element("div", {}, text)));
    this.tip.hidden = false;
    const room = this.box.clientWidth - this.tip.offsetWidth;
    this.tip.style.left = `${place + 12 <= room ? place + 12 : Math.max(0, place - this.tip.offsetWidth - 12)}px`;
    if (this.from === undefined || event.buttons === 0) return;
    const [a, b] = [this.toX(this.from), place].sort((p, q) => p - q);
    this.chosen.setAttribute("visibility", "visible");
    this.chosen.setAttribute("x", a);
    this.chosen.setAttribute("width", b - a);
  }

  left() {
    this.from = undefined;
    this.tip.hidden = true;
    for (const mark of [this.cursor, this.chosen]) mark.setAttribute("visibility", "hidden");
  }

  released(event) {
    if (this.from === undefined) return;
    const range = [this.from, this.at(event)].sort((p, q) => p - q);
    this.from = undefined;
    this.chosen.setAttribute("visibility", "hidden");
    if (this.toX(range[1]) - this.toX(range[0]) > 8) this.zoom(range);
  }

  zoom(range) {
    this.range = range;
    this.draw();
  }
}

// The curves of a chart from all runs: one run's differ by colour, several runs' by the style of their line.
function chart(title, kinds) {
  const curves = runs.flatMap((run, r) =>
    kinds
      .filter((kind) => run.curves[kind.name])
      .map((kind, k) => ({
        ...run.curves[kind.name],
        name: runs.length > 1 ? `${run.name}: ${kind.name}` : kind.name,
        colour: colour(runs.length > 1 ? r : k),
        stroke: kind.stroke,
        smoothed: kind.smoothed,
      })),
  );
  if (curves.length > 0) new Chart(title, curves);
}

function facts() {
  const names = [...new Set(runs.flatMap((run) => run.facts.map(([name]) => name)))];
  const of = (run, name) => run.facts.find(([own]) => own === name)?.[1];
  const head = runs.length > 1 ? ["", ...runs.map((run) => run.name)] : ["", ""];
  section("Results", true, table(head, names.map((name) => [name, ...runs.map((run) => of(run, name))]), 9));
}

function configs() {
  const code = (text) => (text === null || text === undefined ? "–" : element("code", {}, text));
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run.config)))].sort();
  const all = keys.map((key) => [code(key), ...runs.map((run) => code(run.config[key]))]);
  const head = ["key", ...(runs.length > 1 ? runs.map((run) => run.name) : ["value"])];
  const details = element("details", {}, element("summary", {}, `all ${keys.length} keys`), table(head, all, 9));
  const rows = differences.map(([key, values]) => [code(key), ...values.map(code)]);
  const differing = rows.length > 0 ? table(head, rows, 9) : element("p", { class: "quiet" }, "The configs do not differ.");
  section(runs.length > 1 ? "Where the configs differ" : "Config", true, ...(runs.length > 1 ? [differing] : []), details);
}

// More classes than this do not fit into a matrix: the pairs that are confused most are listed.
const MATRIX = 30;

function confusion({ classes, confusion }, title) {
  if (classes.length > MATRIX) {
    const pairs = confusion.flatMap((row, y) => row.map((n, c) => [n, y, c])).filter(([n, y, c]) => n > 0 && y !== c);
    const worst = pairs.sort((a, b) => b[0] - a[0]).slice(0, 25);
    const rows = worst.map(([n, y, c]) => [classes[y], classes[c], String(n)]);
    return section(title("Classes that are confused"), false, table(["class", "predicted", "images"], rows, 2));
  }
  const head = element("tr", {}, element("th"), ...classes.map((name) => element("th", {}, name)));
  const rows = confusion.map((row, y) => {
    const sum = Math.max(1, row.reduce((a, b) => a + b, 0));
    const cell = (n, c) => {
      const heat = 0.9 * (n / sum) ** 0.5;
      const style = `background: rgba(var(--heat), ${heat.toFixed(3)}); color: ${heat > 0.5 ? "var(--on-heat)" : "inherit"}`;
      return element("td", { style, title: `${classes[y]} as ${classes[c]}: ${n} of ${sum}` }, n > 0 ? String(n) : "");
    };
    return element("tr", {}, element("th", {}, classes[y]), ...row.map(cell));
  });
  const matrix = element("table", { class: "confusion" }, element("thead", {}, head), element("tbody", {}, ...rows));
  const note = element("p", { class: "quiet" }, "Rows: the class of an image. Columns: the predicted class.");
  section(title("Confusion matrix"), false, element("div", { class: "scroll" }, matrix), note);
}

function perClass({ classes, confusion }, title) {
  const percent = (part, whole) => (whole > 0 ? `${((100 * part) / whole).toFixed(2)} %` : "–");
  const rows = classes.map((name, c) => {
    const images = confusion[c].reduce((a, b) => a + b, 0);
    const predicted = confusion.reduce((sum, row) => sum + row[c], 0);
    return [name, String(images), percent(confusion[c][c], images), percent(confusion[c][c], predicted)];
  });
  const shown = table(["class", "images", "accuracy", "precision"], rows, 1);
  const note = "Accuracy: of the images of a class, those that are predicted as it. Precision: of the images predicted as it, those that are of it.";
  section(title("Classes"), false, shown, element("p", { class: "quiet" }, note));
}

function reliability({ reliability, calibration_error: error }, title) {
  const [width, height, left, bottom] = [420, 260, 44, 236];
  const [toX, toY] = [(p) => left + p * (width - left - 8), (p) => bottom - p * (bottom - 8)];
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(shape("line", { x1: toX(0), x2: toX(1), y1: toY(tick), y2: toY(tick), stroke: "var(--grid)" }));
    svg.append(shape("text", { x: left - 6, y: toY(tick) + 4, "text-anchor": "end" }, String(tick)));
    svg.append(shape("text", { x: toX(tick), y: height - 6, "text-anchor": "middle" }, String(tick)));
  }
  svg.append(shape("line", { x1: toX(0), y1: toY(0), x2: toX(1), y2: toY(1), stroke: "var(--quiet)", "stroke-dasharray": "4 4" }));
  const most = Math.max(...reliability.map(([images]) => images));
  for (const [images, confidence, accuracy] of reliability) {
    const dot = shape("circle", { cx: toX(confidence), cy: toY(accuracy), r: 3 + 9 * Math.sqrt(images / most), fill: "var(--run0)", "fill-opacity": 0.55 });
    dot.append(shape("title", {}, `${images} images, confidence ${confidence.toFixed(3)}, accuracy ${accuracy.toFixed(3)}`));
    svg.append(dot);
  }
  const text = `Mean likelihood of the predicted class (across) and the share of right predictions (up), in 15 bins; larger dots are more images. Below the line the model is too sure. Expected calibration error: ${error.toFixed(4)}.`;
  section(title("Reliability"), false, element("div", { class: "chart" }, svg), element("p", { class: "quiet" }, text));
}

function wrong({ classes, most_wrong: images }, title) {
  if (images.length === 0) return section(title("Most wrong images"), true, "No image is predicted wrongly.");
  const figure = (w) => {
    const [right, predicted] = [w.right, w.wrong].map((p) => `${(100 * p).toFixed(1)} %`);
    const text = [element("b", {}, classes[w.label]), ` ${right}`, element("br"), `as ${classes[w.predicted]} ${predicted}`];
    const image = element("img", { src: w.image, alt: `test image ${w.index}`, title: `test image ${w.index}` });
    return element("figure", {}, image, element("figcaption", {}, ...text));
  };
  section(title("Most wrong images"), true, element("div", { class: "gallery" }, ...images.map(figure)));
}

facts();
const slider = element("input", { type: "range", min: 0, max: 0.98, step: 0.01, value: smoothing, "aria-label": "smoothing" });
slider.addEventListener("input", () => {
  smoothing = Number(slider.value);
  charts.forEach((chart) => chart.draw());
});
const note = "of the curves by update: the share of the average of earlier values";
section("Curves", true, element("label", { class: "smoothing" }, "Smoothing", slider, element("span", { class: "quiet" }, note)));
const thin = (name) => ({ name, stroke: "1.4px solid", smoothed: true });
const thick = (name) => ({ name, stroke: "2.4px solid", smoothed: false });
chart("Loss", [thin("training loss"), thick("test loss"), thick("test loss of the average"), { ...thin("perturbed loss"), stroke: "1.4px dashed" }]);
chart("Accuracy, in percent", [thin("training accuracy"), thick("test accuracy"), thick("test accuracy of the average")]);
chart("Norm of the gradient", [thin("gradient norm")]);
chart("Learning rate", [{ ...thin("learning rate"), smoothed: false }]);
chart("Radius of the perturbation", [{ ...thin("radius"), smoothed: false }]);
chart("Likelihood of the right class, where forgetting was measured", [thick("unperturbed"), thick("perturbed")]);
configs();
for (const run of runs.filter((run) => run.judged)) {
  const title = (text) => (runs.length > 1 ? `${text}: ${run.name}` : text);
  confusion(run.judged, title);
  reliability(run.judged, title);
  perClass(run.judged, title);
  wrong(run.judged, title);
}
let width = 0;
function fit() {
  if (width !== main.clientWidth) charts.forEach((chart) => chart.draw());
  width = main.clientWidth;
}
fit();
// In the next frame: what an observer changes in its own would be seen by it too late.
new ResizeObserver(() => requestAnimationFrame(fit)).observe(main);
