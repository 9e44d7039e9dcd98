/** One knob: slider and field together; it asks, it never decides. */
import { Gesture, serial } from "./gesture.js";
import { h, mark, say } from "./dom.js";
import { ends, filled, position, shown, stepped, typed, valueAt } from "./numbers.js";

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const ANSWER = 5000;
const LONGEST = 199;
const WORD = /^[a-z]{3,}$/i;
let made = 0;

/** A text as it is sent: one too long for a number stays too long for one. */
function bounded(text) {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

/**
 * @param first the knob's entry in the view
 * @param send sends a message
 * @param light lights or darkens the knob's symbol in the equation
 */
export function knob(first, send, light) {
  const id = `hl-knob-${Date.now().toString(36)}-${(made += 1)}`;
  let now = first, current = first.value, sent = 0, sentAt = 0, acknowledged = 0, held = false, refused = false;

  const post = (content) => {
    sent = serial();
    sentAt = Date.now();
    send({ ...content, name: now.name, seq: sent });
  };
  const edit = (value, gesture, final) => post({ do: "edit", value, gesture, final });
  const gesture = new Gesture(edit);
  const back = () => post({ do: "default", gesture: serial() });
  const waits = () => sent > acknowledged && Date.now() - sentAt < ANSWER;

  // A word for a symbol would only repeat the title.
  const spelled = WORD.test(now.symbol);
  const undo = { title: "double-click: back to where the run began", on: { dblclick: back } };
  const symbol = h("span", { class: "hl-symbol", hidden: spelled, ...undo }, now.symbol);
  const name = h("label", { class: "hl-knob-name", for: id, ...(spelled ? undo : {}) }, now.title);
  const help = h("div", { class: "hl-help", id: `${id}-help` });
  const head = h("div", { class: "hl-knob-head" }, symbol, name);
  const element = h("div", { class: `hl-knob hebblab-knob-${now.name.replaceAll("_", "-")}`, "data-scale": now.scale }, head);
  const own = { choice: asChoice, switch: asSwitch }[now.scale] || asNumber;
  const control = own();
  element.append(help);

  function asChoice() {
    const select = h("select", { id, "aria-describedby": help.id }, ...now.choices.map((c) => h("option", { value: c }, c)));
    select.addEventListener("change", () => edit(select.value, serial(), true));
    head.append(select);
    return { fields: [select], draw: () => waits() || (select.value = now.value) };
  }

  function asSwitch() {
    const box = h("input", { type: "checkbox", id, "aria-describedby": help.id });
    box.addEventListener("change", () => edit(box.checked, serial(), true));
    head.append(box);
    return { fields: [box], draw: () => waits() || (box.checked = now.value === true) };
  }

  function asNumber() {
    const [low, high] = ends(now);
    const field = h("input", { type: "text", inputmode: "decimal", id, autocomplete: "off", spellcheck: "false", "aria-describedby": help.id });
    const range = h("input", { type: "range", min: low, max: high, step: now.scale === "integer" && !now.slider_log ? 1 : "any", "aria-label": `${now.symbol}, ${now.title}`, "aria-describedby": help.id });
    let before = "", asked = "", touched = false;
    head.append(field);
    element.append(range);

    const place = (value, text) => {
      current = value;
      range.value = position(value, now);
      range.style.setProperty("--hl-share", filled(value, now));
      mark(range, "aria-valuetext", text);
      if (document.activeElement !== field || !touched) {
        field.value = text;
        before = text;
      }
    };
    const hold = (on) => {
      held = on;
      light(now.symbol, on);
    };
    const turn = (value) => {
      place(value, shown(value, now));
      hold(true);
      gesture.move(value);
    };
    const release = () => {
      if (gesture.active) gesture.finish(current);
      hold(false);
    };
    const commit = () => {
      touched = false;
      const text = typed(field.value);
      if (text !== typed(before)) {
        before = asked = field.value;
        edit(bounded(text), serial(), true);
      } else if (!refused && !waits()) {
        field.value = now.text;
      }
    };

    range.addEventListener("input", () => turn(valueAt(Number(range.value), now)));
    range.addEventListener("change", release);
    range.addEventListener("pointerdown", () => hold(true));
    // A press that moves nothing ends without a `change`.
    for (const event of ["pointerup", "pointercancel", "blur"]) {
      range.addEventListener(event, () => setTimeout(() => held && release(), 0));
    }
    range.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in STEPS) turn(stepped(current, now, STEPS[event.key]));
      else if (event.key === "Home") turn(now.slider_low);
      else if (event.key === "End") turn(now.slider_high);
      else if (event.key === "Delete") back();
      else return;
      event.preventDefault();
    });
    range.addEventListener("keyup", release);
    field.addEventListener("input", () => (touched = true));
    field.addEventListener("change", commit);
    field.addEventListener("blur", () => touched && commit());
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") commit();
      else if (event.key === "Escape") {
        touched = false;
        before = field.value = now.text;
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });

    return {
      fields: [range, field],
      draw() {
        mark(field, "aria-invalid", refused ? "true" : null);
        if (held || waits()) return;
        if (refused) {
          // What was refused stays to be corrected; the slider shows what is in force.
          place(now.value, now.text);
          if (!touched) field.value = before = asked || now.text;
        } else {
          asked = "";
          place(now.value, now.text);
        }
      },
    };
  }

  return {
    element,
    symbol: now.symbol,
    /** Show the knob as the kernel has it; `seq` is the last message of ours that it has judged. */
    draw(next, seq, refusal) {
      now = next;
      acknowledged = seq;
      refused = Boolean(refusal);
      const words = now.disabled && now.reason ? now.reason : now.help;
      say(help, words);
      mark(help, "title", words);
      for (const field of control.fields) mark(field, "disabled", Boolean(now.disabled));
      mark(element, "data-refused", refused);
      control.draw();
    },
    drop: () => gesture.drop(),
  };
}
