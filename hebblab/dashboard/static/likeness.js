/** The images of a cell, and what one of them resembles among the training images. */
import { h, mark, say } from "./dom.js";
import { imageAt, imageBox, moved } from "./mosaic.js";
import { framed, paintAll, paintOne } from "./picture.js";

const LARGE = 104;
const WORDY = 3;
const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);
const PIXELS = () => window.devicePixelRatio || 1;

/** The images behind the chosen cell of the matrix; one of them is the query. */
export function cellPictures(send) {
  const canvas = h("canvas", { role: "img", tabindex: "0", "aria-label": "images of the chosen cell" });
  const outline = h("div", { class: "hl-outline", hidden: true });
  const box = h("div", { class: "hl-canvas-box" }, canvas, outline);
  const title = h("h3", {}), note = h("p", { class: "hl-muted hl-help" });
  let frame = null, place = null, query = null, view = null;

  const show = () => {
    const index = frame ? frame.units.indexOf(query) : -1;
    outline.hidden = index < 0 || !place;
    if (outline.hidden) return;
    for (const [side, pixels] of Object.entries(imageBox(place, index))) outline.style[side] = `${pixels}px`;
  };
  const paint = () => {
    canvas.hidden = !frame || frame.count === 0;
    if (canvas.hidden || !box.clientWidth) return show();
    place = paintAll(canvas, frame, box.clientWidth, PIXELS());
    show();
  };
  const ask = (index) => {
    if (index < 0) return;
    query = frame.units[index];
    show();
    send({ do: "query", image: query });
  };
  canvas.addEventListener("click", (event) => {
    if (!place) return;
    ask(imageAt(place, event.offsetX * place.ratio, event.offsetY * place.ratio));
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("keydown", (event) => {
    if (!MOVES.has(event.key) || event.ctrlKey || event.metaKey || event.altKey || !frame) return;
    event.preventDefault();
    ask(moved(frame.units.indexOf(query), event.key, place?.columns || 1, frame.count));
  });
  return {
    element: h("div", { class: "hl-cell-pictures", hidden: true }, title, box, note),
    box,
    paint,
    take(content, buffers) {
      frame = framed(content, buffers[0]);
      paint();
    },
    draw(next) {
      view = next;
      this.element.hidden = !view;
      if (!view) frame = null;
      say(title, view?.title);
      say(note, view?.note);
      mark(canvas, "aria-label", `images: ${view?.title || ""}`);
    },
    at(image) {
      query = image;
      show();
    },
  };
}

function part(frame, first, count) {
  const size = frame.height * frame.width * frame.channels;
  const bytes = frame.bytes.subarray(first * size, (first + count) * size);
  return { ...frame, bytes, count, columns: count, units: frame.units.slice(first, first + count), greyed: new Set() };
}

/** A query and its nearest training images, by features and by pixels, each under its class. */
export function resemblance(send) {
  const large = h("canvas", { role: "img", "aria-label": "the query", hidden: true });
  const title = h("h3", {}), note = h("p", { class: "hl-muted hl-help" });
  const rows = h("div", { class: "hl-near-rows" });
  const button = (words, wrong) =>
    h("button", { type: "button", class: "hl-plain hl-another", on: { click: () => send({ do: "another", wrong }) } }, words);
  const buttons = h("span", { class: "hl-anothers" }, button("another", "any"), button("another mistake", "wrong"));
  const nothing = h("p", { class: "hl-muted hl-nothing" }, "One image and the ten training images that are most like it: by learned features, and by raw pixels.");
  const body = h("div", { class: "hl-query", hidden: true }, h("div", { class: "hl-query-picture" }, large), h("div", { class: "hl-query-words" }, title, rows, note));
  let frame = null, lines = [], shown = "";

  const paint = () => {
    large.hidden = !frame;
    if (!frame || !body.clientWidth) return;
    paintOne(large, frame, 0, LARGE, PIXELS());
    const count = (frame.count - 1) / Math.max(1, lines.length);
    lines.forEach(({ canvas }, i) => {
      if (canvas.parentElement.clientWidth) paintAll(canvas, part(frame, 1 + i * count, count), canvas.parentElement.clientWidth, PIXELS());
    });
  };
  const build = (view) => {
    lines = view.rows.map(({ title: by, said, labels }) => {
      const canvas = h("canvas", { role: "img", "aria-label": `${by}: ${labels.map(({ text }) => text).join(", ")}` });
      // Long names have no room ten times: what is of the query's own class is ticked.
      const long = labels.some(({ text }) => [...text].length > WORDY);
      const under = labels.map(({ text, same }) =>
        h("span", { class: same ? "hl-same" : "hl-other", title: same ? text : `${text}, another class` }, same && long ? "✓" : text));
      const names = h("div", { class: "hl-near-names", "aria-hidden": "true" }, ...under);
      names.style.setProperty("--hl-count", labels.length);
      return { canvas, element: h("div", { class: "hl-near" }, h("div", { class: "hl-near-head" }, h("b", {}, by), h("span", { class: "hl-muted" }, said)), h("div", { class: "hl-canvas-box" }, canvas), names) };
    });
    rows.replaceChildren(...lines.map(({ element }) => element));
  };
  return {
    element: h("div", {}, nothing, body),
    buttons,
    paint,
    take(content, buffers) {
      frame = framed(content, buffers[0]);
      paint();
    },
    draw(view) {
      nothing.hidden = Boolean(view?.title);
      body.hidden = !view?.title;
      buttons.hidden = !view;
      say(title, view?.title);
      say(note, view?.note);
      const spelled = JSON.stringify(view?.rows || []);
      if (view && spelled !== shown && view.rows.length) {
        shown = spelled;
        build(view);
        paint();
      }
      body.classList.toggle("hl-looking", Boolean(view && !view.rows.length));
    },
  };
}
