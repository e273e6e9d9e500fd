/* Thumbnails that open on a click; the server is told which. */
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ol");
  const made = data.items.map((item) => {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.title = item.path;
    const picture = document.createElement(item.picture ? "img" : "div");
    if (item.picture) {
      picture.src = item.picture;
      picture.alt = "";
    } else {
      picture.className = "gone";
      picture.textContent = item.gone ?? "The picture is no longer there";
    }
    const text = document.createElement("div");
    text.className = "text";
    const lines = item.lines.map((line, index) => {
      const node = document.createElement(index ? "span" : "b");
      node.textContent = line;
      return node;
    });
    text.append(...lines);
    button.append(picture, text);
    button.addEventListener("click", () => setTriggerValue("opened", item.key));
    entry.append(button);
    return entry;
  });
  list.replaceChildren(...made);
}
