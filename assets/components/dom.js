// @ts-check
/*
 * What the components share. Its text stands before that of each of them, see components.py.
 * All texts are set as text: nothing that is sent is ever read as HTML.
 */

/**
 * What Streamlit gives to a component.
 *
 * @template Data
 * @typedef {object} Given
 * @property {Data} data what the server sent
 * @property {HTMLElement | ShadowRoot} parentElement
 * @property {(name: string, value: unknown) => void} setStateValue
 * @property {(name: string, value: unknown) => void} setTriggerValue
 */

const COUNT = new Intl.NumberFormat("en");

/**
 * Make an element with properties, text and children.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Partial<HTMLElementTagNameMap[Name]> & { text?: string }} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
function element(name, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

/**
 * Find the part of a component that must be there.
 *
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
function part(root, selector, kind = /** @type {any} */ (HTMLElement)) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`the component has no ${selector}`);
  return found;
}

/**
 * Set a text only where it is another: a screen reader reads again whatever is written anew.
 *
 * @param {Element} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
