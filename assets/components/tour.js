/*
 * A tour of the demo: a bar at the head of the page, which takes its own room there and stays in
 * sight while one scrolls, and a line around what it speaks of. Whoever has left it is remembered
 * in the browser alone: the server draws it, and it shows only where it was not left before.
 */
const LEFT = "openmax-tour-left"; // the run of the tour that was left last
const RUNNING = "openmax-tour-running"; // in this tab: the step that it is at
const FOCUSED = "openmax-tour-focused";
const FIRST_RUN = "first";
const LOOK_MS = 250; // the page is drawn in pieces, and what is spoken of may come late
const SETTLE_MS = 4000; // until then what is above it may still grow
const MARGIN = 14;

function recall(storage, key) {
  try { return window[storage].getItem(key); } catch { return null; } // storage may be forbidden
}

function remember(storage, key, value) {
  try { window[storage].setItem(key, value); } catch { /* the tour will offer itself again */ }
}

function forget(storage, key) {
  try { window[storage].removeItem(key); } catch { /* it was never kept */ }
}

/** Say a thing once: a screen reader reads again whatever is written anew. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** What a step speaks of: in the page, or inside of a component of the page. */
function find([outer, inner]) {
  const found = document.querySelector(outer);
  if (!found || !inner) return found;
  for (const node of found.querySelectorAll("*")) {
    const part = node.shadowRoot?.querySelector(inner);
    if (part?.offsetHeight) return part;
  }
  return null;
}

function point(place, target, colour) {
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

/** Scroll to what is out of sight, below the bar and never under it. */
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
 * Whether to show: where it goes on, where it was asked for and not left since, and to whom it is
 * new, unless a link led here.
 */
function isShown(data, running) {
  const left = recall("localStorage", LEFT);
  if (data.run !== null) return left !== data.run;
  return running !== null || (left === null && !data.by_link);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const bar = parentElement.querySelector(".tour");
  const place = bar.getRootNode().host.closest(".st-key-tour");
  const part = (name) => bar.querySelector(`.${name}`);
  const run = data.run ?? FIRST_RUN;
  bar.stop?.();

  const show = (isOpen) => {
    bar.hidden = !isOpen;
    if (isOpen) place.dataset.open = "";
    else delete place.dataset.open;
  };
  const running = recall("sessionStorage", RUNNING);
  if (!isShown(data, running)) {
    show(false);
    return undefined;
  }
  // After a reload the server begins anew; the tab knows where it was.
  if (running !== null && data.move === null && Number(running) !== data.step) {
    setTriggerValue("resume", Number(running));
    return undefined;
  }
  remember("sessionStorage", RUNNING, String(data.step));

  const isLast = data.step === data.titles.length - 1;
  say(part("place"), `Tour · ${data.step + 1} of ${data.titles.length}`);
  say(part("title"), data.titles[data.step]);
  say(part("text"), data.text);
  part("back").hidden = !data.is_here || data.step === 0;
  say(part("next"), !data.is_here ? "Go on" : isLast ? "Done" : `Next: ${data.titles[data.step + 1]}`);
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
  bar.stop = stop;

  const step = (by) => setTriggerValue("step", data.step + by);
  part("back").onclick = () => step(-1);
  part("next").onclick = () => {
    if (!data.is_here) step(0);
    else if (isLast) leave();
    else step(1);
  };
  part("leave").onclick = leave;
  // Only from within the bar: elsewhere Esc closes dialogs, lists and full-screen pictures.
  bar.onkeydown = (event) => { if (event.key === "Escape") leave(); };

  // Whoever asked for this step goes on with the keyboard from here; nobody else's focus is taken.
  if (data.move && recall("sessionStorage", FOCUSED) !== data.move) {
    remember("sessionStorage", FOCUSED, data.move);
    part("next").focus({ preventScroll: true });
  }
  return stop;
}
