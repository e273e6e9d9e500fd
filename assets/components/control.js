/*
 * A threshold's slider and exact number in step: drag, keys, typing. It tells where the threshold is
 * while it moves, and once when it is let go.
 */
const PAGE = 10; // positions that page up and page down move
const KEY_MILLISECONDS = 300; // after the last key press it counts as let go

/** Index of the first of ascending values that is not below the wanted one. */
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

function nearest(values, wanted) {
  const above = Math.min(firstFrom(values, wanted), values.length - 1);
  const below = Math.max(above - 1, 0);
  return wanted - values[below] < values[above] - wanted ? below : above;
}

class ThresholdControl {
  /**
   * moved: it has another value, which is not final; released: it is; said: words for a mistake;
   * taken: what a typed value is taken for.
   */
  constructor(root, { moved, released, said, taken = (typed) => typed }) {
    this.root = root;
    this.slider = root.querySelector(".track input");
    this.number = root.querySelector(".number");
    this.tell = { moved, released, said, taken };
    this.positions = [0, 1];
    this.value = 0;
    this.isHeld = false;
    this.keyTimer = 0;
    this.cleaners = [() => clearTimeout(this.keyTimer)];
    const on = (target, name, handler) => {
      target.addEventListener(name, handler);
      this.cleaners.push(() => target.removeEventListener(name, handler));
    };
    on(this.slider, "pointerdown", () => { this.isHeld = true; });
    on(this.slider, "input", () => this.move(this.nearest(this.slider.valueAsNumber)));
    on(this.slider, "change", () => this.release());
    for (const name of ["pointerup", "pointercancel"]) on(this.slider, name, () => { this.isHeld = false; });
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

  setPositions(positions) {
    this.positions = positions;
    this.slider.min = positions[0];
    this.slider.max = positions.at(-1);
    this.root.querySelector(".lowest").textContent = positions[0];
    this.root.querySelector(".highest").textContent = positions.at(-1);
  }

  set(value) {
    this.value = value;
    this.show();
  }

  /** Position of the slider that is nearest to a threshold. */
  nearest(threshold) {
    return this.positions[nearest(this.positions, threshold)];
  }

  /** Share of the slider's way at which a threshold lies. */
  shareOf(threshold) {
    const [first, last] = [this.positions[0], this.positions.at(-1)];
    return Math.min(Math.max((threshold - first) / (last - first), 0), 1);
  }

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

  onKey(event) {
    const { positions } = this;
    const above = firstFrom(positions, this.value);
    const up = (steps) => above + steps - (positions[above] === this.value ? 0 : 1);
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
    const isValid = text !== "" && typed >= 0 && typed <= 1;
    this.number.setAttribute("aria-invalid", String(!isValid));
    if (!isValid) {
      this.number.title = "A threshold is a number from 0 to 1";
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
    if (!this.isHeld) this.slider.value = this.value;
    if (this.number.getRootNode().activeElement !== this.number || this.isHeld) this.showNumber();
  }

  showNumber() {
    this.number.value = String(this.value);
    this.number.setAttribute("aria-invalid", "false");
  }

  destroy() {
    for (const clean of this.cleaners) clean();
  }
}
