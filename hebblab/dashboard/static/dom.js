/** The little that is needed to build and change a page; every text is set as text. */

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";
const ELEMENTS = new Set(
  ("math mrow mi mn mo mtext mspace msub msup msubsup mfrac msqrt mroot mover munder munderover " +
    "mtable mtr mtd mstyle mpadded").split(" "),
);
const ATTRIBUTES = new Set(
  ("accent columnalign data-symbol fence form lspace mathvariant maxsize minsize rspace separator " +
    "stretchy width").split(" "),
);
const ICONS = {
  start: "M4 2.5v11l9.5-5.5z",
  pause: "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z",
  step: "M3 2.5v11l7.5-5.5zM11.2 2.5h2v11h-2z",
  restart: "M8 2.6a5.4 5.4 0 1 1-5.2 3.9l1.5.4A3.9 3.9 0 1 0 8 4.1v2.2L4.4 3.3 8 .4z",
  "new-seed": "M3 2h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1zm.5 1.5v9h9v-9zM5 5h2v2H5zm4 4h2v2H9zm0-4h2v2H9zM5 9h2v2H5z",
  stop: "M3 3h10v10H3z",
};

/** An element: its attributes, what it listens to under `on`, its children (texts or elements). */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set a text only where it changes: an untouched node costs no layout. */
export function say(node, text) {
  const words = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== words) node.textContent = words;
}

/** Set a text of pieces, parted by " · ": where room is short a piece goes as a whole. */
export function sayPieces(node, text) {
  const words = text === null || text === undefined ? "" : String(text);
  if (node.textContent === words) return;
  const [first, ...more] = words.split(" · ");
  node.replaceChildren(h("span", {}, first), ...more.flatMap((piece) => [" ", h("span", {}, `· ${piece}`)]));
}

/** Set or remove an attribute only where it changes. */
export function mark(node, name, value) {
  const words = value === true ? "" : value === false || value === null || value === undefined ? null : String(value);
  if (node.getAttribute(name) === words) return;
  if (words === null) node.removeAttribute(name);
  else node.setAttribute(name, words);
}

export function icon(name) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 16 16");
  drawn.setAttribute("aria-hidden", "true");
  drawn.setAttribute("class", "hl-icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill-rule", "evenodd");
  drawn.append(path);
  return drawn;
}

function option(one) {
  const { value, label, title, options } = typeof one === "object" ? one : { value: one, label: one };
  return options ? h("optgroup", { label }, ...options.map(option)) : h("option", { value, title }, label ?? value);
}

/** A drop-down's options: texts, {value, label, title}, or groups {label, options}. Rebuilt only when they change. */
export function fill(select, options) {
  const spelled = JSON.stringify(options);
  if (select.dataset.options === spelled) return;
  select.dataset.options = spelled;
  select.replaceChildren(...options.map(option));
}

function copied(node) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE || node.namespaceURI !== MATH || !ELEMENTS.has(node.localName)) return null;
  const made = document.createElementNS(MATH, node.localName);
  for (const { name, value } of node.attributes) if (ATTRIBUTES.has(name)) made.setAttribute(name, value);
  for (const child of node.childNodes) {
    const copy = copied(child);
    if (copy) made.append(copy);
  }
  return made;
}

/** Equations from MathML texts: parsed apart from the page, copied element by allowed element. */
export function equations(lines) {
  return (lines || []).flatMap((line) => {
    const read = new DOMParser().parseFromString(String(line), "application/xml").documentElement;
    const made = copied(read);
    return made ? [made] : [];
  });
}

/** Offer bytes as a file. */
export function download(name, type, bytes) {
  const address = URL.createObjectURL(bytes instanceof Blob ? bytes : new Blob([bytes], { type }));
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
