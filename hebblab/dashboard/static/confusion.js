/** The confusion matrix: each cell opens its images; arrow keys go from cell to cell. */
import { fill, h, mark, say } from "./dom.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const LONG = 3;

/** How strongly a cell is inked: mistakes, which are few, more than their share. */
export function inked(count, whole, right) {
  const share = whole > 0 ? count / whole : 0;
  return right ? 0.42 * share : Math.min(0.42, Math.sqrt(share));
}

export function confusionMatrix(send) {
  const of = h("select", { on: { change: () => send({ do: "of", name: of.value }) } });
  const label = h("label", { class: "hl-choice" }, h("span", {}, "of"), of);
  const note = h("p", { class: "hl-muted hl-help" });
  const waiting = h("p", { class: "hl-muted hl-nothing" }, "Which class is taken for which. A cell opens its images.");
  const grid = h("table", { class: "hl-matrix", role: "grid", "aria-label": "confusion matrix: rows are true classes, columns what they are taken for" });
  let shown = "", at = [0, 0], cells = [];

  const focusable = ([row, column], take) => {
    for (const line of cells) for (const cell of line) cell.tabIndex = -1;
    const cell = cells[row]?.[column];
    if (!cell) return;
    at = [row, column];
    cell.tabIndex = 0;
    if (take) cell.focus({ preventScroll: true });
  };
  const press = (cell) => {
    if (!cell) return;
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    focusable([row, column], true);
    send({ do: "cell", row, column });
  };
  grid.addEventListener("click", (event) => press(event.target.closest("[data-row]")));
  grid.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    if (step) focusable([at[0] + step[0], at[1] + step[1]], true);
    else if (event.key === "Enter" || event.key === " ") press(event.target.closest("[data-row]"));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const build = ({ classes, counts }) => {
    const long = classes.some((name) => [...name].length > LONG);
    grid.classList.toggle("hl-long", long);
    const heads = classes.map((name) => h("th", { scope: "col", title: name }, h("span", {}, name)));
    const corner = h("td", { class: "hl-corner hl-muted" }, h("span", {}, "true ↓"), h("span", {}, "taken for →"));
    cells = counts.map((line, row) => {
      const whole = line.reduce((sum, count) => sum + count, 0);
      return line.map((count, column) => {
        const right = row === column;
        const words = right
          ? `${classes[row]} named rightly: ${count} of ${whole}`
          : `${classes[row]} taken for ${classes[column]}: ${count} of ${whole}`;
        const cell = h("td", { role: "gridcell", tabindex: "-1", "data-row": row, "data-column": column, title: words, "aria-label": words, class: right ? "hl-right" : "" }, count ? String(count) : "");
        cell.style.setProperty("--hl-ink", `${(100 * inked(count, whole, right)).toFixed(1)}%`);
        return cell;
      });
    });
    const body = cells.map((line, row) =>
      h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader", title: classes[row] }, h("span", {}, classes[row])), ...line));
    grid.replaceChildren(h("thead", {}, h("tr", { role: "row" }, corner, ...heads)), h("tbody", {}, ...body));
  };

  return {
    element: h("div", {}, waiting, grid, note),
    label,
    draw(view) {
      waiting.hidden = Boolean(view);
      grid.hidden = label.hidden = !view;
      say(note, view?.note);
      if (!view) {
        shown = "";
        return;
      }
      fill(of, view.choices);
      of.value = view.of;
      const spelled = JSON.stringify([view.classes, view.counts]);
      if (spelled !== shown) {
        shown = spelled;
        const had = grid.contains(document.activeElement);
        build(view);
        focusable(view.chosen || [0, 0], had);
      }
      for (const line of cells) for (const cell of line) {
        const chosen = view.chosen && view.chosen[0] === Number(cell.dataset.row) && view.chosen[1] === Number(cell.dataset.column);
        mark(cell, "aria-selected", chosen ? "true" : "false");
      }
    },
  };
}
