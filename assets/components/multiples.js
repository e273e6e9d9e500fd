/*
 * One panel a class: fitted and empirical CDF, and below them where test and reject pictures lie.
 * A click opens a class; the server is told which. Places come as shares of the panel: nothing is
 * computed here. Lines keep their width while a panel stretches, and text is never stretched.
 */
const SVG = "http://www.w3.org/2000/svg";
const COUNT = new Intl.NumberFormat("en");
const SIZE = 1000; // of a panel, in its own units

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(className, path) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", className);
  made.setAttribute("d", path);
  return made;
}

function panel(...shapes) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", `0 0 ${SIZE} ${SIZE}`);
  made.setAttribute("preserveAspectRatio", "none");
  made.append(...shapes.filter(Boolean));
  return made;
}

const across = (share) => (share * SIZE).toFixed(1);
const up = (share) => ((1 - share) * SIZE).toFixed(1);
const upright = (share) => `M${across(share)} 0V${SIZE}`;

/** x, y, x, y, … as a line. */
function line(className, pairs) {
  let path = "";
  for (let index = 0; index < pairs.length; index += 2) {
    path += `${index ? "L" : "M"}${across(pairs[index])} ${up(pairs[index + 1])}`;
  }
  return shape(className, path);
}

function strip(name, values, limit) {
  const frame = element("div", `frame strip ${name}`);
  const width = values.bars ? SIZE / values.bars.length : 0;
  const drawn = values.bars
    ? shape("bars", values.bars.map((height, index) => (height ? `M${index * width} ${SIZE}V${up(height)}H${(index + 1) * width}V${SIZE}Z` : "")).join(""))
    : shape("marks", values.marks.map(upright).join(""));
  frame.append(panel(limit, drawn));
  if (values.n_left) frame.append(element("span", "outside left", `← ${COUNT.format(values.n_left)}`));
  if (values.n_right) frame.append(element("span", "outside right", `${COUNT.format(values.n_right)} →`));
  frame.title = `${COUNT.format(values.n)} ${name} pictures`;
  return [element("div", "axis y count", COUNT.format(values.n)), frame];
}

function plot(item) {
  const made = element("div", "plot");
  made.setAttribute("aria-hidden", "true");
  const limit = () => (item.limit === null ? null : shape("limit", upright(item.limit)));
  const y = element("div", "axis y");
  for (const share of [0, 0.5, 1]) {
    const label = element("span", "", String(share));
    label.style.bottom = `${100 * share}%`;
    y.append(label);
  }
  const frame = element("div", "frame");
  frame.append(panel(
    shape("grid", [0, 0.5, 1].map((share) => `M0 ${up(share)}H${SIZE}`).join("")),
    limit(), line("steps", item.steps), line("curve", item.curve),
  ));
  made.append(y, frame, ...strip("test", item.test, limit()));
  if (item.reject) made.append(...strip("reject", item.reject, limit()));
  const x = element("div", "axis x");
  for (const tick of item.ticks) {
    const label = element("span", "", tick.text);
    label.style.left = `${100 * tick.at}%`;
    x.append(label);
  }
  made.append(x);
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".multiples");
  root.querySelector(".key").replaceChildren(
    ...data.key.map(({ name, text }) => element("span", name, text)),
  );
  const made = data.items.map((item) => {
    const entry = element("li");
    const button = element("button");
    button.type = "button";
    button.setAttribute("aria-label", `Class ${item.name} in detail`);
    const head = element("div", "head");
    const name = element("b", "", item.name);
    name.title = item.name;
    head.append(name, element("span", "", item.note));
    button.append(head, plot(item), element("div", "says", item.limit_text));
    if (item.warning) {
      const warning = element("div", "warning", item.warning);
      warning.title = item.warning;
      button.append(warning);
    }
    button.addEventListener("click", () => setTriggerValue("opened", item.key));
    entry.append(button);
    return entry;
  });
  root.querySelector("ol").replaceChildren(...made);
}
