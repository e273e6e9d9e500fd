// @ts-check
/*
 * A tour of the demo: a bar at the head of the page, which takes its own room there and stays in
 * sight while one scrolls, and a line around what it speaks of. Only the browser remembers who has
 * left the tour: the server draws it for everybody, and it stays hidden where it was left before.
 */

/**
 * @typedef {object} TourData
 * @property {string[]} titles of all steps
 * @property {number} step
 * @property {string} text
 * @property {[outer: string, inner: string | null]} target selectors of what the step speaks of
 * @property {boolean} is_here the step belongs to this page
 * @property {boolean} by_link a link led to this page
 * @property {string | null} run set where the visitor asked for the tour
 * @property {string | null} move set where the visitor asked for this step
 */
/** @typedef {"localStorage" | "sessionStorage"} StorageName */

const LEFT = "openmax-tour-left"; // the run of the tour that was left last
const RUNNING = "openmax-tour-running"; // in this tab: the step that it is at
const FOCUSED = "openmax-tour-focused";
const FIRST_RUN = "first";
const LOOK_MS = 250; // the page is drawn in pieces, and what is spoken of may come late
const SETTLE_MS = 4000; // until then what is above it may still grow
const MARGIN = 14;

/** @type {(storage: StorageName, key: string) => string | null} */
function recall(storage, key) {
  try { return window[storage].getItem(key); } catch { return null; } // storage may be forbidden
}

/** @type {(storage: StorageName, key: string, value: string) => void} */
function remember(storage, key, value) {
  try { window[storage].setItem(key, value); } catch { /* the tour will offer itself again */ }
}

/** @type {(storage: StorageName, key: string) => void} */
function forget(storage, key) {
  try { window[storage].removeItem(key); } catch { /* it was never kept */ }
}

/**
 * What a step speaks of: in the page, or inside of a component of the page.
 *
 * @param {TourData["target"]} target
 * @returns {HTMLElement | null}
 */
function find([outer, inner]) {
  const found = /** @type {HTMLElement | null} */ (document.querySelector(outer));
  if (!found || !inner) return found;
  for (const node of found.querySelectorAll("*")) {
    const inside = node.shadowRoot?.querySelector(inner);
    if (inside instanceof HTMLElement && inside.offsetHeight) return inside;
  }
  return null;
}

/**
 * Draw a line around what a step speaks of, and bring it into sight until the visitor acts.
 *
 * @param {HTMLElement} place of the bar
 * @param {TourData["target"]} target
 * @param {string} colour
 * @returns {() => void} removes the line
 */
function point(place, target, colour) {
  /** @type {HTMLElement | null} */
  let marked = null;
  const started = performance.now();
  let isLeftAlone = false;
  const letAlone = () => { isLeftAlone = true; };
  const gestures = ["wheel", "touchmove", "keydown", "pointerdown"];
  for (const name of gestures) window.addEventListener(name, letAlone, { passive: true, once: true });

  const unmark = () => {
    for (const name of ["outline", "outline-offset", "border-radius"]) marked?.style.removeProperty(name);
    marked = null;
  };
  const look = () => {
    const node = find(target);
    if (node !== marked) {
      unmark();
      if (!node) return;
      marked = node;
      node.style.outline = `2px solid ${colour}`;
      node.style.outlineOffset = "5px";
      node.style.borderRadius = "4px";
    }
    if (node && !isLeftAlone && performance.now() - started < SETTLE_MS) bring(place, node);
  };
  const timer = setInterval(look, LOOK_MS);
  look();
  return () => {
    clearInterval(timer);
    for (const name of gestures) window.removeEventListener(name, letAlone);
    unmark();
  };
}

/**
 * Scroll to what is out of sight, below the bar and never under it.
 *
 * @param {HTMLElement} place of the bar
 * @param {HTMLElement} node
 */
function bring(place, node) {
  const main = document.querySelector('[data-testid="stMain"]');
  if (!main) return;
  const free = place.getBoundingClientRect().bottom + MARGIN;
  const { top, bottom } = node.getBoundingClientRect();
  const isInSight = top >= free - 2 && (bottom <= main.clientHeight || top <= 0.7 * main.clientHeight);
  if (isInSight) return;
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  main.scrollBy({ top: top - free, behavior: isCalm ? "auto" : "smooth" });
}

/**
 * Whether to show it: where it goes on, where the visitor asked for it and has not left it since,
 * and to new visitors, unless a link led here.
 *
 * @param {TourData} data
 * @param {string | null} running step that this tab is at
 */
function isShown(data, running) {
  const left = recall("localStorage", LEFT);
  if (data.run !== null) return left !== data.run;
  return running !== null || (left === null && !data.by_link);
}

/** @type {WeakMap<HTMLElement, () => void>} */
const running = new WeakMap(); // what ends the present step of a bar

/** @param {Given<TourData>} given */
export default function ({ data, parentElement, setTriggerValue }) {
  const bar = part(parentElement, ".tour");
  const root = /** @type {ShadowRoot} */ (bar.getRootNode());
  const place = /** @type {HTMLElement} */ (root.host.closest(".st-key-tour"));
  const [back, next, leaves] = [part(bar, ".back"), part(bar, ".next"), part(bar, ".leave")];
  const run = data.run ?? FIRST_RUN;
  running.get(bar)?.();

  /** @param {boolean} isOpen */
  const show = (isOpen) => {
    bar.hidden = !isOpen;
    if (isOpen) place.dataset.open = "";
    else delete place.dataset.open;
  };
  const at = recall("sessionStorage", RUNNING);
  if (!isShown(data, at)) {
    show(false);
    return undefined;
  }
  // After a reload the server begins anew; the tab knows where it was.
  if (at !== null && data.move === null && Number(at) !== data.step) {
    setTriggerValue("resume", Number(at));
    return undefined;
  }
  remember("sessionStorage", RUNNING, String(data.step));

  const isLast = data.step === data.titles.length - 1;
  const following = isLast ? "Done" : `Next: ${data.titles[data.step + 1]}`;
  setText(part(bar, ".place"), `Tour · ${data.step + 1} of ${data.titles.length}`);
  setText(part(bar, ".title"), data.titles[data.step]);
  setText(part(bar, ".text"), data.text);
  back.hidden = !data.is_here || data.step === 0;
  setText(next, data.is_here ? following : "Continue the tour");
  show(true);

  let release = data.is_here ? point(place, data.target, getComputedStyle(bar).getPropertyValue("--primary")) : () => {};
  const stop = () => {
    release();
    release = () => {};
  };
  const leave = () => {
    remember("localStorage", LEFT, run);
    forget("sessionStorage", RUNNING);
    show(false);
    stop();
    document.getElementById("stMain")?.focus({ preventScroll: true });
  };
  running.set(bar, stop);

  /** @param {number} by */
  const step = (by) => setTriggerValue("step", data.step + by);
  back.onclick = () => step(-1);
  next.onclick = () => {
    if (!data.is_here) step(0);
    else if (isLast) leave();
    else step(1);
  };
  leaves.onclick = leave;
  // Only from within the bar: elsewhere Esc closes dialogs, lists and full-screen pictures.
  bar.onkeydown = (event) => { if (event.key === "Escape") leave(); };

  // A visitor who asked for this step goes on with the keyboard from here; others keep their focus.
  if (data.move && recall("sessionStorage", FOCUSED) !== data.move) {
    remember("sessionStorage", FOCUSED, data.move);
    next.focus({ preventScroll: true });
  }
  return stop;
}
