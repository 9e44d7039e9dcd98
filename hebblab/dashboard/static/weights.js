/** The middle column: what the units have learned, as they learn it. */
import { paintPlane } from "./arrows.js";
import { gradient } from "./colours.js";
import { fill, h, mark, say, sayPieces } from "./dom.js";
import { imageAt, imageBox, moved } from "./mosaic.js";
import { connect } from "./part.js";
import { framed, paintAll } from "./picture.js";
import { typing } from "./keys.js";
import { arrowWords, framedPlane, tipAt, tipBox } from "./plane.js";
import { unitCard } from "./unit.js";

const SCALES = [{ value: "shared", label: "shared" }, { value: "unit", label: "per unit" }];
const ORDERS = [
  { value: "number", label: "unit number" }, { value: "wins", label: "wins" },
  { value: "norm", label: "norm" }, { value: "similarity", label: "similarity" },
];
const MODES = [
  { value: "weights", label: "weights" }, { value: "change", label: "change (ΔW)" },
  { value: "back-projection", label: "back-projection" }, { value: "patches", label: "best patches" },
];
const CALM = 2000;
const HIDDEN = 1000;
const PATIENCE = 3000;
const LEGEND = [["dot", "input"], ["arrow", "unit"], ["trail", "its last 200 steps"], ["circle", "length 1"]];
const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

function make(el) {
  return (send, listen, ending) => {
    let view = {}, root = null, frame = null, earlier = null, last = null, place = null;
    let channels = 0, owed = null, drawing = 0, fallback = null, blink = false, chosen = null, own = 0, spoken = 0, acked = 0, speaking = null;

    const title = h("h2", {}), caption = h("span", { class: "hl-muted hl-caption hl-pieces" });
    const pager = (by, words, sign) => h("button", { type: "button", class: "hl-plain", "aria-label": words, on: { click: () => send({ do: "page", value: (view.page || 0) + by }) } }, sign);
    const previous = pager(-1, "previous units", "‹"), following = pager(1, "next units", "›");
    const pages = h("span", { class: "hl-pages" }, previous, following);
    const modes = [["weights", "W", "the weights"], ["change", "ΔW", "their change since the last edit"]].map(([mode, sign, words]) =>
      h("button", { type: "button", "data-mode": mode, "aria-label": words, title: words, on: { click: () => send({ do: "mode", value: mode }) } }, sign));
    const few = h("span", { class: "hl-modes", role: "group", "aria-label": "weights or their change" }, ...modes);
    const mode = h("select", { class: "hl-mode", "aria-label": "what the images show", on: { change: () => send({ do: "mode", value: mode.value }) } });
    fill(mode, MODES);
    const canvas = h("canvas", { role: "img", tabindex: "0", "aria-label": "weight images" });
    const outline = h("div", { class: "hl-outline", hidden: true }), hover = h("div", { class: "hl-outline hl-hover", hidden: true });
    const tip = h("div", { class: "hl-tip", hidden: true });
    const sentence = h("p", { class: "hl-opening", hidden: true });
    const left = h("p", { class: "hl-left", hidden: true });
    const doing = h("p", { class: "hl-doing", role: "status" });
    const box = h("div", { class: "hl-canvas-box" }, canvas, outline, hover, tip, left, doing, sentence);
    const legend = h("span", { class: "hl-legend" }, ...LEGEND.map(([sign, words]) =>
      h("span", {}, h("i", { class: `hl-sign-${sign}`, "aria-hidden": "true" }), words)));
    const low = h("span", { class: "hl-number" }), high = h("span", { class: "hl-number" });
    const bar = h("span", { class: "hl-colours", "aria-hidden": "true" });
    const pick = (name, options) => {
      const select = h("select", { on: { change: () => send({ do: name, value: select.value }) } });
      fill(select, options);
      return [select, h("label", { class: "hl-choice" }, h("span", {}, name), select)];
    };
    const [scale, scaleLabel] = pick("scale", SCALES), [order, orderLabel] = pick("order", ORDERS);
    const unit = unitCard();
    const head = h("div", { class: "hl-card-head" }, title, caption, pages, few, mode);
    const card =
      h("section", { class: "hl-card hl-images hebblab-weights", "aria-label": "weight images" },
        head,
        box,
        h("div", { class: "hl-card-foot" }, h("span", { class: "hl-scale" }, low, bar, high), scaleLabel, orderLabel, legend));
    el.append(card, unit.element);

    const ratio = () => window.devicePixelRatio || 1;
    const larger = () => (root?.classList.contains("hl-projector") ? 1.25 : 1);
    const onView = () => (blink && (earlier || last)) || frame;

    const frameBox = (node, index) => {
      node.hidden = index < 0 || !place;
      if (node.hidden) return;
      const at = (onView().plane ? tipBox : imageBox)(place, index);
      for (const [side, pixels] of Object.entries(at)) node.style[side] = `${pixels}px`;
    };
    const outlineChosen = () => frameBox(outline, chosen === null || !frame || frame.plane ? -1 : onView().units.indexOf(chosen));

    const describe = () => {
      speaking = null;
      spoken = Date.now();
      mark(canvas, "aria-label", `${frame.label || "weight images"}${chosen === null ? "" : `; unit ${chosen} is chosen`}`);
    };
    // At most once in a while, but the last frame always: it stays on view.
    const speak = () => {
      if (!frame || speaking !== null) return;
      const wait = spoken + CALM - Date.now();
      if (wait <= 0) describe();
      else speaking = setTimeout(describe, wait);
    };
    const repaint = () => {
      const shown = onView();
      if (!shown || !box.clientWidth) return;
      place = shown.plane
        ? paintPlane(canvas, shown, box.clientWidth, ratio(), larger(), chosen)
        : paintAll(canvas, shown, box.clientWidth, ratio());
      card.classList.toggle("hl-on-plane", Boolean(shown.plane));
      say(left, shown.left);
      left.hidden = !shown.left;
      outlineChosen();
      unit.paint(shown, chosen, ratio(), larger());
      sayPieces(caption, shown.caption);
      mark(caption, "title", shown.caption);
      if (channels !== shown.channels) bar.style.background = gradient((channels = shown.channels));
      say(low, shown.low);
      say(high, shown.high);
      speak();
    };
    const acknowledge = () => {
      clearTimeout(fallback);
      fallback = null;
      if (owed === null) return;
      const id = owed;
      owed = null;
      acked = Date.now();
      send({ do: "painted", id });
    };
    const onFrame = () => {
      drawing = 0;
      repaint();
      acknowledge();
    };
    const schedule = () => {
      if (!drawing) drawing = requestAnimationFrame(onFrame);
    };
    const take = (content, buffers) => {
      const next = (content.plane ? framedPlane : framed)(content, ...buffers);
      owed = content.id;
      if (next) {
        if (frame && next.edit !== frame.edit) earlier = next.run === frame.run ? frame : null;
        last = frame;
        frame = next;
      }
      clearTimeout(fallback);
      // A page that nobody sees paints nothing, but the run must not wait for it.
      if (document.hidden) fallback = setTimeout(acknowledge, Math.max(0, HIDDEN - (Date.now() - acked)));
      else {
        fallback = setTimeout(acknowledge, HIDDEN);
        schedule();
      }
    };

    const choose = (next) => {
      if (next === chosen) return;
      chosen = next;
      own = Date.now();
      send({ do: "choose", unit: next });
      drawChosen();
    };
    const drawChosen = () => {
      unit.draw(chosen, view.unit);
      outlineChosen();
      if (frame) unit.paint(onView(), chosen, ratio(), larger());
      // On the plane the chosen arrow itself is drawn otherwise.
      if (frame?.plane) schedule();
      speak();
    };
    const under = (event) => (place ? (onView().plane ? tipAt : imageAt)(place, event.offsetX * place.ratio, event.offsetY * place.ratio) : -1);
    const unhover = () => {
      hover.hidden = tip.hidden = true;
    };

    canvas.addEventListener("pointermove", (event) => {
      const index = under(event);
      if (index < 0) return unhover();
      frameBox(hover, index);
      say(tip, onView().plane ? arrowWords(onView(), index) : `unit ${onView().units[index]}`);
      tip.hidden = false;
      tip.style.left = `${Math.min(event.offsetX + 12, box.clientWidth - tip.offsetWidth)}px`;
      tip.style.top = `${event.offsetY + 16}px`;
    });
    canvas.addEventListener("pointerleave", unhover);
    canvas.addEventListener("click", (event) => {
      const index = under(event);
      choose(index < 0 ? null : onView().units[index]);
      canvas.focus({ preventScroll: true });
    });
    canvas.addEventListener("keydown", (event) => {
      if (!MOVES.has(event.key) || event.ctrlKey || event.metaKey || event.altKey || !frame) return;
      event.preventDefault();
      const next = moved(frame.units.indexOf(chosen), event.key, place?.columns || 1, frame.count);
      if (next >= 0) choose(frame.units[next]);
    });

    const watcher = new ResizeObserver(() => frame && schedule());
    watcher.observe(box);
    ending(() => {
      watcher.disconnect();
      themes.disconnect();
      cancelAnimationFrame(drawing);
      clearTimeout(fallback);
      clearTimeout(speaking);
    });
    const again = () => !document.hidden && frame && schedule();
    listen(document, "visibilitychange", again);
    // The plane is drawn in the theme's own colours.
    const themes = new MutationObserver(again);
    const watched = { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-theme"] };
    for (const node of [document.documentElement, document.body]) themes.observe(node, watched);
    listen(window.matchMedia("(prefers-color-scheme: dark)"), "change", again);

    const rooted = (found) => {
      root = found;
      themes.observe(root, watched);
      const show = (on) => {
        if (blink === on) return;
        blink = on;
        box.classList.toggle("hl-before", on);
        if (frame) schedule();
      };
      listen(root, "keydown", (event) => {
        if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "Escape" && !event.target.closest("dialog")) choose(null);
        else if (event.key === "b" || event.key === "B") show(true);
      });
      listen(document, "keyup", (event) => (event.key === "b" || event.key === "B") && show(false));
      listen(window, "blur", () => show(false));
      // A click on a control is no click elsewhere: knobs are turned to see what a unit does.
      listen(root, "pointerdown", (event) => {
        if (!event.target.closest("button, input, select, summary, label, dialog, canvas, .hebblab-unit")) choose(null);
      });
    };

    return {
      rooted,
      draw(next) {
        view = next;
        say(title, view.title || "What the units have learned");
        say(sentence, view.sentence);
        sentence.hidden = !view.sentence;
        scale.value = view.scale || "shared";
        order.value = view.order || "number";
        const many = view.pages > 1;
        pages.hidden = !many;
        head.classList.toggle("hl-paged", many);
        mark(previous, "disabled", !(view.page > 0));
        mark(following, "disabled", !(view.page + 1 < view.pages));
        few.hidden = Boolean(view.deep);
        mode.hidden = !view.deep;
        mode.value = view.mode || "weights";
        for (const option of mode.options) if (option.value === "change") mark(option, "disabled", !view.change);
        say(doing, view.doing);
        for (const button of modes) {
          mark(button, "aria-pressed", String((view.mode || "weights") === button.dataset.mode));
          mark(button, "disabled", button.dataset.mode === "change" && !view.change);
        }
        const theirs = view.chosen ?? null;
        // An answer on its way must not take back what was chosen since.
        if (theirs === chosen) own = 0;
        else if (Date.now() - own > PATIENCE) chosen = theirs;
        unit.expect(view.expect);
        drawChosen();
      },
      message(content, buffers) {
        if (content.type === "frame") take(content, buffers);
      },
    };
  };
}

export default {
  render: (context) => connect(context, make(context.el)),
};
