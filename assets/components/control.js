// @ts-check
/*
 * A slider and an exact number for one threshold: drag, keys, typing. They tell the threshold while
 * it moves, and once more on release. This text stands between dom.js and that of a component.
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

const PAGE = 10; // positions that page up and page down move
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
    on(this.slider, "pointerdown", () => { this.isHeld = true; });
    on(this.slider, "input", () => this.move(this.nearest(this.slider.valueAsNumber)));
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

  /** @param {ArrayLike<number>} positions ascending, at which the slider stops */
  setPositions(positions) {
    this.positions = positions;
    this.slider.min = String(this.lowest);
    this.slider.max = String(this.highest);
    part(this.root, ".lowest").textContent = this.slider.min;
    part(this.root, ".highest").textContent = this.slider.max;
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
   * Share of the slider's way at which a threshold lies.
   *
   * @param {number} threshold
   */
  shareOf(threshold) {
    return Math.min(Math.max((threshold - this.lowest) / (this.highest - this.lowest), 0), 1);
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
    const { positions } = this;
    const above = firstFrom(positions, this.value);
    /** @param {number} steps */
    const up = (steps) => above + steps - (positions[above] === this.value ? 0 : 1);
    /** @type {Record<string, () => number>} */
    const targets = {
      ArrowRight: () => up(1), ArrowUp: () => up(1), ArrowLeft: () => above - 1, ArrowDown: () => above - 1,
      PageUp: () => up(PAGE), PageDown: () => above - PAGE, Home: () => 0, End: () => positions.length - 1,
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
    const isShare = this.lowest >= 0 && this.highest <= 1;
    const isValid = text !== "" && Number.isFinite(typed) && (!isShare || (typed >= 0 && typed <= 1));
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
    if (!this.isHeld) this.slider.value = String(this.value);
    if (!this.number.matches(":focus") || this.isHeld) this.showNumber();
  }

  showNumber() {
    this.number.value = String(this.value);
    this.number.setAttribute("aria-invalid", "false");
  }
}
