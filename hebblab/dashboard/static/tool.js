// The controls at a chart: buttons beside its title, choices under its plot.

import { fill, h, mark, say } from "./dom.js";

// A control at the chart: what it does, says and holds may change, what it is may not. `chart` is
// the chart's title: several have a button of the same words.
export function tool(first, send, chart) {
  let now = first;
  const use = (value) => send({ do: "tool", name: now.do, value });
  if (!first.options.length) {
    const button = h("button", { type: "button", class: `hebblab-chart-tool ${first.css}`, on: { click: () => use(now.value) } });
    return {
      element: button,
      draw(next) {
        now = next;
        say(button, now.words);
        mark(button, "title", now.help || null);
        mark(button, "aria-label", `${now.words}: ${chart}`);
      },
    };
  }
  const select = h("select", { "aria-label": first.words, on: { change: () => use(select.value) } });
  fill(select, first.options.map(([value, label]) => ({ value, label })));
  return {
    element: h("label", { class: `hebblab-chart-tool ${first.css}`, title: first.help }, h("span", {}, first.words), select),
    draw(next) {
      // A choice on its way is not taken back by what was sent before it.
      if (next.value !== now.value || select.dataset.drawn === undefined) select.value = next.value;
      select.dataset.drawn = "";
      now = next;
    },
  };
}
