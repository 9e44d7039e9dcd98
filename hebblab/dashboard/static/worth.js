/** The table of representations and probes: numbers, intervals on one scale, and how to get them. */
import { h, mark, say } from "./dom.js";

/** A question mark that says one sentence when it is pointed at or has the focus. */
export function asking(title, help, side = "start") {
  const words = h("span", { class: "hl-explains", "aria-hidden": "true" }, help);
  const button = h("button", { type: "button", class: "hl-ask", "aria-label": `${title}: ${help}` }, "?");
  return h("span", { class: `hl-asking hl-asking-${side}` }, button, words);
}

/** The button of one measurement, with its progress while it is under way. */
export function measurer(name, send, { first, again, of = "", css = "" }) {
  let running = false;
  const press = () => send({ do: running ? "cancel" : "measure", name });
  const button = h("button", { type: "button", class: `hl-measure ${css}`, on: { click: press } }, first);
  const share = h("progress", { max: 1, "aria-label": "progress", hidden: true });
  const status = h("span", { class: "hl-muted hl-status-words" });
  return {
    element: h("span", { class: "hl-measurer" }, button, share, status),
    button,
    draw(state = {}, live = true) {
      running = state.state === "running" || state.state === "waiting";
      const words = running ? "cancel" : state.state === "done" ? again : first;
      say(button, words);
      // Several buttons are called alike: who only hears them is told which is which.
      mark(button, "aria-label", of ? `${words}: ${of}` : null);
      mark(button, "disabled", !live);
      button.classList.toggle("hl-first", !running && state.state !== "done");
      share.hidden = !running;
      if (running) share.value = state.share;
      const waits = state.state === "waiting" ? "waiting for what is measured before" : "";
      say(status, running ? [waits || state.status, state.left].filter(Boolean).join(" · ") : state.refusal);
      status.classList.toggle("hl-refused", !running && Boolean(state.refusal));
    },
  };
}

function number({ value, range, low, high, at }, head) {
  const cell = h("td", { "data-head": head }, h("span", { class: "hl-value" }, value));
  if (range) cell.append(h("span", { class: "hl-range" }, range));
  if (at !== null && low !== null) {
    const dot = h("i", { class: "hl-dot" }), span = h("i", { class: "hl-span" });
    dot.style.left = `${100 * at}%`;
    span.style.left = `${100 * low}%`;
    span.style.width = `${100 * (high - low)}%`;
    cell.append(h("span", { class: "hl-track", "aria-hidden": "true" }, span, dot));
  }
  return cell;
}

export function worthTable(send) {
  const head = h("tr", {}), body = h("tbody", {});
  const table = h("table", { class: "hl-worth" },
    h("caption", { class: "hl-unseen" }, "accuracy of each representation (row) by each probe (column), with 95 % intervals"),
    h("thead", {}, head), body);
  const verdicts = h("p", { class: "hl-verdicts" });
  const made = new Map();
  let shown = "";

  const build = ({ columns = [], rows = [] }) => {
    const last = columns.length - 1;
    head.replaceChildren(h("td", {}), ...columns.map(({ title, help }, i) =>
      h("th", { scope: "col" }, title, asking(title, help, i === last ? "end" : "middle"))));
    body.replaceChildren(...rows.map((row) => {
      const cells = row.cells.map((cell, i) => number(cell, columns[i].title));
      const name = h("th", { scope: "row" }, row.title, asking(row.title, row.help));
      if (!cells.length && row.measure) {
        if (!made.has(row.measure)) {
          made.set(row.measure, measurer(row.measure, send, { first: "measure", again: "measure again", of: row.title }));
        }
        const control = made.get(row.measure);
        cells.push(h("td", { colspan: columns.length, class: "hl-unmeasured" },
          control.element, h("span", { class: "hl-muted hl-cost" }, row.cost)));
      } else if (!cells.length) {
        cells.push(...columns.map(({ title }) => h("td", { "data-head": title, class: "hl-muted" }, "–")));
      }
      return h("tr", { "data-row": row.name }, name, ...cells);
    }));
  };

  return {
    element: h("div", {}, table, verdicts),
    draw(view, measures) {
      const spelled = JSON.stringify(view || {});
      if (spelled !== shown) {
        shown = spelled;
        const focused = document.activeElement, row = body.contains(focused) ? focused.closest("tr")?.dataset.row : null;
        build(view || {});
        // A button that has done its work leaves the keys at its row.
        const kept = focused?.isConnected ? focused : row && [...body.rows].find((one) => one.dataset.row === row)?.querySelector("button");
        kept?.focus?.({ preventScroll: true });
        const said = view?.verdicts || [];
        verdicts.hidden = said.length === 0;
        const sentence = said.flatMap(([found, beside], i) => [i ? "; " : "", h("b", {}, found), ` ${beside}`]);
        verdicts.replaceChildren(...(said.length ? ["By the ridge readout, the learned features are ", ...sentence, "."] : []));
      }
      for (const [name, control] of made) {
        const state = measures?.[name] || {};
        control.draw(state);
        const cost = control.element.nextElementSibling;
        if (cost) cost.hidden = ["running", "waiting"].includes(state.state) || Boolean(state.refusal);
      }
    },
  };
}
