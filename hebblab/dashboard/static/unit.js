/** The chosen unit: large, with what is known of it. */
import { paintArrow } from "./arrows.js";
import { h, mark, say } from "./dom.js";
import { paintOne } from "./picture.js";

const ROOM = 84;
const CLICK = "Click a unit to see it large.";

export function unitCard() {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const facts = h("dl", { class: "hl-unit-facts" });
  const none = h("p", { class: "hl-muted" }, CLICK);
  const note = h("p", { class: "hl-help hl-unit-note" });
  const element = h("section", { class: "hl-card hebblab-unit", "aria-label": "the chosen unit" },
    h("div", { class: "hl-unit-picture" }, canvas), h("div", { class: "hl-unit-words" }, facts, note, none));
  const show = (on) => {
    element.classList.toggle("hl-empty", !on);
    none.hidden = on;
    facts.hidden = note.hidden = !on;
    canvas.hidden = !on;
  };
  show(false);
  let rows = "", expected = "";
  return {
    element,
    /** Say what will be seen, as long as no unit is chosen; an empty text says how to choose one. */
    expect(text) {
      expected = text || "";
    },
    paint(frame, unit, ratio, scale) {
      say(none, expected || (frame?.plane ? "Click an arrow’s tip to see the unit close up." : frame?.hint || CLICK));
      // The picture that it speaks of comes with the next frame.
      say(note, frame?.close && frame.close.unit !== unit ? "" : frame?.note);
      const index = frame ? frame.units.indexOf(unit) : -1;
      canvas.hidden = index < 0;
      if (index >= 0) (frame.plane ? paintArrow : paintOne)(canvas, frame, index, ROOM * scale, ratio);
    },
    draw(chosen, card) {
      show(chosen !== null);
      if (chosen === null) return;
      // Until Python has counted for this unit, its number alone is known.
      const known = card && card.number === chosen ? card.rows || [] : [];
      const all = [["unit", String(chosen)], ...known];
      const names = all.map(([name]) => name).join();
      if (names !== rows) {
        rows = names;
        facts.replaceChildren(...all.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}))));
      }
      all.forEach(([, value], i) => {
        say(facts.children[i].lastChild, value);
        mark(facts.children[i].lastChild, "title", value);
      });
    },
  };
}
