/** The left column: a rule, its equation, its knobs, and what was changed. */
import { equations, fill, h, mark, say } from "./dom.js";
import { knob } from "./knob.js";
import { connect } from "./part.js";
import { open, ruleDialog } from "./dialog.js";

/** What makes a knob another knob, so that its elements must be built anew. */
function shape(one) {
  const { value, text, disabled, reason, help, ...rest } = one;
  return JSON.stringify(rest);
}

/** Bring children into this order; who stays in place keeps the focus, and the hand on it. */
function line(place, wanted) {
  for (const child of [...place.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, i) => place.children[i] !== child && place.insertBefore(child, place.children[i] || null));
}

function make(el) {
  return (send, listen, ending) => {
    let view = {}, root = null, knobs = new Map();
    const title = h("h2", {});
    const about = h("button", { type: "button", class: "hl-plain hl-about", "aria-haspopup": "dialog", on: { click: () => view.about && tell() } }, "about this rule ›");
    const math = h("div", { class: "hebblab-equation hl-math" });
    const words = h("p", { class: "hl-in-words" });
    const layer = h("select", { "aria-label": "layer", on: { change: () => send({ do: "layer", name: layer.value }) } });
    const layers = h("label", { class: "hl-choice hebblab-layer" }, h("span", {}, "layer"), layer);
    const list = (name) => h("div", { class: `hl-knobs ${name}` });
    const plain = list("hl-rule-knobs"), world = list("hl-world-knobs"), probe = list("hl-probe-knobs"), folded = list("");
    const more = h("details", { class: "hl-more" }, h("summary", {}, "more"), folded);
    const attempt = h("button", { type: "button", class: "hl-plain hl-try", on: { click: () => send({ do: "try" }) } });
    const worldTitle = h("h3", {}, "The world"), probeTitle = h("h3", {}, "For the probe");
    const refusal = h("div", { class: "hebblab-refusal", role: "status" });
    const entries = h("ol", { class: "hebblab-log", "aria-label": "edits, newest first", tabindex: "0" });
    const effect = h("p", { class: "hebblab-effect", role: "status" });
    const card = h("section", { class: "hl-card hl-knob-card", "aria-label": "the rule and its knobs" },
      h("div", { class: "hl-card-head" }, title, about), math, words, layers, plain, h("div", { class: "hl-extra" }, more, attempt), worldTitle, world, probeTitle, probe, refusal);
    const edits = h("section", { class: "hl-card hl-edits", "aria-label": "edits" },
      h("h2", {}, "Edits"), effect, entries);
    el.append(card, edits);
    ending(() => knobs.forEach((one) => one.drop()));

    let told = null;
    const tell = () => {
      told = ruleDialog(view.about);
      open(root || el, told.made);
      if (view.about.picture) send({ do: "picture" });
    };

    const light = (symbol, on) => {
      for (const term of math.querySelectorAll("[data-symbol]")) {
        if (term.getAttribute("data-symbol") === symbol) term.classList.toggle("hl-lit", on);
      }
    };

    // A long line is set smaller, down to what can still be read; then it scrolls.
    const fit = () => {
      math.style.fontSize = "";
      const room = math.clientWidth - 8;
      // A term may reach out of its line, and a smaller font is not smaller in proportion.
      const widest = () => Math.max(1, ...[...math.children].map((line) => {
        const sides = [line, ...line.querySelectorAll("*")].map((term) => term.getBoundingClientRect());
        const [left, right] = [Math.min(...sides.map((side) => side.left)), Math.max(...sides.map((side) => side.right))];
        const middle = line.getBoundingClientRect();
        return 2 * Math.max(right - (middle.left + middle.right) / 2, (middle.left + middle.right) / 2 - left);
      }));
      const smallest = Number.parseFloat(getComputedStyle(card).fontSize) * (12 / 14);
      let width = widest();
      const narrow = room > 0 && width > room;
      for (let tries = 0; room > 0 && width > room && tries < 4; tries += 1) {
        const size = Number.parseFloat(getComputedStyle(math).fontSize);
        if (size <= smallest) break;
        math.style.fontSize = `${Math.max(smallest, (size * room) / width - 0.05)}px`;
        width = widest();
      }
      // What scrolls must be reached by keys.
      const scrolls = narrow && math.scrollWidth > math.clientWidth;
      for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", "the rule’s equation"]]) mark(math, name, scrolls ? value : null);
    };
    const watcher = new ResizeObserver(fit);
    watcher.observe(card);
    ending(() => watcher.disconnect());

    let equation = null;
    const drawEquation = () => {
      const spelled = JSON.stringify(view.equation || []);
      if (spelled === equation) return;
      equation = spelled;
      math.replaceChildren(...equations(view.equation));
      fit();
    };

    let built = null;
    const places = { rule: plain, world, probe };
    const drawKnobs = () => {
      const wanted = view.knobs || [];
      const spelled = wanted.map(shape).join();
      if (spelled !== built) {
        built = spelled;
        const before = knobs;
        knobs = new Map(wanted.map((one) => {
          const known = before.get(one.name), as = shape(one);
          before.delete(one.name);
          if (known?.as === as) return [one.name, known];
          known?.drop();
          return [one.name, { ...knob(one, send, light), as }];
        }));
        before.forEach((one) => one.drop());
        const where = (one) => (one.advanced ? folded : places[one.group] || plain);
        for (const place of [plain, world, probe, folded]) {
          line(place, wanted.filter((one) => where(one) === place).map((one) => knobs.get(one.name).element));
        }
        more.hidden = !folded.childElementCount;
        worldTitle.hidden = !world.childElementCount;
        probeTitle.hidden = !probe.childElementCount;
      }
      const said = view.refusal || null;
      for (const one of wanted) knobs.get(one.name).draw(one, view.seq || 0, said?.name === one.name);
      const place = said && knobs.get(said.name)?.element;
      if (place && refusal.parentNode !== place) place.append(refusal);
      else if (!place && refusal.parentNode !== card) card.append(refusal);
      if (place && folded.contains(place)) more.open = true;
      say(refusal, said?.text);
    };

    let written = null;
    const drawEdits = () => {
      const spelled = JSON.stringify(view.edits || []);
      if (spelled !== written) {
        written = spelled;
        entries.replaceChildren(...(view.edits || []).map(({ step, text, note }) =>
          h("li", {}, h("span", { class: "hl-muted" }, step), " ", h("b", {}, text), note ? h("div", { class: "hl-help" }, note) : null)));
      }
      // A number and its unit stay in one line.
      if (effect.textContent !== (view.effect || "")) {
        const parts = (view.effect || "").split(/([\d.,−]+ %)/);
        effect.replaceChildren(...parts.map((part, i) => (i % 2 ? h("span", { class: "hl-whole" }, part) : part)));
      }
    };

    return {
      rooted: (found) => (root = found),
      draw(next) {
        view = next;
        say(title, view.title);
        about.hidden = !view.about;
        drawEquation();
        say(words, view.words);
        const names = view.layers || [];
        fill(layer, names);
        layers.hidden = names.length < 2;
        if (view.layer !== undefined) layer.value = view.layer;
        drawKnobs();
        attempt.hidden = !view.try;
        say(attempt, view.try);
        mark(attempt, "title", view.try_help);
        drawEdits();
      },
      message(content, buffers) {
        if (content.type === "picture" && buffers[0] && content.rule === told?.rule) told.show(buffers[0]);
      },
    };
  };
}

export default {
  render: (context) => connect(context, make(context.el)),
};
