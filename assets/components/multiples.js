// @ts-check
/*
 * One panel a class: fitted and empirical CDF, and below them where test and reject pictures lie.
 * A click tells the server which class to open. Places come as shares of the panel: nothing is
 * computed here. Lines keep their width while a panel stretches, and text is never stretched.
 */

/**
 * Where the pictures of a set lie: marks for few, a histogram for many.
 *
 * @typedef {object} Strip
 * @property {number} n
 * @property {number} n_left outside of the panel
 * @property {number} n_right
 * @property {number[] | null} marks places; null where there are bars
 * @property {number[] | null} bars heights
 */
/**
 * @typedef {object} Panel
 * @property {number} key
 * @property {string} name
 * @property {string} note
 * @property {string} warning
 * @property {number[]} curve x, y, x, y, …
 * @property {number[]} steps
 * @property {number | null} boundary
 * @property {string} boundary_text
 * @property {{ at: number, text: string }[]} ticks
 * @property {Strip} test
 * @property {Strip | null} reject
 */

const SIZE = 1000; // of a panel, in its own units

/** @type {(className: string, path: string) => SVGElement} */
const shape = (className, path) => drawn("path", { class: className, d: path });
/** @type {(...shapes: SVGElement[]) => SVGElement} */
const panel = (...shapes) =>
  drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, preserveAspectRatio: "none" }, ...shapes);
/** @type {(className: string, text?: string) => HTMLElement} */
const box = (className, text) => element("div", { className, text });

/** @param {number} share */
const across = (share) => (share * SIZE).toFixed(1);
/** @param {number} share */
const up = (share) => ((1 - share) * SIZE).toFixed(1);
/** @param {number} share */
const upright = (share) => `M${across(share)} 0V${SIZE}`;

/**
 * x, y, x, y, … as a line.
 *
 * @param {string} className
 * @param {number[]} pairs
 */
function line(className, pairs) {
  let path = "";
  for (let index = 0; index < pairs.length; index += 2) {
    path += `${index ? "L" : "M"}${across(pairs[index])} ${up(pairs[index + 1])}`;
  }
  return shape(className, path);
}

/**
 * The heights of a histogram as one path.
 *
 * @param {number[]} heights
 */
function bars(heights) {
  const width = SIZE / heights.length;
  return shape("bars", heights.map((height, index) =>
    (height ? `M${index * width} ${SIZE}V${up(height)}H${(index + 1) * width}V${SIZE}Z` : "")).join(""));
}

/**
 * @param {"test" | "reject"} name
 * @param {Strip} values
 * @param {SVGElement[]} boundary
 */
function strip(name, values, boundary) {
  const frame = box(`frame strip ${name}`);
  const pictures = values.bars ? bars(values.bars) : shape("marks", (values.marks ?? []).map(upright).join(""));
  frame.append(panel(...boundary, pictures));
  if (values.n_left) frame.append(element("span", { className: "outside left", text: `← ${COUNT.format(values.n_left)}` }));
  if (values.n_right) frame.append(element("span", { className: "outside right", text: `${COUNT.format(values.n_right)} →` }));
  frame.title = `${COUNT.format(values.n)} ${name} pictures`;
  return [box("axis y count", COUNT.format(values.n)), frame];
}

/**
 * @param {string} className of the axis
 * @param {{ at: number, text: string }[]} ticks
 * @param {"left" | "bottom"} side that the ticks' places count from
 */
function axis(className, ticks, side) {
  const made = box(className);
  for (const { at, text } of ticks) {
    const label = element("span", { text });
    label.style[side] = `${100 * at}%`;
    made.append(label);
  }
  return made;
}

/** @param {Panel} item */
function plot(item) {
  const boundary = () => (item.boundary === null ? [] : [shape("boundary", upright(item.boundary))]);
  const frame = box("frame");
  frame.append(panel(
    shape("grid", [0, 0.5, 1].map((share) => `M0 ${up(share)}H${SIZE}`).join("")),
    ...boundary(), line("steps", item.steps), line("curve", item.curve),
  ));
  const shares = [0, 0.5, 1].map((share) => ({ at: share, text: String(share) }));
  const made = box("plot");
  made.setAttribute("aria-hidden", "true");
  made.append(axis("axis y", shares, "bottom"), frame, ...strip("test", item.test, boundary()));
  if (item.reject) made.append(...strip("reject", item.reject, boundary()));
  made.append(axis("axis x", item.ticks, "left"));
  return made;
}

/** @param {Given<{ items: Panel[], key: { name: string, text: string }[] }>} given */
export default function ({ data, parentElement, setTriggerValue }) {
  part(parentElement, ".key").replaceChildren(
    ...data.key.map(({ name, text }) => element("span", { className: name, text })),
  );
  const made = data.items.map((item) => {
    const head = box("head");
    head.append(element("b", { text: item.name, title: item.name }), element("span", { text: item.note }));
    const button = element("button", { type: "button" }, head, plot(item), box("says", item.boundary_text));
    button.setAttribute("aria-label", `Class ${item.name} in detail`);
    if (item.warning) {
      button.append(element("div", { className: "warning", text: item.warning, title: item.warning }));
    }
    button.addEventListener("click", () => setTriggerValue("opened", item.key));
    return element("li", {}, button);
  });
  part(parentElement, "ol").replaceChildren(...made);
}
