/** The Probe screen: what the features are worth, in the place of the three columns. */
import { fill, h, mark, say } from "./dom.js";
import { connect } from "./part.js";
import { asking, measurer, worthTable } from "./worth.js";
import { confusionMatrix } from "./confusion.js";
import { cellPictures, resemblance } from "./likeness.js";
import { typing } from "./keys.js";

const ABOUT = "Every number is from a copy of the network as it is when you press measure; the run goes on and is not touched.";

function make(el) {
  return (send, listen, ending) => {
    let root = null, view = {}, drawn = false;
    const back = h("button", { type: "button", class: "hl-plain hebblab-close-evaluation", on: { click: () => send({ do: "close" }) } }, "‹ back to the run");
    const layer = h("select", { "aria-label": "layer", on: { change: () => send({ do: "layer", name: layer.value }) } });
    const layerChoice = h("label", { class: "hl-choice hebblab-evaluation-layer" }, h("span", {}, "layer"), layer);
    const moment = h("span", { class: "hl-moment" });
    const measure = measurer("table", send, { first: "measure", again: "measure again", css: "hebblab-evaluation-measure" });
    const about = h("p", { class: "hl-muted hl-help hl-about-numbers" });
    const head = h("header", { class: "hl-card hl-study-head" },
      h("div", { class: "hl-study-line" }, back, h("h2", {}, "What are the features worth?"), layerChoice, moment, measure.element),
      about);

    const table = worthTable(send);
    const matrix = confusionMatrix(send), pictures = cellPictures(send), near = resemblance(send);
    const card = (css, title, help, beside, ...content) =>
      h("section", { class: `hl-card ${css}`, "aria-label": title },
        h("div", { class: "hl-card-head" }, h("h2", {}, title), help && asking(title, help), h("span", { class: "hl-spring" }), beside), ...content);
    const worth = card("hl-study-table hebblab-evaluation-table", "Probes beside controls",
      "A probe reads the frozen features out. A control is something else read out the same way: only what beats raw pixels and random features was learned.",
      null, table.element);
    const mistakes = card("hl-study-confusion hebblab-evaluation-confusion", "What is taken for what",
      "How a ridge readout answers for validation images: rows are true classes, columns its answers. Press a cell to see its images.",
      matrix.label, matrix.element, pictures.element);
    const alike = card("hl-study-near hebblab-evaluation-neighbours", "What an image resembles",
      "The ten training images nearest to one validation image, by cosine. Good features bring its own class together, whatever the pixels say.",
      near.buttons, near.element);
    const screen = h("div", { class: "hl-study-part hebblab-evaluation", role: "region", "aria-label": "What are the features worth?" },
      head, worth, h("div", { class: "hl-study-right" }, mistakes, alike));
    el.append(screen);

    const paint = () => {
      pictures.paint();
      near.paint();
    };
    const sizes = new ResizeObserver(paint);
    sizes.observe(pictures.box);
    sizes.observe(near.element);
    ending(() => sizes.disconnect());
    ending(() => root?.classList.remove("hl-studying"));

    const show = () => {
      if (!root) return;
      const was = root.classList.contains("hl-studying");
      root.classList.toggle("hl-studying", Boolean(view.open));
      if (was === Boolean(view.open) || !drawn) return;
      // Who opened the screen reads on in it; who leaves it is where he came from.
      if (view.open) {
        (view.measures?.table?.state === "none" ? measure.button : back).focus({ preventScroll: true });
        head.scrollIntoView({ block: "nearest" });
      } else {
        root.querySelector(".hebblab-open-evaluation")?.focus({ preventScroll: true });
      }
    };
    return {
      rooted(found) {
        root = found;
        listen(root, "keydown", (event) => {
          if (event.key !== "Escape" || !view.open || event.target.closest("dialog, details") || typing(event.target)) return;
          event.preventDefault();
          send({ do: "close" });
        });
        show();
        drawn = true;
      },
      draw(next) {
        view = next;
        const several = (view.layers || []).length > 1;
        layerChoice.hidden = !several;
        fill(layer, view.layers || []);
        layer.value = view.layer || "";
        const state = view.measures?.table || {};
        measure.draw(state);
        say(moment, state.mark);
        moment.hidden = !state.mark;
        moment.classList.toggle("hl-stale", Boolean(state.stale));
        say(about, view.about || ABOUT);
        table.draw(view.table, view.measures);
        matrix.draw(view.confusion);
        pictures.draw(view.pictures);
        near.draw(view.query);
        alike.hidden = Boolean(view.confusion && !view.query);
        if (view.query?.image !== undefined) pictures.at(view.query.image);
        show();
      },
      message(content, buffers) {
        if (content.type === "pictures") pictures.take(content, buffers);
        if (content.type === "neighbours") near.take(content, buffers);
      },
    };
  };
}

export default {
  render: (context) => connect(context, make(context.el)),
};
