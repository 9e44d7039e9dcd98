/** The top row: what runs, and the buttons that run it. */
import { download, fill, h, icon, mark, say } from "./dom.js";

const CHOICES = [["preset", "Preset"], ["rule", "Rule"], ["data", "Data"], ["network", "Network"]];
const BUTTONS = [
  ["start", "Start", "start or go on (Space)"],
  ["pause", "Pause", "pause (Space)"],
  ["step", "Step", "one step (.)"],
  ["restart", "Restart", "back to step 0 of the same seed"],
  ["new-seed", "New seed", "back to step 0 of another seed"],
  ["stop", "Stop", "end this run"],
];
const PATIENCE = 5000;

/** One labelled drop-down; a choice stays on view until Python has answered it. */
export function choice(name, words, chosen) {
  const select = h("select", { "aria-label": words });
  const element = h("label", { class: `hl-choice hebblab-${name}` }, h("span", {}, words), select);
  let shown = null, waiting = 0;
  select.addEventListener("change", () => {
    waiting = Date.now() + PATIENCE;
    chosen(select.value);
  });
  return {
    element,
    draw(view, live) {
      const { value = "", options = [], disabled = false } = view || {};
      fill(select, options);
      if (value !== shown || Date.now() > waiting || !live) {
        waiting = 0;
        shown = value;
        if (select.value !== value) select.value = value;
      }
      mark(select, "disabled", disabled || !live || options.length === 0);
    },
    refused() {
      waiting = 0;
    },
  };
}

export function topRow(send) {
  const press = (button) => send({ do: "press", button });
  const choices = CHOICES.map(([name, words]) => [
    name,
    choice(name, words, (value) => send({ do: "choose", what: name, name: value })),
  ]);
  const buttons = BUTTONS.map(([name, words, help]) =>
    h("button", { type: "button", class: `hl-button hebblab-${name}`, "aria-label": words, title: `${words}: ${help}`, on: { click: () => press(name) } },
      icon(name), h("span", { class: "hl-word" }, words)));
  const probe = h("button", { type: "button", class: "hl-button hebblab-probe", title: "what the features are worth to a linear readout (P)", on: { click: () => press("probe") } }, "Probe");
  const named = Object.fromEntries([...BUTTONS.map(([name], i) => [name, buttons[i]]), ["probe", probe]]);
  const element = h("div", { class: "hl-top" },
    h("span", { class: "hl-brand" }, "hebblab"),
    h("div", { class: "hl-choices" }, ...choices.map(([, c]) => c.element)),
    h("div", { class: "hl-transport", role: "group", "aria-label": "transport" }, ...buttons, probe));
  let error = "";
  return {
    element,
    named,
    draw(view, live) {
      const spoken = JSON.stringify(view.error || null);
      for (const [name, one] of choices) {
        // A refused choice is answered by an error and by the old choice.
        if (spoken !== error) one.refused();
        one.draw(view.choices?.[name], live);
      }
      error = spoken;
      const focused = document.activeElement;
      for (const [name, button] of Object.entries(named)) mark(button, "disabled", !(live && view.can?.[name]));
      if (focused?.disabled && element.contains(focused)) {
        // A disabled button loses the focus, and the keys with it.
        (named.pause.disabled ? named.start : named.pause).focus({ preventScroll: true });
      }
    },
  };
}

/** Save: the picture is made here, the rest is asked for and arrives as bytes. */
export function saveMenu(send, root) {
  const picture = () => {
    const canvas = root()?.querySelector(".hebblab-weights canvas");
    canvas?.toBlob((blob) => blob && download("hebblab-weights.png", "image/png", blob));
  };
  const item = (words, act) =>
    h("button", { type: "button", on: { click: () => { element.open = false; act(); } } }, words);
  const element = h("details", { class: "hl-menu" },
    h("summary", { class: "hl-plain" }, "save"),
    h("div", { class: "hl-menu-items" },
      item("picture of the weights (PNG)", picture),
      item("history (CSV)", () => send({ do: "save", what: "history" })),
      item("weights", () => send({ do: "save", what: "weights" }))));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !element.open) return;
    element.open = false;
    element.firstChild.focus();
    event.stopPropagation();
  });
  element.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !element.contains(event.relatedTarget)) element.open = false;
  });
  return element;
}

/** What went wrong: one sentence, what to do, the traceback folded. */
export function errorPane() {
  const element = h("div", { class: "hebblab-error", role: "alert", hidden: true });
  let shown = "null";
  return {
    element,
    draw(error) {
      const spelled = JSON.stringify(error || null);
      if (spelled === shown) return;
      shown = spelled;
      element.hidden = !error;
      element.replaceChildren();
      if (!error) return;
      const shut = h("button", { type: "button", class: "hl-plain hl-shut", "aria-label": "close this message", title: "close", on: { click: () => (element.hidden = true) } }, "×");
      const trace = h("pre", { tabindex: "0", "aria-label": "traceback" });
      say(trace, error.traceback);
      element.append(shut, h("p", { class: "hl-sentence" }, String(error.sentence)));
      if (error.advice) element.append(h("p", {}, String(error.advice)));
      if (error.traceback) element.append(h("details", {}, h("summary", {}, "details for a programmer"), trace));
    },
  };
}
