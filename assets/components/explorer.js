// @ts-check
/*
 * The threshold explorer. It holds exact counts at every position of the slider, and repaints
 * without the server; the server learns the threshold on release.
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
 * @property {string} positions at which the slider stops
 * @property {string} thresholds of each position the largest threshold that decides the same
 * @property {string} ways of each position the share of the slider's way
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
 * @property {string} test_shares histogram over the share of knowns rejected
 * @property {string} reject_shares
 * @property {number[]} totals
 * @property {[number, number][]} cells of the confusion: true index, decided index
 * @property {string} cell_sizes how many changes each cell has
 * @property {string} cell_starts of each change the first position with its count
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
 * @property {Axis} axis that the charts are drawn over at first
 * @property {boolean} has_unknown 'unknown' may be the most probable class
 * @property {boolean} [is_alone] in a report, which has no server
 */
/** @typedef {{ value: number, count: number, have: string | null }} Moved */
/** @typedef {"tradeoff" | "scores"} ChartName */
/** @typedef {"score" | "share"} Axis the score, or the share of knowns rejected */
/** @typedef {{ moved: (moved: Moved) => void, axis: (axis: Axis) => void }} Tell */

const HEIGHT = { tradeoff: 250, scores: 190 };
/** @type {ChartName[]} */
const CHARTS = ["tradeoff", "scores"];
const AXIS_WIDTH = 52; // the same in both charts, so that their thresholds lie below each other
const NAME_WIDTH = 80; // pixels that the name below a mark takes, about
const TITLES = {
  score: { tradeoff: "Accuracy over the threshold", scores: "Scores of both sets" },
  share: { tradeoff: "Accuracy over the share of knowns rejected", scores: "Both sets over the share of knowns rejected" },
};

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
/** @param {string} text */
const indices = (text) => new Uint16Array(bytes(text));

/** Counts, intervals and cells of a curve, decoded. */
class Curve {
  /** @param {SentCurve} sent */
  constructor(sent) {
    this.sent = sent;
    this.positions = floats(sent.positions);
    this.thresholds = floats(sent.thresholds);
    this.ways = floats(sent.ways);
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
    this.testByShare = counts(sent.test_shares);
    this.rejectByShare = counts(sent.reject_shares);
    this.cellSizes = counts(sent.cell_sizes);
    this.cellStarts = indices(sent.cell_starts);
    this.cellCounts = counts(sent.cell_counts);
    this.nTest = sent.n_test;
    this.nReject = sent.n_reject;
    this.rejectedKnown = Float64Array.from(this.correct, (count, at) => (this.nTest - count - this.wrong[at]) / this.nTest);
    this.testAccuracy = Float64Array.from(this.correct, (count) => count / this.nTest);
    /** Weighted by kind of unknowns; null where all pictures count alike. */
    this.weightedReject = sent.reject_share ? floats(sent.reject_share) : null;
    this.rejectAccuracy = this.weightedReject ?? Float64Array.from(this.accepted, (count) => (this.nReject - count) / this.nReject);
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
   * Index of the position that decides as a threshold does; of a thinned curve, of the next one.
   *
   * @param {number} threshold
   */
  indexOf(threshold) {
    return Math.min(firstFrom(this.thresholds, threshold), this.thresholds.length - 1);
  }

  /**
   * Exact counts at a threshold; null where only the server knows them.
   *
   * @param {number} threshold
   * @returns {Outcome | null}
   */
  outcomeAt(threshold) {
    const { thresholds, positions, correct, wrong, accepted } = this;
    const at = this.indexOf(threshold);
    const isHeld = this.sent.is_exact || at === 0 || threshold >= positions[at] || threshold > thresholds[at];
    if (!isHeld) return null;
    return {
      threshold, correct: correct[at], wrong: wrong[at], accepted: accepted[at],
      reject_share: this.weightedReject?.[at],
      test: [this.testLow[at], this.testHigh[at]],
      reject: [this.rejectLow[at], this.rejectHigh[at]],
    };
  }

  /**
   * Counts of all cells at a threshold; of a thinned curve, at the next position.
   *
   * @param {number} threshold
   */
  cellsAt(threshold) {
    const position = this.indexOf(threshold);
    let end = 0;
    return this.sent.cells.map((_, cell) => {
      let low = end; // of the cell's changes the last that is not after the position
      end += this.cellSizes[cell];
      let high = end;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (this.cellStarts[middle] <= position) low = middle;
        else high = middle;
      }
      return this.cellCounts[low];
    });
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
    /** @type {Tell} */
    this.tell = { moved: () => {}, axis: () => {} };
    this.chosenAxis = data.axis;
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
    this.control.setScale(curve.positions, curve.ways);
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
    for (const input of this.axisInputs()) {
      input.addEventListener("change", () => this.chooseAxis(/** @type {Axis} */ (input.value)), { signal });
    }
    this.root.addEventListener("transitionend", (event) => { if (event.target === this.root) this.redraw(); }, { signal });
  }

  /**
   * Take what the server sent; its threshold only where it has heard of ours.
   *
   * @param {Curve} curve
   * @param {ExplorerData} data
   * @param {Tell} tell
   */
  update(curve, data, tell) {
    this.tell = tell;
    this.data = data;
    part(this.root, ".or-unknown").hidden = !data.has_unknown;
    if (curve !== this.curve) {
      this.curve = curve;
      this.chosenAxis = data.axis; // another method may begin with another one
      this.control.setScale(curve.positions, curve.ways);
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
    this.tell.moved({ value: this.value, count: this.sent, have: this.curve.sent.id });
  }

  axisInputs() {
    return /** @type {NodeListOf<HTMLInputElement>} */ (this.root.querySelectorAll(".over input"));
  }

  /** @param {Axis} axis */
  chooseAxis(axis) {
    this.chosenAxis = axis;
    this.redraw();
    this.tell.axis(axis);
  }

  /** What the charts are drawn over: without a test set there is no share of it. */
  get axis() {
    return this.curve.nTest ? this.chosenAxis : "score";
  }

  /**
   * @param {ChartName} name
   * @param {PointerEvent} event
   * @param {boolean} isStart
   */
  onPlot(name, event, isStart) {
    const chart = this.charts[name];
    const box = chart.over.getBoundingClientRect();
    const place = chart.posToVal(event.clientX - box.left, "x");
    if (isStart) {
      if (event.button !== 0) return;
      this.control.isHeld = true;
      this.plotOf(name).setPointerCapture(event.pointerId);
    }
    if (this.control.isHeld) this.control.move(this.positionAt(place));
    const isInside = event.clientX >= box.left && event.clientX <= box.right;
    this.showReadout(name, isInside && !this.control.isHeld ? this.readout(name, place) : "");
  }

  /**
   * Position that is nearest to a place on the charts' axis.
   *
   * @param {number} place
   */
  positionAt(place) {
    if (this.axis === "score") return this.control.nearest(place);
    return this.curve.positions[nearest(this.curve.rejectedKnown, place)];
  }

  /**
   * Place of a threshold on the charts' axis.
   *
   * @param {number} threshold
   */
  placeOf(threshold) {
    return this.axis === "score" ? threshold : this.curve.rejectedKnown[this.curve.indexOf(threshold)];
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
   * @param {number} place on the axis
   */
  readout(name, place) {
    const { curve } = this;
    if (name === "tradeoff") {
      const at = this.positionAt(place);
      const outcome = curve.outcomeAt(at);
      if (!outcome) return "";
      const reject = curve.nReject ? ` · Reject ${percent(curve.rejectOf(outcome))}` : "";
      return `at ${at}: Test ${percent(outcome.correct / curve.nTest)}${reject}`;
    }
    const { edges, test, reject } = this.histograms();
    const bin = Math.min(Math.max(firstFrom(edges, place) - 1, 0), test.length - 1);
    const [low, high] = [edges[bin], edges[bin + 1]];
    const where = this.axis === "score" ? `${low.toFixed(3)}–${high.toFixed(3)}` : `${range(low, high)} of knowns rejected`;
    const rejected = curve.nReject ? `, ${COUNT.format(reject[bin])} reject` : "";
    return `${where}: ${COUNT.format(test[bin])} test${rejected} pictures`;
  }

  /** Both histograms over the charts' axis. */
  histograms() {
    const { curve } = this;
    if (this.axis === "score") return { edges: curve.edges, test: curve.testHistogram, reject: curve.rejectHistogram };
    const n = curve.testByShare.length;
    return { edges: Float64Array.from({ length: n + 1 }, (_, at) => at / n), test: curve.testByShare, reject: curve.rejectByShare };
  }

  /* What moves with the threshold. */

  paint() {
    const { curve, data, value } = this;
    const current = data.current?.threshold === value ? data.current : null;
    const outcome = current ?? curve.outcomeAt(value);
    this.root.setAttribute("aria-busy", String(!outcome));
    this.control.slider.setAttribute("aria-valuetext", this.inWords(outcome));
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
    return this.charts[name].valToPos(Math.min(Math.max(this.placeOf(threshold), min), max), "x");
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
    this.root.dataset.axis = this.axis;
    part(this.root, ".over").hidden = !sent.n_test;
    for (const input of this.axisInputs()) input.checked = input.value === this.axis;
    const charts = { tradeoff: this.drawTradeoff(), scores: this.drawScores() };
    for (const name of CHARTS) {
      part(this.panels[name], "figcaption b").textContent = TITLES[this.axis][name];
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
    const [lowest, highest] = this.axis === "score" ? [this.control.lowest, this.control.highest] : [0, 1];
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
      axes: [{ ...axis, size: 26, ...(this.axis === "share" && { values: percents }) }, { ...axis, size: AXIS_WIDTH, values: percents }],
      series: [{}, ...series],
      ...others,
    };
  }

  drawTradeoff() {
    const { curve, colours } = this;
    const isOverScore = this.axis === "score";
    // The value at a score holds down to the score below it, and those at the ends hold beyond.
    const paths = isOverScore ? uPlot.paths.stepped({ align: -1 }) : uPlot.paths.linear();
    /** @param {Float64Array} values */
    const beyond = (values) => Float64Array.of(values[0], ...values, values[values.length - 1]);
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
    const { lowest, highest } = this.control;
    const across = isOverScore
      ? [Float64Array.of(lowest, ...curve.thresholds, highest), ...values.map(beyond)]
      : [curve.rejectedKnown, ...values];
    return new uPlot(options, across, this.plotOf("tradeoff"));
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
    const { edges, test, reject } = this.histograms();
    const paths = uPlot.paths.stepped({ align: 1 });
    /** @type {(pictures: Uint32Array, total: number) => number[]} */
    const shares = (pictures, total) => [...Array.from(pictures, (count) => count / total), 0];
    /** @param {string} colour */
    const area = (colour) => ({ stroke: colour, width: 1, fill: `color-mix(in srgb, ${colour} 45%, transparent)`, paths, points: { show: false } });
    const series = [area(colours.test)];
    const values = [shares(test, curve.nTest)];
    if (curve.nReject) {
      series.push(area(colours.reject));
      values.push(shares(reject, curve.nReject));
    }
    const most = Math.max(...values.flat(), 1e-9);
    const options = this.options("scores", [0, 1.08 * most], series);
    return new uPlot(options, [edges, ...values], this.plotOf("scores"));
  }

  /** The recommended threshold, saved points, the spread over resamples, and the floors. */
  showMarks() {
    const { control, data } = this;
    /** @param {number} threshold */
    const place = (threshold) => `${100 * control.shareOf(threshold)}%`;
    const marked = [...(data.marks ?? [])].sort((one, other) => one.threshold - other.threshold);
    const at = marked.map((mark) => control.shareOf(mark.threshold));
    const near = NAME_WIDTH / Math.max(this.marks.clientWidth, 1);
    const marks = marked.map((mark, index) => {
      const node = element("span", { title: `${mark.name}: threshold ${mark.threshold}`, text: mark.label });
      // A name stands beside its mark where the slider ends, or another mark is near.
      if (at[index] < 0.08 || at[index] - at[index - 1] < near) node.className = "first";
      else if (at[index] > 0.92 || at[index + 1] - at[index] < near) node.className = "last";
      node.style.left = place(mark.threshold);
      return node;
    });
    // A mark's name needs the room of the number at the end.
    part(this.root, ".lowest").style.visibility = at.some((share) => share < 0.08) ? "hidden" : "";
    part(this.root, ".highest").style.visibility = at.some((share) => share > 0.92) ? "hidden" : "";
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
        node.style.transform = `translate(${this.across("tradeoff", point.threshold)}px, ${chart.valToPos(share, "y")}px) rotate(45deg)`;
        chart.over.append(node);
      }
    }
  }
}

/** @type {WeakMap<Node, Explorer>} */
const explorers = new WeakMap();

/** @param {Given<ExplorerData>} given */
export default function ({ data, parentElement, setStateValue }) {
  /** @type {Tell} */
  const tell = {
    moved: (moved) => setStateValue("moved", moved),
    axis: (axis) => setStateValue("axis", axis),
  };
  let explorer = explorers.get(parentElement);
  let curve = explorer?.curve;
  if (data.curve && data.curve.id !== curve?.sent.id) curve = new Curve(data.curve);
  if (!curve || curve.sent.id !== data.curve_id) {
    // The server thinks that we have a curve which we do not have.
    tell.moved({ value: data.value, count: data.echo, have: null });
  } else {
    explorer ??= new Explorer(parentElement, curve, data);
    explorers.set(parentElement, explorer);
    explorer.update(curve, data, tell);
  }
  return () => {
    explorers.delete(parentElement);
    explorer?.destroy();
  };
}
