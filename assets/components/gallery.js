// @ts-check
/* Thumbnails. A click tells the server which one to open. */

/**
 * @typedef {object} Thumbnail
 * @property {string} key
 * @property {string} path
 * @property {string | null} picture data URL
 * @property {string} [gone] why there is no picture
 * @property {string[]} lines
 */

/** @param {Given<{ items: Thumbnail[] }>} given */
export default function ({ data, parentElement, setTriggerValue }) {
  const made = data.items.map((item) => {
    const picture = item.picture
      ? element("img", { src: item.picture, alt: "" })
      : element("div", { className: "gone", text: item.gone ?? "The picture is no longer there" });
    const lines = item.lines.map((text, index) => element(index ? "span" : "b", { text }));
    const button = element("button", { type: "button", title: item.path },
      picture, element("div", { className: "text" }, ...lines));
    button.addEventListener("click", () => setTriggerValue("opened", item.key));
    return element("li", {}, button);
  });
  part(parentElement, "ol").replaceChildren(...made);
}
