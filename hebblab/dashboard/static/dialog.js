/** Pages of text over the Lab: what a rule is, what the keys do. */
import { equations, h } from "./dom.js";
import { KEYS } from "./keys.js";

function dialog(title, ...content) {
  const heading = h("h2", {}, title);
  const shut = h("button", { type: "button", class: "hl-plain hl-shut", "aria-label": "close" }, "×");
  const made = h("dialog", { class: "hl-dialog", "aria-label": title }, shut, heading, ...content);
  shut.addEventListener("click", () => made.close());
  made.addEventListener("click", (event) => {
    if (event.target === made) made.close();
  });
  return made;
}

/** Show a dialog inside `host`; it leaves the page when it closes. */
export function open(host, made) {
  host.append(made);
  const before = document.activeElement;
  made.addEventListener("close", () => {
    made.remove();
    before?.focus?.({ preventScroll: true });
  });
  made.showModal();
}

export function keysDialog() {
  const rows = KEYS.flatMap(([key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)]);
  return dialog("Keys", h("dl", { class: "hl-pairs" }, ...rows), h("p", { class: "hl-muted" }, "They act while the Lab has the focus, never while you type."));
}

/** A rule's card: {made: the dialog, rule: its name, show(bytes of its picture)}. */
export function ruleDialog(about) {
  const section = ({ heading, texts }) => h("section", {}, h("h3", {}, heading),
    texts.length > 1 ? h("ul", {}, ...texts.map((text) => h("li", {}, text))) : h("p", {}, texts[0]));
  const heads = ["knob", "what it does", "accepts", "default", "turned"];
  const row = (knob) => {
    const name = knob.title === knob.symbol ? "" : ` ${knob.title}`;
    const cells = [knob.help, knob.accepts, knob.default, knob.turned];
    return h("tr", {}, h("th", { scope: "row" }, h("i", { class: "hl-symbol" }, knob.symbol), name),
      ...cells.map((text, place) => h("td", { "data-head": heads[place + 1] }, text)));
  };
  const knobs = (about.knobs || []).map(row);
  const table = h("table", {},
    h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, ...knobs));
  const { caption, width, height } = about.picture || {};
  const image = about.picture ? h("img", { alt: caption, width: 2 * width, height: 2 * height }) : null;
  const made = dialog(
    about.title,
    h("p", {}, about.summary),
    image && h("figure", {}, image, h("figcaption", { class: "hl-help" }, caption)),
    h("div", { class: "hl-math" }, ...equations(about.equation)),
    ...(about.lead || []).map(section),
    knobs.length ? h("div", { class: "hl-about-knobs" }, h("h3", {}, "Knobs"), table, h("p", { class: "hl-help" }, about.turned)) : null,
    ...(about.rest || []).map(section),
  );
  made.classList.add("hl-about-rule");
  const show = (bytes) => {
    if (!image || !made.isConnected) return;
    const address = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    for (const event of ["load", "error"]) image.addEventListener(event, () => URL.revokeObjectURL(address), { once: true });
    image.src = address;
  };
  return { made, rule: about.name, show };
}
