// @ts-check
/*
 * A slider and an exact number for one threshold: drag, keys, typing. They tell the threshold while
 * it moves, and once more on release. The slider moves by rank: each position has its share of the
 * slider's way, and equal ways change equal shares of the decisions. An arrow key moves to the next
 * position, however near it is. This text stands between dom.js and that of a component.
 */

/**
 * Whom a control tells.
 *
 * @typedef {object} Listener
 * @property {() => void} moved it has another value, which is not final
 * @property {() => void} released its value is final
 * @property {(text: string) => void} said words for a mistake
 * @property {(typed: number) => number} [taken] what a typed value is taken for
 */

const PAGE = 0.02; // share of the way that page up and page down move
const KEY_MILLISECONDS = 300; // after the last key press it counts as released

/**
 * Index of the first of ascending values that is not below the wanted one.
 *
 * @param {ArrayLike<number>} values
 * @param {number} wanted
 */
function firstFrom(values, wanted) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Index of the value that is nearest to the wanted one.
 *
 * @param {ArrayLike<number>} values ascending
 * @param {number} wanted
 */
function nearest(values, wanted) {
  const above = Math.min(firstFrom(values, wanted), values.length - 1);
  const below = Math.max(above - 1, 0);
  return wanted - values[below] < values[above] - wanted ? below : above;
}

class ThresholdControl {
  /**
   * @param {HTMLElement} root
   * @param {Listener} listener
   */
  constructor(root, { moved, released, said, taken = (typed) => typed }) {
    this.root = root;
    this.slider = part(root, ".track input", HTMLInputElement);
    this.number = part(root, ".number", HTMLInputElement);
    this.tell = { moved, released, said, taken };
    /** @type {ArrayLike<number>} */
    this.positions = [0, 1];
    /** @type {ArrayLike<number>} */
    this.ways = [0, 1];
    [this.slider.min, this.slider.max] = ["0", "1"];
    this.value = 0;
    this.isHeld = false;
    this.keyTimer = 0;
    const ends = new AbortController();
    this.destroy = () => {
      clearTimeout(this.keyTimer);
      ends.abort();
    };
    /**
     * @template {keyof HTMLElementEventMap} Name
     * @param {HTMLElement} target
     * @param {Name} name
     * @param {(event: HTMLElementEventMap[Name]) => void} handler
     */
    const on = (target, name, handler) => {
      target.addEventListener(name, handler, { signal: ends.signal });
    };
    on(this.slider, "pointerdown", () => {
      if (this.keyTimer) this.release(); // else it would be released in the middle of the drag
      this.isHeld = true;
    });
    on(this.slider, "input", () => this.move(this.positionAt(this.slider.valueAsNumber)));
    on(this.slider, "change", () => this.release());
    on(this.slider, "pointerup", () => { this.isHeld = false; });
    on(this.slider, "pointercancel", () => { this.isHeld = false; });
    on(this.slider, "keydown", (event) => this.onKey(event));
    on(this.slider, "blur", () => { if (this.keyTimer) this.release(); });
    on(this.number, "keydown", (event) => {
      if (event.key === "Enter") this.onTyped();
      else if (event.key === "Escape") this.showNumber();
      event.stopPropagation(); // Streamlit's own shortcuts are letters
    });
    on(this.number, "change", () => this.onTyped());
  }

  /** It is being moved: what the server says is older. */
  get isBusy() {
    return this.isHeld || this.keyTimer !== 0;
  }

  /**
   * @param {ArrayLike<number>} positions ascending thresholds, at which the slider stops
   * @param {ArrayLike<number>} ways of each the share of the slider's way, from 0 to 1
   */
  setScale(positions, ways) {
    this.positions = positions;
    this.ways = ways;
    /** @param {number} end */
    const short = (end) => String(Number(end.toPrecision(6)));
    part(this.root, ".lowest").textContent = short(this.lowest);
    part(this.root, ".highest").textContent = short(this.highest);
  }

  get lowest() {
    return this.positions[0];
  }

  get highest() {
    return this.positions[this.positions.length - 1];
  }

  /** @param {number} value */
  set(value) {
    this.value = value;
    this.show();
  }

  /**
   * Position of the slider that is nearest to a threshold.
   *
   * @param {number} threshold
   */
  nearest(threshold) {
    return this.positions[nearest(this.positions, threshold)];
  }

  /**
   * Position that is nearest to a share of the slider's way.
   *
   * @param {number} way
   */
  positionAt(way) {
    return this.positions[nearest(this.ways, way)];
  }

  /**
   * Share of the slider's way at which a threshold lies; between two positions on a straight line.
   *
   * @param {number} threshold
   */
  shareOf(threshold) {
    const { positions, ways } = this;
    const above = firstFrom(positions, threshold);
    if (above === 0) return ways[0];
    if (above === positions.length) return ways[above - 1];
    const part = (threshold - positions[above - 1]) / (positions[above] - positions[above - 1]);
    return ways[above - 1] + part * (ways[above] - ways[above - 1]);
  }

  /** @param {number} value */
  move(value) {
    this.set(value);
    this.tell.moved();
  }

  release() {
    clearTimeout(this.keyTimer);
    this.keyTimer = 0;
    this.isHeld = false;
    this.tell.released();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { positions, ways } = this;
    const above = firstFrom(positions, this.value);
    const up = above + (positions[above] === this.value ? 1 : 0);
    const down = above - 1;
    /** @param {number} share */
    const at = (share) => nearest(ways, this.shareOf(this.value) + share);
    /** @type {Record<string, () => number>} */
    const targets = {
      ArrowRight: () => up, ArrowUp: () => up, ArrowLeft: () => down, ArrowDown: () => down,
      PageUp: () => Math.max(up, at(PAGE)), PageDown: () => Math.min(down, at(-PAGE)),
      Home: () => 0, End: () => positions.length - 1,
    };
    if (!targets[event.key]) return;
    event.preventDefault();
    this.move(positions[Math.min(Math.max(targets[event.key](), 0), positions.length - 1)]);
    clearTimeout(this.keyTimer);
    this.keyTimer = setTimeout(() => this.release(), KEY_MILLISECONDS);
  }

  onTyped() {
    const text = this.number.value.trim().replace(",", ".");
    let typed = Number(text);
    // The next number above 1 rejects pictures with the score 1.
    const most = 1 + Number.EPSILON;
    const isShare = this.lowest >= 0 && this.highest <= most;
    const isValid = text !== "" && Number.isFinite(typed) && (!isShare || (typed >= 0 && typed <= most));
    this.number.setAttribute("aria-invalid", String(!isValid));
    if (!isValid) {
      this.number.title = isShare ? "A threshold is a number from 0 to 1" : "A threshold is a finite number";
      this.tell.said(this.number.title);
      return;
    }
    typed = this.tell.taken(typed);
    if (typed === this.value) return;
    this.move(typed);
    this.release();
  }

  show() {
    this.slider.style.setProperty("--at", `${(100 * this.shareOf(this.value)).toFixed(2)}%`);
    if (!this.isHeld) this.slider.value = String(this.shareOf(this.value));
    if (!this.number.matches(":focus") || this.isHeld) this.showNumber();
  }

  showNumber() {
    this.number.value = String(this.value);
    this.number.setAttribute("aria-invalid", "false");
  }
}
