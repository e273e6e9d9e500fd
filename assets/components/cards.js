// @ts-check
/*
 * The cards of decided pictures. All of them are decided anew while the threshold moves, without
 * the server: a picture is rejected where 'unknown' is the most probable, or its score is below the
 * threshold of its class. The server learns the threshold on release. dom.js, svg.js and control.js
 * come before this file.
 */

/**
 * A picture's decision, whatever the threshold; a sentence is the part before the threshold and
 * the part after it, or whole and null.
 *
 * @typedef {object} SentCard
 * @property {string} key
 * @property {string} name
 * @property {number} score
 * @property {number} class its index
 * @property {boolean} is_unknown 'unknown' is the most probable
 * @property {number} margin by how much
 * @property {[string, string | null]} accepted
 * @property {[string, string | null]} rejected
 * @property {[number, number | null, number | null][]} bars output, probability before and after OpenMax
 * @property {{ count: number, before: number, after: number | null }} others
 * @property {[number, number, number][]} nearest class, distance, CDF
 */
/** @typedef {SentCard & { className: string, isAccepted: (limit: number) => boolean }} Item */
/**
 * @typedef {object} SentBoard
 * @property {string} id
 * @property {string[]} classes
 * @property {number[]} positions at which the slider stops
 * @property {number[]} ways of each position the share of the slider's way
 * @property {boolean} has_unknown 'unknown' may be the most probable class
 * @property {boolean} is_probability
 * @property {Record<string, { x: number[], y: number[], tail: number[] }>} curves by class
 * @property {SentCard[]} cards
 */
/**
 * A picture as it was sent and as the network sees it, as data URLs.
 *
 * @typedef {object} View
 * @property {string} original
 * @property {[number, number]} size
 * @property {string} seen
 * @property {[number, number]} seen_size
 */
/**
 * @typedef {object} CardsData
 * @property {SentBoard | null} board
 * @property {string} board_id
 * @property {Record<string, View>} pictures
 * @property {number} value
 * @property {number} echo
 * @property {number[] | null} class_limits
 * @property {number | null} class_limits_at
 * @property {boolean} is_by_class
 */
/** @typedef {{ value: number, count: number, is_by_class: boolean }} Moved */
/** @typedef {(name: "opened" | "removed" | "lacking", value: string | true) => void} Tell */

const FIRST = 24; // cards that are drawn at once; more on request
/** @type {Map<string, number>} */
const wanted = new Map(); // how many were asked for, by board: it may be mounted anew
const FAR = 1.6; // of the tail's end: a picture farther out is drawn at the edge
const PLOT = { width: 220, height: 64 };
const UNKNOWN = "unknown";

const ORDERS = {
  close: "how close the call was",
  verdict: "verdict",
  name: "name",
};

const NATURAL = new Intl.Collator("en", { numeric: true });

/** @param {number} value */
const fixed = (value) => value.toFixed(3);
/** @param {number} value */
const short = (value) => String(Number(value.toPrecision(4)));

/** One picture's card. What a threshold changes is kept apart, to be changed alone. */
class Card {
  /**
   * @param {Item} item
   * @param {Board} board
   * @param {View} picture
   * @param {Tell} tell
   */
  constructor(item, board, picture, tell) {
    this.item = item;
    this.limit = NaN; // the threshold that its texts are of
    this.parts = {
      verdict: element("span", { className: "verdict" }),
      reason: element("p", { className: "reason" }),
      gap: element("p", { className: "gap" }),
      line: element("i", { className: "line", title: "threshold" }),
      mark: element("i", { className: "line", title: "threshold" }),
    };
    const open = element("button", { type: "button", className: "name", text: item.name, title: `Open ${item.name}` });
    open.addEventListener("click", () => tell("opened", item.key));
    const remove = element("button", { type: "button", className: "remove", text: "×", title: `Remove ${item.name}` });
    remove.setAttribute("aria-label", remove.title);
    remove.addEventListener("click", () => tell("removed", item.key));
    this.node = element("li", { className: "card" },
      element("header", {}, this.parts.verdict, open, remove),
      this.parts.reason,
      element("div", { className: "body" },
        this.pictures(picture),
        element("div", { className: "numbers" }, this.score(board), this.bars(board))),
      element("div", { className: "curves" }, ...item.nearest.map((place) => this.curve(place, board))));
    this.node.dataset.key = item.key;
  }

  /** @param {View} picture */
  pictures(picture) {
    /** @type {(url: string, caption: string, label: string) => HTMLElement} */
    const figure = (url, caption, label) => {
      const image = element("img", { src: url, alt: label, loading: "lazy" });
      return element("figure", {}, image, element("figcaption", { text: caption }));
    };
    return element("div", { className: "pictures" },
      figure(picture.original, `original, ${picture.size.join(" × ")}`, `${this.item.name}, original`),
      figure(picture.seen, `the network sees ${picture.seen_size.join(" × ")}`, `${this.item.name}, as the network sees it`));
  }

  /**
   * Where the score lies on the slider's way.
   *
   * @param {Board} board
   */
  score(board) {
    const dot = element("i", { className: "dot" });
    dot.style.left = `${100 * board.control.shareOf(this.item.score)}%`;
    const track = element("div", { className: "score" }, dot, this.parts.mark);
    track.title = `score ${this.item.score}`;
    return element("div", { className: "call" }, this.parts.gap, track);
  }

  /** @param {Board} board */
  bars(board) {
    const { item } = this;
    /** @param {number} index */
    const nameOf = (index) => board.sent.classes[index] ?? UNKNOWN;
    /** @type {[name: string, before: number | null, after: number | null, kind: string][]} */
    const rows = item.bars.map(([index, before, after]) => [nameOf(index), before, after, index === board.sent.classes.length ? "unknown" : ""]);
    const isOpenMax = item.others.after !== null;
    if (item.others.count) rows.splice(isOpenMax ? -1 : rows.length, 0, [`${item.others.count} others`, item.others.before, item.others.after, "others"]);
    const table = element("div", { className: "bars" });
    table.setAttribute("role", "img");
    const title = isOpenMax ? "Probabilities before and after OpenMax" : "Softmax probabilities";
    /** @param {(number | null)[]} shares */
    const told = (shares) => shares.slice(0, isOpenMax ? 2 : 1).map((share) => (share === null ? "none" : fixed(share))).join(", ");
    table.setAttribute("aria-label", `${title}. ${rows.map(([name, before, after]) => `${name}: ${told([before, after])}`).join("; ")}`);
    const heads = isOpenMax
      ? [element("em", { className: "before", text: "before: softmax" }), element("em", { className: "after", text: "after: OpenMax" })]
      : [element("em", { className: "before", text: "softmax" })];
    table.append(element("span", { className: "head" }), element("span", { className: "head" }, ...heads), element("span", { className: "head" }));
    rows.forEach(([name, before, after, kind], at) => {
      /** @type {(share: number, className: string) => HTMLElement} */
      const bar = (share, className) => {
        const made = element("i", { className });
        made.style.width = `${100 * share}%`;
        return made;
      };
      const track = element("div", { className: `pair ${kind}` });
      if (before !== null) track.append(bar(before, "before"));
      if (after !== null) track.append(bar(after, "after"));
      const cells = [
        element("span", { className: "label", text: name, title: name }), track,
        element("span", {
          className: "values",
          text: fixed(after ?? before ?? 0),
          title: after === null ? String(before) : `before ${before === null ? "–" : before}, after ${after}`,
        })];
      for (const cell of cells) cell.style.gridRow = String(at + 2);
      table.append(...cells);
    });
    if (board.sent.is_probability) {
      const overlay = element("div", { className: "overlay" }, this.parts.line);
      overlay.style.gridRow = `2 / ${rows.length + 2}`;
      table.append(overlay);
    }
    return table;
  }

  /**
   * @param {[number, number, number]} place class, distance, CDF
   * @param {Board} board
   */
  curve([index, distance, cdf], board) {
    const { x, y, tail } = board.sent.curves[index];
    const name = board.sent.classes[index];
    const end = x[x.length - 1];
    const isFar = distance > FAR * end;
    const last = Math.max(end * 1.05, Math.min(distance * 1.04, FAR * end));
    /** @param {number} value */
    const across = (value) => (Math.min(value, last) / last) * PLOT.width;
    /** @param {number} share */
    const up = (share) => PLOT.height - 3 - share * (PLOT.height - 9);
    const drawing = drawn("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", preserveAspectRatio: "none" });
    drawing.setAttribute("aria-label", `Weibull CDF of ${name}: ${cdf.toFixed(4)} at distance ${short(distance)}`);
    const points = x.map((value, at) => `${across(value).toFixed(1)},${up(y[at]).toFixed(1)}`);
    points.push(`${PLOT.width},${up(y[y.length - 1]).toFixed(1)}`);
    drawing.append(drawn("polyline", { points: points.join(" "), class: "cdf" }));
    for (const value of tail) {
      drawing.append(drawn("line", { x1: across(value), x2: across(value), y1: PLOT.height - 3, y2: PLOT.height - 10, class: "rug" }));
    }
    const at = isFar ? PLOT.width - 5 : across(distance);
    drawing.append(drawn("line", { x1: at, x2: at, y1: 0, y2: PLOT.height - 3, class: "here" }));
    const point = element("i", { className: isFar ? "point far" : "point", text: isFar ? "▶" : "" });
    point.style.left = `${(100 * at) / PLOT.width}%`;
    point.style.top = `${(100 * up(cdf)) / PLOT.height}%`;
    const caption = element("figcaption", {},
      element("span", { className: "of", title: name }, "class ", element("b", { text: name })),
      element("span", { className: "at", text: `CDF ${cdf.toFixed(4)} at ${short(distance)}` }));
    return element("figure", { className: "curve" }, caption, element("div", { className: "plot" }, drawing, point));
  }

  /**
   * Show the decision at a threshold; the sentences are the server's.
   *
   * @param {number} limit
   * @param {ThresholdControl} control
   */
  decide(limit, control) {
    const { item, parts } = this;
    if (limit === this.limit) return;
    this.limit = limit;
    const isAccepted = item.isAccepted(limit);
    const [before, after] = isAccepted ? item.accepted : item.rejected;
    const sentence = after === null ? before : `${before}${limit}${after}`;
    this.node.classList.toggle("accepted", isAccepted);
    this.node.classList.toggle("rejected", !isAccepted);
    setText(parts.verdict, isAccepted ? `Accepted as ${this.item.className}` : "Rejected");
    setText(parts.reason, `${sentence[0].toUpperCase()}${sentence.slice(1)}.`);
    let digits = 4; // more, where the score and the threshold would look the same
    while (digits < 15 && item.score !== limit && item.score.toFixed(digits) === limit.toFixed(digits)) digits += 1;
    const gap = Math.abs(item.score - limit).toFixed(digits);
    setText(parts.gap, item.is_unknown
      ? `score ${item.score.toFixed(4)} · ‘unknown’ is ahead by ${item.margin.toFixed(4)}; no threshold changes that`
      : `score ${item.score.toFixed(digits)} · ${gap} ${isAccepted ? "above" : "below"} the threshold`);
    parts.mark.style.left = `${100 * control.shareOf(limit)}%`;
    parts.line.style.left = `${100 * Math.min(Math.max(limit, 0), 1)}%`;
  }
}

class Board {
  /**
   * @param {ParentNode} parent
   * @param {Tell} tell
   */
  constructor(parent, tell) {
    this.root = part(parent, ".board");
    /** @param {string} selector */
    this.find = (selector) => part(this.root, selector);
    this.list = this.find(".list");
    this.sort = part(this.root, ".sort select", HTMLSelectElement);
    this.byClass = part(this.root, ".by-class input", HTMLInputElement);
    /** @type {CardsData | null} */
    this.data = null;
    /** @type {SentBoard} */
    this.sent = { id: "", classes: [], positions: [0, 1], ways: [0, 1], has_unknown: false, is_probability: false, curves: {}, cards: [] };
    /** @type {Item[]} */
    this.items = [];
    /** @type {Card[]} */
    this.shown = [];
    /** @type {Map<string, View>} */
    this.pictures = new Map();
    /** @type {Map<string, Card>} */
    this.cards = new Map();
    /** @type {number | null} */
    this.heard = null; // moves that the server was told of
    this.nShown = FIRST;
    this.frame = 0;
    this.tell = tell;
    /** @type {(moved: Moved) => void} */
    this.send = () => {};
    for (const [value, text] of Object.entries(ORDERS)) this.sort.append(element("option", { value, text }));
    this.control = new ThresholdControl(this.root, {
      moved: () => this.paintSoon(),
      released: () => this.release(),
      said: (text) => { this.find(".said").textContent = text; },
    });
    this.sort.addEventListener("change", () => { this.nShown = FIRST; this.arrange(); });
    this.byClass.addEventListener("change", () => { this.paint(); this.release(); });
    this.find(".clear").addEventListener("click", () => this.tell("removed", "all"));
    this.find(".more").addEventListener("click", () => {
      this.nShown += FIRST;
      wanted.set(this.sent.id, this.nShown);
      this.arrange();
    });
  }

  /**
   * Take what the server sent; its threshold only where it has heard of ours.
   *
   * @param {CardsData} data
   * @param {(moved: Moved) => void} send
   * @param {Tell} tell
   */
  update(data, send, tell) {
    this.send = send;
    this.tell = tell;
    for (const [key, picture] of Object.entries(data.pictures)) this.pictures.set(key, picture);
    const board = data.board ?? this.sent;
    const isWhole = board.id === data.board_id && board.cards.every((item) => this.pictures.has(item.key));
    if (!isWhole) {
      // The server thinks that we have something which we do not have.
      tell("lacking", true);
      return;
    }
    if (board !== this.sent) this.take(board);
    this.data = data;
    this.heard ??= data.echo;
    if (data.echo === this.heard && !this.control.isBusy) {
      this.control.set(data.value);
      this.byClass.checked = data.is_by_class;
    }
    this.root.hidden = false;
    this.arrange();
  }

  /** @param {SentBoard} sent */
  take(sent) {
    this.sent = sent;
    this.nShown = Math.max(this.nShown, wanted.get(sent.id) ?? FIRST);
    this.cards.clear();
    this.items = sent.cards.map((card) => ({
      ...card,
      className: sent.classes[card.class],
      isAccepted: (limit) => !card.is_unknown && card.score >= limit,
    }));
    const kept = new Set(this.items.map((item) => item.key));
    for (const key of this.pictures.keys()) if (!kept.has(key)) this.pictures.delete(key);
    this.control.setScale(sent.positions, sent.ways);
    this.find(".or-unknown").hidden = !sent.has_unknown;
    this.find(".ticks").replaceChildren(...this.items.map((item) => {
      const tick = element("i", { className: item.is_unknown ? "unknown" : "" });
      tick.style.left = `${100 * this.control.shareOf(item.score)}%`;
      return tick;
    }));
  }

  /* The threshold, one for all or one of each class. */

  /** The thresholds per class; null where there are none, or not at this threshold. */
  get classLimits() {
    return this.control.value === this.data?.class_limits_at ? this.data.class_limits : null;
  }

  showByClass() {
    this.find(".by-class").hidden = !this.data?.class_limits;
    this.byClass.disabled = !this.classLimits;
    setText(this.find(".by-class span"), this.classLimits
      ? "Thresholds per class, as chosen for this workspace"
      : `One threshold for all classes. Thresholds per class are for this workspace’s threshold ${this.data?.class_limits_at}`);
  }

  /** @param {Item} item */
  limitOf(item) {
    return this.byClass.checked && this.classLimits ? this.classLimits[item.class] : this.control.value;
  }

  paintSoon() {
    if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.paint(); });
  }

  paint() {
    this.showByClass();
    let nAccepted = 0;
    for (const item of this.items) nAccepted += Number(item.isAccepted(this.limitOf(item)));
    setText(this.find(".counts .accepted b"), String(nAccepted));
    setText(this.find(".counts .rejected b"), String(this.items.length - nAccepted));
    for (const card of this.shown) card.decide(this.limitOf(card.item), this.control);
    this.control.slider.setAttribute("aria-valuetext", `Threshold ${this.control.value}: ${nAccepted} of ${this.items.length} accepted`);
  }

  release() {
    this.arrange();
    const { data, control } = this;
    const isByClass = this.byClass.checked;
    if (!data || this.heard === null) return;
    if (data.echo === this.heard && data.value === control.value && data.is_by_class === isByClass) return;
    this.heard += 1;
    this.find(".said").textContent = control.slider.getAttribute("aria-valuetext");
    this.send({ value: control.value, count: this.heard, is_by_class: isByClass });
  }

  /* The order, which changes when the threshold is let go: cards that run away cannot be read. */

  ordered() {
    /** @typedef {(a: Item, b: Item) => number} Order */
    /** @type {Order} */
    const byName = (a, b) => NATURAL.compare(a.name, b.name);
    /** @param {Item} item */
    const closeness = (item) => (item.is_unknown ? 2 + item.margin : Math.abs(item.score - this.limitOf(item)));
    /** @type {Order} */
    const byCloseness = (a, b) => closeness(a) - closeness(b) || byName(a, b);
    /** @param {Item} item */
    const rank = (item) => (item.isAccepted(this.limitOf(item)) ? 1 + item.class : 0);
    /** @type {Record<string, Order>} */
    const orders = { close: byCloseness, name: byName, verdict: (a, b) => rank(a) - rank(b) || byCloseness(a, b) };
    return [...this.items].sort(orders[this.sort.value]);
  }

  arrange() {
    const shown = this.ordered().slice(0, this.nShown);
    this.shown = shown.flatMap((item) => {
      const view = this.pictures.get(item.key);
      if (!view) return [];
      const card = this.cards.get(item.key) ?? new Card(item, this, view, (...said) => this.tell(...said));
      this.cards.set(item.key, card);
      return [card];
    });
    const nodes = this.shown.map((card) => card.node);
    const isSame = nodes.length === this.list.children.length && nodes.every((node, at) => node === this.list.children[at]);
    if (!isSame) this.list.replaceChildren(...nodes);
    const nUnknown = this.items.filter((item) => item.is_unknown).length;
    /** @type {Record<string, string>} */
    const inWords = {
      close: `Nearest to the threshold first.${nUnknown ? " Pictures with ‘unknown’ as the most probable come last: no threshold changes their decision." : ""}`,
      verdict: "Rejected pictures first, then the classes. Within each, nearest to the threshold first.",
      name: "",
    };
    setText(this.find(".order"), inWords[this.sort.value]);
    const nMore = this.items.length - shown.length;
    const more = this.find(".more");
    more.hidden = nMore === 0;
    setText(more, `Show ${Math.min(FIRST, nMore)} more of ${nMore}`);
    this.paint();
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    this.control.destroy();
  }
}

/** @type {WeakMap<Node, Board>} */
const boards = new WeakMap();

/** @param {Given<CardsData>} given */
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const board = boards.get(parentElement) ?? new Board(parentElement, setTriggerValue);
  boards.set(parentElement, board);
  board.update(data, (state) => setStateValue("moved", state), setTriggerValue);
  return () => {
    boards.delete(parentElement);
    board.destroy();
  };
}
