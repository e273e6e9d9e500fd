// @ts-check
/* Small pictures. A click tells the server which one to add, or to remove again. */

/**
 * @typedef {object} SamplePicture
 * @property {string} key
 * @property {string} path
 * @property {"known" | "unknown"} kind
 * @property {string} caption
 * @property {string} picture data URL
 * @property {boolean} pressed it is added
 */

/** @param {Given<{ items: SamplePicture[] }>} given */
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement instanceof ShadowRoot ? parentElement : document;
  const focused = root.activeElement instanceof HTMLElement ? root.activeElement.dataset.key : null;
  part(parentElement, "p").textContent = "No pictures at hand? Click samples of this workspace";
  const buttons = data.items.map((item) => {
    const button = element(
      "button",
      { type: "button", className: item.kind, title: `${item.pressed ? "Remove" : "Add"} ${item.key}` },
      element("img", { src: item.picture, alt: "" }),
      element("b", { text: item.kind }),
      element("span", { text: item.caption }),
    );
    button.dataset.key = item.key;
    button.setAttribute("aria-pressed", String(item.pressed));
    button.setAttribute("aria-label", `Sample ${item.path}: ${item.kind}, ${item.caption}`);
    button.addEventListener("click", () => setTriggerValue("clicked", item.key));
    return button;
  });
  part(parentElement, "ol").replaceChildren(...buttons.map((button) => element("li", {}, button)));
  buttons.find((button) => button.dataset.key === focused)?.focus();
}
