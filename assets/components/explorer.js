/*
 * The threshold explorer. It holds exact counts at every position of the slider and at the steps of
 * the curve, and repaints without the server; the server learns the threshold on release.
 *
 * Slider and number are those of control.js, which comes before this file. Nothing is computed but look-ups and shares of counts. What is painted while a finger moves
 * is text, widths and positions: the charts are drawn once.
 */
const HEIGHT = { tradeoff: 250, scores: 190 };
const AXIS_WIDTH = 52; // the same in both charts, so that their thresholds lie below each other

const COUNT = new Intl.NumberFormat("en");

/** One decimal, rounded as Python rounds: toFixed rounds the only kind of tie, a quarter, up. */
function oneDecimal(value) {
  return (4 * value) % 4 === 1 ? (value - 0.05).toFixed(1) : value.toFixed(1);
}

const percent = (share) => `${oneDecimal(100 * share)} %`;
const range = (low, high) => `${oneDecimal(100 * low)}–${oneDecimal(100 * high)} %`;

function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function element(name, { className = "", text = "", ...properties } = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Counts, intervals and cells of a curve, decoded. */
class Curve {
  constructor(sent) {
    Object.assign(this, sent);
    for (const name of ["positions", "thresholds", "test_low", "test_high", "reject_low", "reject_high", "edges"]) {
      this[name] = unpack(sent[name], Float64Array);
    }
    for (const name of ["correct", "wrong", "accepted", "test_histogram", "reject_histogram", "cell_counts"]) {
      this[name] = unpack(sent[name], Uint32Array);
    }
    this.testAccuracy = Float64Array.from(this.correct, (count) => count / this.n_test);
    this.rejectAccuracy = Float64Array.from(this.accepted, (count) => (this.n_reject - count) / this.n_reject);
  }

  /** Exact counts at a threshold; null where only the server knows them. */
  outcomeAt(threshold) {
    const { thresholds, correct, wrong, accepted } = this;
    const last = thresholds.length - 1;
    const at = Math.min(firstFrom(thresholds, threshold), last);
    const isSame = at > 0 && correct[at - 1] === correct[at] && wrong[at - 1] === wrong[at] && accepted[at - 1] === accepted[at];
    if (!this.is_exact && thresholds[at] !== threshold && !isSame && threshold <= thresholds[last]) return null;
    return {
      threshold, correct: correct[at], wrong: wrong[at], accepted: accepted[at],
      test: [this.test_low[at], this.test_high[at]],
      reject: [this.reject_low[at], this.reject_high[at]],
    };
  }

  /** Counts of all cells at a position of the slider. */
  cellsAt(threshold) {
    const position = firstFrom(this.positions, threshold);
    if (this.positions[position] !== threshold) return null;
    const width = this.positions.length;
    return this.cells.map((_, cell) => this.cell_counts[cell * width + position]);
  }
}

class Explorer {
  constructor(parent) {
    this.root = parent.querySelector(".explorer");
    const find = (selector) => this.root.querySelector(selector);
    this.slider = find(".track input");
    this.marks = find(".marks");
    this.said = find(".said");
    this.cards = { test: find(".card.test"), reject: find(".card.reject") };
    this.panels = { tradeoff: find(".tradeoff"), scores: find(".scores"), confusion: find(".confusion") };
    this.frame = 0;
    this.control = new ThresholdControl(this.root, {
      moved: () => this.paintSoon(),
      released: () => this.release(),
      said: (text) => { this.said.textContent = text; },
      // A report has no server to ask: the nearest threshold with exact counts.
      taken: (typed) => (this.data.is_alone && !this.curve.outcomeAt(typed) ? this.control.nearest(typed) : typed),
    });
    this.cleaners = [() => this.control.destroy()];
    this.listen();
  }

  listen() {
    const on = (target, name, handler, options) => {
      target.addEventListener(name, handler, options);
      this.cleaners.push(() => target.removeEventListener(name, handler, options));
    };
    for (const name of ["tradeoff", "scores"]) {
      const plot = this.panels[name].querySelector(".plot");
      on(plot, "pointerdown", (event) => this.onPlot(name, event, true));
      on(plot, "pointermove", (event) => this.onPlot(name, event, false));
      on(plot, "pointerleave", () => { this.panels[name].querySelector(".readout").textContent = ""; });
      for (const end of ["pointerup", "pointercancel"]) {
        on(plot, end, () => { if (this.control.isHeld) this.control.release(); });
      }
    }
    on(this.root, "transitionend", (event) => { if (event.target === this.root) this.draw(); });
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.root);
    this.cleaners.push(() => observer.disconnect(), () => cancelAnimationFrame(this.frame));
  }

  /** Take what the server sent; its threshold only where it has heard of ours. */
  update(data, send) {
    this.send = send;
    if (data.curve && data.curve.id !== this.curve?.id) this.take(new Curve(data.curve));
    if (this.curve?.id !== data.curve_id) {
      // The server thinks that we have a curve which we have not.
      send({ value: data.value, count: data.echo, have: null });
      return;
    }
    this.data = data;
    this.sent ??= data.echo;
    if (data.echo === this.sent && !this.control.isBusy) this.control.set(data.value);
    this.root.hidden = false;
    if (!this.charts) this.draw();
    this.showMarks();
    this.paint();
  }

  take(curve) {
    this.curve = curve;
    this.charts?.tradeoff.destroy();
    this.charts?.scores.destroy();
    this.charts = null;
    this.control.setPositions(curve.positions);
    this.buildConfusion();
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
    this.send({ value: this.value, count: this.sent, have: this.curve.id });
  }

  onPlot(name, event, isStart) {
    const chart = this.charts[name];
    const box = chart.over.getBoundingClientRect();
    const threshold = chart.posToVal(event.clientX - box.left, "x");
    if (isStart) {
      if (event.button !== 0) return;
      this.control.isHeld = true;
      event.currentTarget.setPointerCapture(event.pointerId);
    }
    if (this.control.isHeld) this.control.move(this.control.nearest(threshold));
    const isInside = event.clientX >= box.left && event.clientX <= box.right;
    this.panels[name].querySelector(".readout").textContent = isInside && !this.control.isHeld ? this.readout(name, threshold) : "";
  }

  readout(name, threshold) {
    const { curve } = this;
    if (name === "tradeoff") {
      const at = curve.positions[nearest(curve.positions, threshold)];
      const outcome = curve.outcomeAt(at);
      const reject = curve.n_reject ? ` · Reject ${percent((curve.n_reject - outcome.accepted) / curve.n_reject)}` : "";
      return `at ${at}: Test ${percent(outcome.correct / curve.n_test)}${reject}`;
    }
    const bin = Math.min(Math.max(firstFrom(curve.edges, threshold) - 1, 0), curve.test_histogram.length - 1);
    const reject = curve.n_reject ? `, ${COUNT.format(curve.reject_histogram[bin])} reject` : "";
    return `${curve.edges[bin].toFixed(3)}–${curve.edges[bin + 1].toFixed(3)}: ${COUNT.format(curve.test_histogram[bin])} test${reject} pictures`;
  }

  /* What moves with the threshold. */

  paint() {
    const { curve, data, value } = this;
    const current = data.current?.threshold === value ? data.current : null;
    const outcome = current ?? curve.outcomeAt(value);
    this.root.setAttribute("aria-busy", String(!outcome));
    this.slider.setAttribute("aria-valuetext", outcome ? this.inWords(outcome) : String(value));
    this.moveMarkers(outcome);
    if (!outcome) return; // between two steps of a thinned curve: the server's answer is on its way
    const { n_test: n, n_reject: m } = curve;
    const rejectedKnown = n - outcome.correct - outcome.wrong;
    this.showCard("test", outcome.correct, n, outcome.test, [outcome.correct, outcome.wrong, rejectedKnown]);
    this.showCard("reject", m - outcome.accepted, m, outcome.reject, [m - outcome.accepted, outcome.accepted]);
    const cells = current?.cells ?? curve.cellsAt(value) ?? curve.cellsAt(curve.positions[nearest(curve.positions, value)]);
    this.showCells(cells);
  }

  inWords(outcome) {
    const { n_test: n, n_reject: m } = this.curve;
    if (!outcome) return `Threshold ${this.value}`;
    const reject = m ? `, Reject accuracy ${percent((m - outcome.accepted) / m)}` : "";
    return `Threshold ${this.value}: Test accuracy ${percent(outcome.correct / n)}${reject}`;
  }

  showCard(name, count, total, interval, parts) {
    const card = this.cards[name];
    const [value, note] = [card.querySelector(".value"), card.querySelector(".note")];
    if (!total) {
      value.textContent = "not measured";
      note.textContent = "no reject set";
      card.classList.add("empty");
      card.querySelector(".shares").hidden = card.querySelector(".legend").hidden = true;
      return;
    }
    card.querySelector(".shares").hidden = card.querySelector(".legend").hidden = false;
    value.textContent = percent(count / total);
    note.textContent = `${COUNT.format(count)} of ${COUNT.format(total)} · 95 % ${this.curve.interval} ${range(...interval)}`;
    const bars = card.querySelectorAll(".shares i");
    const labels = card.querySelectorAll(".legend b");
    parts.forEach((part, index) => {
      bars[index].style.width = `${(100 * part) / total}%`;
      labels[index].textContent = COUNT.format(part);
    });
  }

  moveMarkers(outcome) {
    for (const [name, markers] of Object.entries(this.markers ?? {})) {
      const chart = this.charts[name];
      const x = chart.valToPos(Math.min(Math.max(this.value, chart.scales.x.min), chart.scales.x.max), "x");
      markers.line.style.transform = `translateX(${x}px)`;
      if (name !== "tradeoff" || !outcome) continue;
      const place = (dot, share) => { dot.style.transform = `translate(${x}px, ${chart.valToPos(share, "y")}px)`; };
      place(markers.test, outcome.correct / this.curve.n_test);
      if (this.curve.n_reject) place(markers.reject, (this.curve.n_reject - outcome.accepted) / this.curve.n_reject);
    }
  }

  /* The confusion: a table of all pairs, or a list of the most frequent mistakes. */

  buildConfusion() {
    const { curve } = this;
    const panel = this.panels.confusion;
    this.isWide = curve.is_matrix && curve.classes.length > 7;
    const room = (this.isWide ? 130 : 60) / (curve.classes.length + 1); // signs above a column
    const isLong = curve.classes.some((name) => name.length > room);
    const title = curve.is_matrix ? "Confusion at this threshold" : "Most frequent mistakes at this threshold";
    const of = curve.confusion_of ? `, ${curve.confusion_of}` : "";
    panel.querySelector("figcaption b").textContent = title + of;
    const table = element("table", { className: curve.is_matrix ? (isLong ? "many" : "") : "list" });
    table.setAttribute("aria-label", title);
    this.cellNodes = curve.is_matrix ? this.buildMatrix(table) : this.buildList(table);
    panel.querySelector(".table").replaceChildren(table);
    panel.parentElement.classList.toggle("wide", this.isWide);
  }

  buildMatrix(table) {
    const { curve } = this;
    const n = curve.classes.length;
    const decided = [...curve.classes, "rejected"];
    const truths = curve.n_reject ? [...curve.classes, "unknown"] : curve.classes;
    const head = table.createTHead();
    const axis = head.insertRow();
    axis.append(element("th"), element("th", { className: "axis", text: "decided", colSpan: n + 1 }));
    const names = head.insertRow();
    names.append(element("th", { className: "axis", text: "true" }));
    for (const name of decided) {
      const node = element("th", { title: name, scope: "col" });
      node.append(element("span", { text: name }));
      names.append(node);
    }
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
    return curve.cells.map(([truth, decision]) => ({ node: nodes[truth][decision], total: curve.totals[truth], count: 0 }));
  }

  kindOf(truth, decision) {
    const n = this.curve.classes.length;
    if (truth === n) return decision === n ? "turned-away" : "accepted";
    if (decision === n) return "rejected";
    return truth === decision ? "correct" : "wrong";
  }

  buildList(table) {
    const head = table.createTHead().insertRow();
    for (const name of ["true", "decided", "pictures"]) head.append(element("th", { text: name, scope: "col" }));
    this.listBody = table.createTBody();
    return [];
  }

  showCells(counts) {
    const { curve } = this;
    if (!curve.is_matrix) { this.showList(counts); return; }
    counts.forEach((count, index) => {
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

  showList(counts) {
    const { curve } = this;
    const n = curve.classes.length;
    const name = (index, other) => (index === n ? other : curve.classes[index]);
    const order = counts.map((count, index) => [count, index]).filter(([count]) => count > 0);
    order.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const rows = order.slice(0, 12);
    while (this.listBody.rows.length > rows.length) this.listBody.deleteRow(-1);
    rows.forEach(([count, index], place) => {
      let row = this.listBody.rows[place];
      if (!row) {
        row = this.listBody.insertRow();
        row.append(element("td"), element("td"), element("td", { className: "count" }));
      }
      const [truth, decision] = curve.cells[index];
      [name(truth, "unknown"), name(decision, "rejected"), COUNT.format(count)].forEach((text, column) => {
        if (row.cells[column].textContent !== text) row.cells[column].textContent = text;
      });
    });
  }

  /* The charts, drawn when the curve, the size or the theme changes. */

  draw() {
    if (!this.curve) return;
    this.charts?.tradeoff.destroy();
    this.charts?.scores.destroy();
    const style = getComputedStyle(this.root);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.colours = { test: colour("--test"), reject: colour("--reject"), text: style.color };
    this.root.dataset.drawnIn = style.color;
    this.charts = { tradeoff: this.drawTradeoff(), scores: this.drawScores() };
    this.markers = {};
    for (const name of ["tradeoff", "scores"]) {
      const line = element("div", { className: "at line" });
      this.charts[name].over.append(line);
      this.markers[name] = { line };
    }
    for (const name of this.curve.n_reject ? ["test", "reject"] : ["test"]) {
      this.markers.tradeoff[name] = element("div", { className: `at dot ${name}` });
      this.charts.tradeoff.over.append(this.markers.tradeoff[name]);
    }
    this.root.querySelector(".line-reject").hidden = !this.curve.n_reject;
    this.root.querySelector(".box-test").textContent = `${COUNT.format(this.curve.n_test)} test pictures`;
    this.root.querySelector(".box-reject").textContent = this.curve.n_reject ? `${COUNT.format(this.curve.n_reject)} reject pictures` : "";
    this.root.querySelector(".band").textContent = `95 % ${this.curve.interval} interval`;
    if (this.data) { this.showMarks(); this.paint(); }
  }

  resize() {
    if (!this.charts) return;
    for (const name of ["tradeoff", "scores"]) {
      const width = this.panels[name].querySelector(".plot").clientWidth;
      if (width && width !== this.charts[name].width) this.charts[name].setSize({ width, height: this.height(name) });
    }
    this.showMarks();
    this.paint();
  }

  /** Side by side the charts are equally high. */
  height(name) {
    return HEIGHT[this.isWide ? "tradeoff" : name];
  }

  options(name, yRange, hooks, series, bands = []) {
    const { positions } = this.curve;
    const margin = 0.015 * (positions.at(-1) - positions[0]);
    const faint = `color-mix(in srgb, ${this.colours.text} 62%, transparent)`;
    const grid = { stroke: "rgba(128, 128, 128, 0.2)", width: 1 };
    const font = `12px ${getComputedStyle(this.root).fontFamily}`;
    const axis = { stroke: () => faint, grid, ticks: { show: false }, font, gap: 4 };
    return {
      width: this.panels[name].querySelector(".plot").clientWidth || 400,
      height: this.height(name),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [positions[0] - margin, positions.at(-1) + margin] }, y: { range: yRange } },
      axes: [{ ...axis, size: 26 }, { ...axis, size: AXIS_WIDTH, values: (_, values) => values.map((value) => `${+(100 * value).toFixed(1)} %`) }],
      series: [{}, ...series],
      bands,
      hooks,
    };
  }

  drawTradeoff() {
    const { curve, colours } = this;
    // The value at a score holds down to the score below it.
    const paths = uPlot.paths.stepped({ align: -1 });
    const line = (stroke) => ({ stroke, width: 2.5, paths, points: { show: false } });
    const edge = { stroke: "transparent", width: 0, paths, points: { show: false } };
    const fill = (colour) => `color-mix(in srgb, ${colour} 20%, transparent)`;
    const series = [line(colours.test), edge, edge];
    const bands = [{ series: [2, 3], fill: fill(colours.test) }];
    const values = [curve.testAccuracy, curve.test_high, curve.test_low];
    if (curve.n_reject) {
      series.push(line(colours.reject), edge, edge);
      bands.push({ series: [5, 6], fill: fill(colours.reject) });
      values.push(curve.rejectAccuracy, curve.reject_high, curve.reject_low);
    }
    const options = this.options("tradeoff", [-0.02, 1.04], { draw: [(chart) => this.drawFloors(chart)] }, series, bands);
    return new uPlot(options, [curve.thresholds, ...values], this.panels.tradeoff.querySelector(".plot"));
  }

  drawFloors(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.setLineDash([2, 5]);
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const floor of this.data?.floors ?? []) {
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
    const shares = (counts, total) => [...Array.from(counts, (count) => count / total), 0];
    const area = (colour) => ({ stroke: colour, width: 1, fill: `color-mix(in srgb, ${colour} 45%, transparent)`, paths, points: { show: false } });
    const series = [area(colours.test)];
    const values = [shares(curve.test_histogram, curve.n_test)];
    if (curve.n_reject) {
      series.push(area(colours.reject));
      values.push(shares(curve.reject_histogram, curve.n_reject));
    }
    const most = Math.max(...values.flat(), 1e-9);
    const options = this.options("scores", [0, 1.08 * most], {}, series);
    return new uPlot(options, [curve.edges, ...values], this.panels.scores.querySelector(".plot"));
  }

  /** The recommended threshold, saved points, the spread over resamples, and the floors. */
  showMarks() {
    const { data, curve } = this;
    if (!this.charts) return;
    const shareOf = (threshold) => {
      const share = (threshold - curve.positions[0]) / (curve.positions.at(-1) - curve.positions[0]);
      return Math.min(Math.max(share, 0), 1);
    };
    const place = (threshold) => `${100 * shareOf(threshold)}%`;
    const marks = (data.marks ?? []).map((mark) => {
      const node = element("span", { title: `${mark.name}: threshold ${mark.threshold}`, text: mark.label ?? "" });
      const share = shareOf(mark.threshold);
      if (share < 0.08) node.className = "first";
      if (share > 0.92) node.className = "last";
      node.style.left = place(mark.threshold);
      return node;
    });
    // Room for a mark's name comes before the number at the end.
    for (const [end, name] of [[".lowest", "first"], [".highest", "last"]]) {
      this.root.querySelector(end).style.visibility = marks.some((node) => node.className === name) ? "hidden" : "";
    }
    if (data.spread) {
      const [low, high] = data.spread;
      const node = element("span", { className: "spread", title: `Chosen between ${low} and ${high} in 95 % of the resamples` });
      node.style.left = place(low);
      node.style.width = `max(3px, calc(${place(high)} - ${place(low)}))`;
      marks.push(node);
    }
    this.marks.replaceChildren(...marks);
    this.showSaved();
    const floors = JSON.stringify(data.floors ?? []);
    if (floors !== this.floors) {
      this.floors = floors;
      this.root.querySelector(".floor-key").textContent = (data.floors ?? []).map((floor) => floor.label).join(", ");
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

  destroy() {
    for (const clean of this.cleaners) clean();
    this.charts?.tradeoff.destroy();
    this.charts?.scores.destroy();
  }
}

const explorers = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let explorer = explorers.get(parentElement);
  if (!explorer) {
    explorer = new Explorer(parentElement);
    explorers.set(parentElement, explorer);
  }
  explorer.update(data, (state) => setStateValue("moved", state));
  return () => {
    explorers.delete(parentElement);
    explorer.destroy();
  };
}
