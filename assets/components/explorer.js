// @ts-check
/*
 * The threshold explorer. It holds exact counts at every position of the slider and at the steps of
 * the curve, and repaints without the server; the server learns the threshold on release.
 *
 * dom.js, control.js and uPlot come before this file. Nothing is computed but look-ups and shares
 * of counts. While a finger moves, only texts, widths and positions change: the charts are drawn
 * once.
 */

/**
 * Counts at one threshold. ``cells`` are of the confusion; only the server's answer has them.
 *
 * @typedef {object} Outcome
 * @property {number} threshold
 * @property {number} correct
 * @property {number} wrong
 * @property {number} accepted
 * @property {number} [reject_share] Reject accuracy weighted by kind, where it is not that of the counts
 * @property {[number, number]} test interval of Test accuracy
 * @property {[number, number]} reject interval of Reject accuracy
 * @property {number[]} [cells]
 */
/**
 * A curve as it is sent; arrays of numbers are base64 of little-endian values.
 *
 * @typedef {object} SentCurve
 * @property {string} id
 * @property {string[]} classes
 * @property {number} n_test
 * @property {number} n_reject
 * @property {string} interval its kind
 * @property {boolean} is_exact
 * @property {string} positions
 * @property {string} thresholds
 * @property {string} correct
 * @property {string} wrong
 * @property {string} accepted
 * @property {string} [reject_share] Reject accuracy weighted by kind, where kinds of unknowns have shares
 * @property {string} test_low
 * @property {string} test_high
 * @property {string} reject_low
 * @property {string} reject_high
 * @property {string} edges
 * @property {string} test_histogram
 * @property {string} reject_histogram
 * @property {number[]} totals
 * @property {[number, number][]} cells of the confusion: true index, decided index
 * @property {string} cell_counts
 * @property {boolean} is_matrix
 * @property {string} [confusion_of]
 */
/** @typedef {{ of: "test" | "reject", share: number, label: string }} Floor */
/** @typedef {{ name: string, threshold: number, test: number, reject: number | null }} Saved */
/**
 * @typedef {object} ExplorerData
 * @property {SentCurve | null} curve
 * @property {string} curve_id
 * @property {number} value
 * @property {number} echo
 * @property {Outcome | null} [current]
 * @property {{ name: string, label?: string, threshold: number }[]} [marks]
 * @property {Floor[]} [floors]
 * @property {Saved[]} [saved]
 * @property {[number, number] | null} [spread]
 * @property {boolean} [is_alone] in a report, which has no server
 */
/** @typedef {{ value: number, count: number, have: string | null }} Moved */
/** @typedef {"tradeoff" | "scores"} ChartName */

const HEIGHT = { tradeoff: 250, scores: 190 };
/** @type {ChartName[]} */
const CHARTS = ["tradeoff", "scores"];
const AXIS_WIDTH = 52; // the same in both charts, so that their thresholds lie below each other

/**
 * One decimal, rounded as Python rounds: toFixed rounds the only kind of tie, a quarter, up.
 *
 * @param {number} value
 */
function oneDecimal(value) {
  return (4 * value) % 4 === 1 ? (value - 0.05).toFixed(1) : value.toFixed(1);
}

/** @param {number} share */
const percent = (share) => `${oneDecimal(100 * share)} %`;
/** @type {(low: number, high: number) => string} */
const range = (low, high) => `${oneDecimal(100 * low)}–${oneDecimal(100 * high)} %`;

/** @param {string} text */
const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer;
/** @param {string} text */
const floats = (text) => new Float64Array(bytes(text));
/** @param {string} text */
const counts = (text) => new Uint32Array(bytes(text));

/** Counts, intervals and cells of a curve, decoded. */
class Curve {
  /** @param {SentCurve} sent */
  constructor(sent) {
    this.sent = sent;
    this.positions = floats(sent.positions);
    this.thresholds = floats(sent.thresholds);
    this.testLow = floats(sent.test_low);
    this.testHigh = floats(sent.test_high);
    this.rejectLow = floats(sent.reject_low);
    this.rejectHigh = floats(sent.reject_high);
    this.edges = floats(sent.edges);
    this.correct = counts(sent.correct);
    this.wrong = counts(sent.wrong);
    this.accepted = counts(sent.accepted);
    this.testHistogram = counts(sent.test_histogram);
    this.rejectHistogram = counts(sent.reject_histogram);
    this.cellCounts = counts(sent.cell_counts);
    this.nTest = sent.n_test;
    this.nReject = sent.n_reject;
    this.testAccuracy = Float64Array.from(this.correct, (count) => count / this.nTest);
    /** Weighted by kind of unknowns; null where all pictures count alike. */
    this.rejectShare = sent.reject_share ? floats(sent.reject_share) : null;
    this.rejectAccuracy = this.rejectShare ?? Float64Array.from(this.accepted, (count) => (this.nReject - count) / this.nReject);
  }

  /**
   * Reject accuracy, weighted by kind where kinds of unknowns have shares.
   *
   * @param {Outcome} outcome
   */
  rejectOf(outcome) {
    return outcome.reject_share ?? (this.nReject - outcome.accepted) / this.nReject;
  }

  /**
   * Exact counts at a threshold; null where only the server knows them.
   *
   * @param {number} threshold
   * @returns {Outcome | null}
   */
  outcomeAt(threshold) {
    const { thresholds, correct, wrong, accepted } = this;
    const last = thresholds.length - 1;
    const at = Math.min(firstFrom(thresholds, threshold), last);
    const isSame = at > 0 && correct[at - 1] === correct[at] && wrong[at - 1] === wrong[at] && accepted[at - 1] === accepted[at];
    if (!this.sent.is_exact && thresholds[at] !== threshold && !isSame && threshold <= thresholds[last]) return null;
    return {
      threshold, correct: correct[at], wrong: wrong[at], accepted: accepted[at],
      reject_share: this.rejectShare?.[at],
      test: [this.testLow[at], this.testHigh[at]],
      reject: [this.rejectLow[at], this.rejectHigh[at]],
    };
  }

  /**
   * Counts of all cells at the position of the slider that is nearest to a threshold.
   *
   * @param {number} threshold
   */
  cellsAt(threshold) {
    const position = nearest(this.positions, threshold);
    const width = this.positions.length;
    return this.sent.cells.map((_, cell) => this.cellCounts[cell * width + position]);
  }
}

class Explorer {
  /**
   * @param {ParentNode} parent
   * @param {Curve} curve
   * @param {ExplorerData} data
   */
  constructor(parent, curve, data) {
    this.root = part(parent, ".explorer");
    /** @param {string} selector */
    const find = (selector) => part(this.root, selector);
    this.marks = find(".marks");
    this.said = find(".said");
    this.cards = { test: find(".card.test"), reject: find(".card.reject") };
    this.panels = { tradeoff: find(".tradeoff"), scores: find(".scores"), confusion: find(".confusion") };
    this.curve = curve;
    this.data = data;
    this.sent = data.echo; // moves that the server was told of
    /** @type {(moved: Moved) => void} */
    this.send = () => {};
    /** @type {{ node: HTMLElement, total: number, count: number }[]} */
    this.cellNodes = [];
    this.listBody = document.createElement("tbody");
    this.isWide = false;
    this.floors = "[]";
    this.colours = { test: "", reject: "", text: "" };
    /** @type {{ test?: HTMLElement, reject?: HTMLElement }} */
    this.dots = {};
    this.frame = 0;
    this.control = new ThresholdControl(this.root, {
      moved: () => this.paintSoon(),
      released: () => this.release(),
      said: (text) => { this.said.textContent = text; },
      // A report has no server to ask: the nearest threshold with exact counts.
      taken: (typed) => (this.data.is_alone && !this.curve.outcomeAt(typed) ? this.control.nearest(typed) : typed),
    });
    this.root.hidden = false; // charts are as wide as their place
    this.control.setPositions(curve.positions);
    this.control.set(data.value);
    this.buildConfusion();
    this.charts = this.drawCharts();
    const ends = new AbortController();
    this.listen(ends.signal);
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.root);
    this.destroy = () => {
      ends.abort();
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      this.control.destroy();
      this.removeCharts();
    };
  }

  /** @param {AbortSignal} signal ends it */
  listen(signal) {
    for (const name of CHARTS) {
      const plot = this.plotOf(name);
      const release = () => { if (this.control.isHeld) this.control.release(); };
      plot.addEventListener("pointerdown", (event) => this.onPlot(name, event, true), { signal });
      plot.addEventListener("pointermove", (event) => this.onPlot(name, event, false), { signal });
      plot.addEventListener("pointerleave", () => this.showReadout(name, ""), { signal });
      plot.addEventListener("pointerup", release, { signal });
      plot.addEventListener("pointercancel", release, { signal });
    }
    this.root.addEventListener("transitionend", (event) => { if (event.target === this.root) this.redraw(); }, { signal });
  }

  /**
   * Take what the server sent; its threshold only where it has heard of ours.
   *
   * @param {Curve} curve
   * @param {ExplorerData} data
   * @param {(moved: Moved) => void} send
   */
  update(curve, data, send) {
    this.send = send;
    this.data = data;
    if (curve !== this.curve) {
      this.curve = curve;
      this.control.setPositions(curve.positions);
      this.buildConfusion();
      this.redraw();
    }
    if (data.echo === this.sent && !this.control.isBusy) this.control.set(data.value);
    this.showMarks();
    this.paint();
  }

  get value() {
    return this.control.value;
  }

  /* What the visitor does. */

  paintSoon() {
    if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.paint(); });
  }

  release() {
    if (this.data.echo === this.sent && this.data.value === this.value) return;
    if (!this.data.is_alone) this.sent += 1;
    this.said.textContent = this.inWords(this.curve.outcomeAt(this.value));
    this.send({ value: this.value, count: this.sent, have: this.curve.sent.id });
  }

  /**
   * @param {ChartName} name
   * @param {PointerEvent} event
   * @param {boolean} isStart
   */
  onPlot(name, event, isStart) {
    const chart = this.charts[name];
    const box = chart.over.getBoundingClientRect();
    const threshold = chart.posToVal(event.clientX - box.left, "x");
    if (isStart) {
      if (event.button !== 0) return;
      this.control.isHeld = true;
      this.plotOf(name).setPointerCapture(event.pointerId);
    }
    if (this.control.isHeld) this.control.move(this.control.nearest(threshold));
    const isInside = event.clientX >= box.left && event.clientX <= box.right;
    this.showReadout(name, isInside && !this.control.isHeld ? this.readout(name, threshold) : "");
  }

  /** @param {ChartName} name */
  plotOf(name) {
    return part(this.panels[name], ".plot");
  }

  /**
   * @param {ChartName} name
   * @param {string} text
   */
  showReadout(name, text) {
    part(this.panels[name], ".readout").textContent = text;
  }

  /**
   * @param {ChartName} name
   * @param {number} threshold
   */
  readout(name, threshold) {
    const { curve } = this;
    if (name === "tradeoff") {
      const at = this.control.nearest(threshold);
      const outcome = curve.outcomeAt(at);
      if (!outcome) return "";
      const reject = curve.nReject ? ` · Reject ${percent(curve.rejectOf(outcome))}` : "";
      return `at ${at}: Test ${percent(outcome.correct / curve.nTest)}${reject}`;
    }
    const bin = Math.min(Math.max(firstFrom(curve.edges, threshold) - 1, 0), curve.testHistogram.length - 1);
    const reject = curve.nReject ? `, ${COUNT.format(curve.rejectHistogram[bin])} reject` : "";
    return `${curve.edges[bin].toFixed(3)}–${curve.edges[bin + 1].toFixed(3)}: ${COUNT.format(curve.testHistogram[bin])} test${reject} pictures`;
  }

  /* What moves with the threshold. */

  paint() {
    const { curve, data, value } = this;
    const current = data.current?.threshold === value ? data.current : null;
    const outcome = current ?? curve.outcomeAt(value);
    this.root.setAttribute("aria-busy", String(!outcome));
    this.control.slider.setAttribute("aria-valuetext", outcome ? this.inWords(outcome) : String(value));
    this.moveMarkers(outcome);
    if (!outcome) return; // between two steps of a thinned curve: the server's answer is on its way
    const { nTest: n, nReject: m } = curve;
    const rejectedKnown = n - outcome.correct - outcome.wrong;
    this.showCard("test", outcome.correct, n, outcome.test, [outcome.correct, outcome.wrong, rejectedKnown]);
    this.showCard("reject", m - outcome.accepted, m, outcome.reject, [m - outcome.accepted, outcome.accepted], outcome.reject_share);
    this.showCells(current?.cells ?? curve.cellsAt(value));
  }

  /** @param {Outcome | null} outcome */
  inWords(outcome) {
    const { nTest: n, nReject: m } = this.curve;
    if (!outcome) return `Threshold ${this.value}`;
    const reject = m ? `, Reject accuracy ${percent(this.curve.rejectOf(outcome))}` : "";
    return `Threshold ${this.value}: Test accuracy ${percent(outcome.correct / n)}${reject}`;
  }

  /**
   * @param {"test" | "reject"} name
   * @param {number} count
   * @param {number} total
   * @param {[number, number]} interval
   * @param {number[]} parts counts that make up the total
   * @param {number} [weighted] the share, where it is not that of the counts
   */
  showCard(name, count, total, interval, parts, weighted) {
    const card = this.cards[name];
    card.classList.toggle("empty", !total);
    part(card, ".shares").hidden = part(card, ".legend").hidden = !total;
    part(card, ".value").textContent = total ? percent(weighted ?? count / total) : "not measured";
    part(card, ".note").textContent = total
      ? `${COUNT.format(count)} of ${COUNT.format(total)}${weighted === undefined ? "" : ", weighted by kind"} · 95 % ${this.curve.sent.interval} ${range(...interval)}`
      : "no reject set";
    if (!total) return;
    const bars = /** @type {NodeListOf<HTMLElement>} */ (card.querySelectorAll(".shares i"));
    const labels = card.querySelectorAll(".legend b");
    parts.forEach((pictures, index) => {
      bars[index].style.width = `${(100 * pictures) / total}%`;
      labels[index].textContent = COUNT.format(pictures);
    });
  }

  /** @param {Outcome | null} outcome */
  moveMarkers(outcome) {
    const { curve, charts, dots } = this;
    for (const name of CHARTS) {
      part(charts[name].over, ".at.line").style.transform = `translateX(${this.across(name, this.value)}px)`;
    }
    if (!outcome) return;
    /** @type {(dot: HTMLElement | undefined, share: number) => void} */
    const place = (dot, share) => {
      const [x, y] = [this.across("tradeoff", this.value), charts.tradeoff.valToPos(share, "y")];
      if (dot) dot.style.transform = `translate(${x}px, ${y}px)`;
    };
    place(dots.test, outcome.correct / curve.nTest);
    place(dots.reject, curve.rejectOf(outcome));
  }

  /**
   * Where a threshold lies in a chart, in pixels; at its edge where it lies outside.
   *
   * @param {ChartName} name
   * @param {number} threshold
   */
  across(name, threshold) {
    const { min, max } = this.charts[name].scales.x;
    return this.charts[name].valToPos(Math.min(Math.max(threshold, min), max), "x");
  }

  /* The confusion: a table of all pairs, or a list of the most frequent mistakes. */

  buildConfusion() {
    const { sent } = this.curve;
    const panel = this.panels.confusion;
    this.isWide = sent.is_matrix && sent.classes.length > 7;
    const room = (this.isWide ? 130 : 60) / (sent.classes.length + 1); // signs above a column
    const isLong = sent.classes.some((name) => name.length > room);
    const title = sent.is_matrix ? "Confusion at this threshold" : "Most frequent mistakes at this threshold";
    const of = sent.confusion_of ? `, ${sent.confusion_of}` : "";
    part(panel, "figcaption b").textContent = title + of;
    const matrixName = isLong ? "many" : "";
    const table = element("table", { className: sent.is_matrix ? matrixName : "list" });
    table.setAttribute("aria-label", title);
    this.cellNodes = [];
    if (sent.is_matrix) this.buildMatrix(table);
    else this.buildList(table);
    part(panel, ".table").replaceChildren(table);
    panel.parentElement?.classList.toggle("wide", this.isWide);
  }

  /** @param {HTMLTableElement} table */
  buildMatrix(table) {
    const { sent } = this.curve;
    const n = sent.classes.length;
    const decided = [...sent.classes, "rejected"];
    const truths = sent.n_reject ? [...sent.classes, "unknown"] : sent.classes;
    const head = table.createTHead();
    head.insertRow().append(element("th"), element("th", { className: "axis", text: "decided", colSpan: n + 1 }));
    head.insertRow().append(
      element("th", { className: "axis", text: "true" }),
      ...decided.map((name) => element("th", { title: name, scope: "col" }, element("span", { text: name }))),
    );
    const body = table.createTBody();
    const nodes = truths.map((name, truth) => {
      const row = body.insertRow();
      row.append(element("th", { text: name, title: name, scope: "row" }));
      return decided.map((_, decision) => {
        const node = row.insertCell();
        node.className = `none ${this.kindOf(truth, decision)}`;
        node.textContent = "0";
        return node;
      });
    });
    this.cellNodes = sent.cells.map(([truth, decision]) => ({ node: nodes[truth][decision], total: sent.totals[truth], count: 0 }));
  }

  /**
   * @param {number} truth
   * @param {number} decision
   */
  kindOf(truth, decision) {
    const n = this.curve.sent.classes.length;
    if (truth === n) return decision === n ? "turned-away" : "accepted";
    if (decision === n) return "rejected";
    return truth === decision ? "correct" : "wrong";
  }

  /** @param {HTMLTableElement} table */
  buildList(table) {
    const head = table.createTHead().insertRow();
    for (const name of ["true", "decided", "pictures"]) head.append(element("th", { text: name, scope: "col" }));
    this.listBody = table.createTBody();
  }

  /** @param {number[]} cells counts */
  showCells(cells) {
    if (!this.curve.sent.is_matrix) {
      this.showList(cells);
      return;
    }
    cells.forEach((count, index) => {
      const cell = this.cellNodes[index];
      if (cell.count === count) return;
      cell.count = count;
      const share = cell.total ? count / cell.total : 0;
      cell.node.textContent = COUNT.format(count);
      cell.node.classList.toggle("none", count === 0);
      cell.node.classList.toggle("dark", share > 0.5);
      cell.node.style.setProperty("--share", share.toFixed(3));
      cell.node.style.setProperty("--some", count ? "7%" : "0%");
    });
  }

  /** @param {number[]} cells counts */
  showList(cells) {
    const { classes, cells: pairs } = this.curve.sent;
    /** @type {(index: number, other: string) => string} */
    const name = (index, other) => (index === classes.length ? other : classes[index]);
    const order = cells.map((count, index) => ({ count, index })).filter(({ count }) => count > 0);
    order.sort((a, b) => b.count - a.count || a.index - b.index);
    const rows = order.slice(0, 12);
    while (this.listBody.rows.length > rows.length) this.listBody.deleteRow(-1);
    rows.forEach(({ count, index }, place) => {
      let row = this.listBody.rows[place];
      if (!row) {
        row = this.listBody.insertRow();
        row.append(element("td"), element("td"), element("td", { className: "count" }));
      }
      const [truth, decision] = pairs[index];
      [name(truth, "unknown"), name(decision, "rejected"), COUNT.format(count)].forEach((text, column) => setText(row.cells[column], text));
    });
  }

  /* The charts, drawn when the curve, the size or the theme changes. */

  removeCharts() {
    for (const name of CHARTS) this.charts[name].destroy();
  }

  redraw() {
    this.removeCharts();
    this.charts = this.drawCharts();
    this.showMarks();
    this.paint();
  }

  /** @returns {Record<ChartName, uPlot>} */
  drawCharts() {
    const { sent } = this.curve;
    const style = getComputedStyle(this.root);
    /** @param {string} name */
    const colour = (name) => style.getPropertyValue(name).trim();
    this.colours = { test: colour("--test"), reject: colour("--reject"), text: style.color };
    this.root.dataset.drawnIn = style.color;
    const charts = { tradeoff: this.drawTradeoff(), scores: this.drawScores() };
    for (const name of CHARTS) {
      charts[name].batch(() => {}); // else a new chart has its scales, which place the marker, a moment later
      charts[name].over.append(element("div", { className: "at line" }));
    }
    this.dots = { test: element("div", { className: "at dot test" }) };
    if (sent.n_reject) this.dots.reject = element("div", { className: "at dot reject" });
    charts.tradeoff.over.append(...Object.values(this.dots));
    part(this.root, ".line-reject").hidden = !sent.n_reject;
    part(this.root, ".box-test").textContent = `${COUNT.format(sent.n_test)} test pictures`;
    part(this.root, ".box-reject").textContent = sent.n_reject ? `${COUNT.format(sent.n_reject)} reject pictures` : "";
    part(this.root, ".band").textContent = `95 % ${sent.interval} interval`;
    return charts;
  }

  resize() {
    for (const name of CHARTS) {
      const width = this.plotOf(name).clientWidth;
      if (width && width !== this.charts[name].width) this.charts[name].setSize({ width, height: this.heightOf(name) });
    }
    this.showMarks();
    this.paint();
  }

  /**
   * Side by side the charts are equally high.
   *
   * @param {ChartName} name
   */
  heightOf(name) {
    return HEIGHT[this.isWide ? "tradeoff" : name];
  }

  /**
   * @param {ChartName} name
   * @param {[number, number]} yRange
   * @param {object[]} series
   * @param {object} [others] options that only this chart has
   */
  options(name, yRange, series, others = {}) {
    const { lowest, highest } = this.control;
    const margin = 0.015 * (highest - lowest);
    const faint = `color-mix(in srgb, ${this.colours.text} 62%, transparent)`;
    const grid = { stroke: "rgba(128, 128, 128, 0.2)", width: 1 };
    const font = `12px ${getComputedStyle(this.root).fontFamily}`;
    const axis = { stroke: () => faint, grid, ticks: { show: false }, font, gap: 4 };
    /** @type {(chart: uPlot, values: number[]) => string[]} */
    const percents = (_, values) => values.map((value) => `${+(100 * value).toFixed(1)} %`);
    return {
      width: this.plotOf(name).clientWidth || 400,
      height: this.heightOf(name),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [lowest - margin, highest + margin] }, y: { range: yRange } },
      axes: [{ ...axis, size: 26 }, { ...axis, size: AXIS_WIDTH, values: percents }],
      series: [{}, ...series],
      ...others,
    };
  }

  drawTradeoff() {
    const { curve, colours } = this;
    // The value at a score holds down to the score below it.
    const paths = uPlot.paths.stepped({ align: -1 });
    /** @param {string} stroke */
    const line = (stroke) => ({ stroke, width: 2.5, paths, points: { show: false } });
    const edge = { stroke: "transparent", width: 0, paths, points: { show: false } };
    /** @param {string} colour */
    const fill = (colour) => `color-mix(in srgb, ${colour} 20%, transparent)`;
    const series = [line(colours.test), edge, edge];
    const bands = [{ series: [2, 3], fill: fill(colours.test) }];
    const values = [curve.testAccuracy, curve.testHigh, curve.testLow];
    if (curve.nReject) {
      series.push(line(colours.reject), edge, edge);
      bands.push({ series: [5, 6], fill: fill(colours.reject) });
      values.push(curve.rejectAccuracy, curve.rejectHigh, curve.rejectLow);
    }
    /** @param {uPlot} chart */
    const draw = (chart) => this.drawFloors(chart);
    const options = this.options("tradeoff", [-0.02, 1.04], series, { bands, hooks: { draw: [draw] } });
    return new uPlot(options, [curve.thresholds, ...values], this.plotOf("tradeoff"));
  }

  /** @param {uPlot} chart */
  drawFloors(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.setLineDash([2, 5]);
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const floor of this.data.floors ?? []) {
      const y = chart.valToPos(floor.share, "y", true);
      ctx.strokeStyle = this.colours[floor.of];
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  drawScores() {
    const { curve, colours } = this;
    const paths = uPlot.paths.stepped({ align: 1 });
    /** @type {(pictures: Uint32Array, total: number) => number[]} */
    const shares = (pictures, total) => [...Array.from(pictures, (count) => count / total), 0];
    /** @param {string} colour */
    const area = (colour) => ({ stroke: colour, width: 1, fill: `color-mix(in srgb, ${colour} 45%, transparent)`, paths, points: { show: false } });
    const series = [area(colours.test)];
    const values = [shares(curve.testHistogram, curve.nTest)];
    if (curve.nReject) {
      series.push(area(colours.reject));
      values.push(shares(curve.rejectHistogram, curve.nReject));
    }
    const most = Math.max(...values.flat(), 1e-9);
    const options = this.options("scores", [0, 1.08 * most], series);
    return new uPlot(options, [curve.edges, ...values], this.plotOf("scores"));
  }

  /** The recommended threshold, saved points, the spread over resamples, and the floors. */
  showMarks() {
    const { control, data } = this;
    /** @param {number} threshold */
    const place = (threshold) => `${100 * control.shareOf(threshold)}%`;
    const marks = (data.marks ?? []).map((mark) => {
      const node = element("span", { title: `${mark.name}: threshold ${mark.threshold}`, text: mark.label });
      const share = control.shareOf(mark.threshold);
      if (share < 0.08) node.className = "first";
      if (share > 0.92) node.className = "last";
      node.style.left = place(mark.threshold);
      return node;
    });
    // A mark's name needs the room of the number at the end.
    for (const [end, name] of [[".lowest", "first"], [".highest", "last"]]) {
      part(this.root, end).style.visibility = marks.some((node) => node.className === name) ? "hidden" : "";
    }
    if (data.spread) {
      const [low, high] = data.spread;
      const node = element("span", { className: "spread", title: `95 % of the resamples choose a threshold from ${low} to ${high}` });
      node.style.left = place(low);
      node.style.width = `max(3px, calc(${place(high)} - ${place(low)}))`;
      marks.push(node);
    }
    this.marks.replaceChildren(...marks);
    this.showSaved();
    const floors = JSON.stringify(data.floors ?? []);
    if (floors !== this.floors) {
      this.floors = floors;
      part(this.root, ".floor-key").textContent = (data.floors ?? []).map((floor) => floor.label).join(", ");
      this.charts.tradeoff.redraw(false);
    }
  }

  showSaved() {
    const chart = this.charts.tradeoff;
    for (const node of chart.over.querySelectorAll(".kept")) node.remove();
    for (const point of this.data.saved ?? []) {
      for (const share of [point.test, point.reject]) {
        if (share === null) continue;
        const node = element("div", { className: "at kept", title: `${point.name}: threshold ${point.threshold}` });
        node.style.transform = `translate(${chart.valToPos(point.threshold, "x")}px, ${chart.valToPos(share, "y")}px) rotate(45deg)`;
        chart.over.append(node);
      }
    }
  }
}

/** @type {WeakMap<Node, Explorer>} */
const explorers = new WeakMap();

/** @param {Given<ExplorerData>} given */
export default function ({ data, parentElement, setStateValue }) {
  /** @param {Moved} moved */
  const send = (moved) => setStateValue("moved", moved);
  let explorer = explorers.get(parentElement);
  let curve = explorer?.curve;
  if (data.curve && data.curve.id !== curve?.sent.id) curve = new Curve(data.curve);
  if (!curve || curve.sent.id !== data.curve_id) {
    // The server thinks that we have a curve which we do not have.
    send({ value: data.value, count: data.echo, have: null });
  } else {
    explorer ??= new Explorer(parentElement, curve, data);
    explorers.set(parentElement, explorer);
    explorer.update(curve, data, send);
  }
  return () => {
    explorers.delete(parentElement);
    explorer?.destroy();
  };
}
