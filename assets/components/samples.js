/* Small pictures that a click adds, and takes away again; the server is told which. */
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ol");
  const focused = (parentElement.activeElement ?? document.activeElement)?.dataset?.key;
  parentElement.querySelector("p").textContent = "None at hand? Click samples of this workspace";
  const made = data.items.map((item) => {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = item.key;
    button.className = item.kind;
    button.setAttribute("aria-pressed", String(item.pressed));
    button.setAttribute("aria-label", `Sample ${item.path}: ${item.kind}, ${item.caption}`);
    button.title = item.pressed ? `Take ${item.key} away` : `Add ${item.key}`;
    const picture = document.createElement("img");
    picture.src = item.picture;
    picture.alt = "";
    const kind = document.createElement("b");
    kind.textContent = item.kind;
    const caption = document.createElement("span");
    caption.textContent = item.caption;
    button.append(picture, kind, caption);
    button.addEventListener("click", () => setTriggerValue("clicked", item.key));
    entry.append(button);
    return entry;
  });
  list.replaceChildren(...made);
  made.find((entry) => entry.firstChild.dataset.key === focused)?.firstChild.focus();
}
