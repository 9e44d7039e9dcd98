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

export function ruleDialog(about) {
  const paragraph = (title, text) => (text ? [h("h3", {}, title), h("p", {}, text)] : []);
  const knobs = (about.knobs || []).flatMap((knob) => [
    h("dt", {}, h("i", { class: "hl-symbol" }, knob.symbol), " ", knob.title),
    h("dd", {}, knob.help),
  ]);
  return dialog(
    about.title,
    h("div", { class: "hl-math" }, ...equations(about.equation)),
    ...paragraph("History", about.history),
    ...(knobs.length ? [h("h3", {}, "Knobs"), h("dl", { class: "hl-pairs" }, ...knobs)] : []),
    ...paragraph("What to try", about.try),
    ...paragraph("Source", about.source),
  );
}
