// A chart: words from the kernel around a plot that Plotly.js draws when it is seen and changed.

import { h, mark, say, sayPieces } from "./dom.js";
import { connect } from "./part.js";
import { page, receivePlotly, takeTurn, whenPlotly } from "./plotly.js";
import { placeLabels } from "./labels.js";
import { coloured, colours, scaled } from "./spec.js";
import { tool } from "./tool.js";

const context = document.createElement("canvas").getContext("2d");

function textWidth(family) {
  return (annotation) => {
    const bold = annotation.text.startsWith("<b>") ? "bold " : "";
    context.font = `${bold}${annotation.font.size}px ${family}`;
    const text = annotation.text.replace(/<\/?b>/g, "").replace(/&(#\d+|\w+);/g, "&");
    return context.measureText(text).width;
  };
}

// How much larger everything is than usual: more on a projector.
function scaleOf(root) {
  return Number.parseFloat(getComputedStyle(root).getPropertyValue("--hebblab-scale")) || 1;
}

// The elements around the plot. What stands over it is there where the panel has a header.
function build(el, { name, title, waiting, header }) {
  const parts = {
    title: h("span", { class: "hebblab-chart-title" }, title),
    subtitle: h("span", { class: "hebblab-chart-subtitle" }),
    plot: h("div", { class: "hebblab-chart-plot" }),
    words: h("div", { class: "hebblab-chart-words" }),
    waiting: h("div", { class: "hebblab-chart-waiting" }, waiting),
  };
  parts.words.hidden = true;
  parts.window = h("button", { type: "button", class: "hebblab-chart-window" });
  parts.window.hidden = true;
  parts.working = h("span", { class: "hebblab-chart-subtitle hebblab-chart-working" });
  parts.working.hidden = true;
  parts.tools = h("span", { class: "hebblab-chart-tools" });
  parts.foot = h("div", { class: "hebblab-chart-foot" });
  // Where there is a header, it has a line for progress of its own.
  parts.share = header ? null : h("progress", { max: 1, class: "hebblab-chart-share", "aria-label": `Progress: ${title}`, hidden: true });
  const head = h("div", { class: "hebblab-chart-head" }, parts.title, parts.subtitle, parts.working, parts.window, parts.tools);
  if (header) {
    parts.result = h("span", { class: "hebblab-probe-result", role: "status" });
    parts.status = h("span", { class: "hebblab-chart-status" });
    parts.progress = h("progress", { max: 1, class: "hebblab-chart-progress", "aria-label": "Progress of the probe" });
    parts.cancel = h("button", { type: "button", class: "hebblab-cancel-probe" }, "Cancel");
    parts.cancel.setAttribute("aria-label", "Cancel the probe");
    parts.line = h("div", { class: "hebblab-chart-line" }, parts.result, parts.status, parts.progress, parts.cancel);
    head.append(parts.line);
  }
  parts.head = head;
  parts.box = h("div", { class: "hebblab-chart-box" }, parts.plot, parts.words, parts.foot, ...(parts.share ? [parts.share] : []), parts.waiting);
  parts.root = h(
    "section",
    { class: `hebblab-chart hebblab-${name}`, role: "group", "aria-label": title },
    head,
    parts.box,
  );
  el.append(parts.root);
  return parts;
}

// The [top, bottom] in the plot of words in the middle of a chart that has no curve yet.
function across(words, { width, height, margin, font }, measure) {
  if (!words) return null;
  const lines = Math.ceil(measure({ text: words, font }) / (width - margin.l - margin.r));
  // As the style sheet places them: 6 px from the top, 30 px from the bottom.
  const centre = (height - 24) / 2 - margin.t;
  const half = 0.675 * lines * font.size;
  return [centre - half, centre + half];
}

// What depends on the size at hand: which names fit, and where labels stand.
function fit(layout, data, { width, height, scale, family, middle }) {
  const { xaxis, yaxis, margin } = layout;
  const measure = textWidth(family);
  Object.assign(layout, { width, height });
  layout.font.family = family;
  // The name of the y axis needs its own length; the subtitle says it too. Its place stays free,
  // so that all charts of a column begin on one line.
  if (measure(yaxis.title) > height - margin.t - margin.b - 4) yaxis.title = { text: "" };
  // A number at the end of an axis may reach into the margin; it is never left out.
  xaxis.ticklabeloverflow = "allow";
  if (layout.hovermode === "x unified") {
    xaxis.unifiedhovertitle = { text: `${xaxis.title.text} %{x:,}` };
  }
  // Names beside their bars are read from their first letter.
  const names = yaxis.title.text ? [] : (yaxis.ticktext ?? []);
  margin.l = Math.max(margin.l, ...names.map((text) => 10 * scale + measure({ text, font: yaxis.tickfont })));
  layout.annotations = placeLabels(layout, data, width, height, measure, across(middle, layout, measure));
}

// Plotly centres the name of the x axis; here it ends its line, which begins with the words. The
// name of the y axis stands at the edge, however long the numbers beside it are.
function arrange({ plot, words, foot }, { margin, font }, place) {
  const upright = plot.querySelector(".ytitle");
  if (upright) {
    const y = upright.getAttribute("y");
    upright.setAttribute("x", font.size);
    upright.setAttribute("transform", `rotate(-90,${font.size},${y})`);
  }
  const title = plot.querySelector(".xtitle");
  if (title) {
    title.setAttribute("x", plot.clientWidth - margin.r);
    title.style.textAnchor = "end";
  }
  const beside = place === "bottom" ? (title?.getBBox().width ?? 0) + 12 : 0;
  words.style.left = foot.style.left = `${margin.l}px`;
  words.style.right = `${margin.r + beside}px`;
}

function chart(model, el, send, listen, atEnd) {
  const stop = new AbortController();
  const { signal } = stop;
  const parts = build(el, model.get("view"));
  const { root, box, plot } = parts;
  let tools = [];
  let Plotly = null;
  let spec = null;
  let id = 0;
  let answered = 0;
  let seen = !window.IntersectionObserver;
  let stale = false;

  const answer = () => {
    if (answered === id || signal.aborted) return;
    answered = id;
    send({ do: "drawn", id });
  };

  const draw = async () => {
    if (signal.aborted || !Plotly || !spec) return;
    const { clientWidth: width, clientHeight: height } = box;
    if (!seen || width < 40 || height < 30) {
      stale = true;
      answer();
      return;
    }
    stale = false;
    const drawing = id;
    const { config, place } = spec;
    const style = getComputedStyle(root);
    const scale = scaleOf(root);
    const palette = colours(root);
    const layout = scaled(spec.layout, scale);
    const data = scaled(spec.data, scale);
    const middle = place === "centre" ? spec.words : "";
    fit(layout, data, { width, height, scale, family: style.fontFamily, middle });
    try {
      await Plotly.react(plot, coloured(data, palette), coloured(layout, palette), config);
      parts.waiting.hidden = true;
      parts.words.hidden = false;
      arrange(parts, layout, place);
    } catch (error) {
      console.warn("hebblab: a chart could not be drawn.", error);
    }
    if (drawing === id) answer();
  };

  const wish = () => {
    if (document.hidden || !Plotly || !seen) {
      stale = true;
      answer();
    } else {
      takeTurn(draw);
    }
  };
  const again = () => spec && wish();

  const show = (content) => {
    ({ spec, id } = content);
    if (spec.title) say(parts.title, spec.title);
    say(parts.subtitle, spec.subtitle);
    parts.subtitle.title = spec.subtitle ?? "";
    if (spec.description) root.setAttribute("aria-label", spec.description);
    say(parts.words, spec.words);
    parts.words.dataset.place = spec.place ?? "bottom";
    wish();
  };

  const sizes = new ResizeObserver(() => {
    const compact = root.clientHeight < 140 && root.clientWidth >= 300;
    root.classList.toggle("hebblab-compact", compact);
    root.classList.toggle("hebblab-narrow", !compact && root.clientWidth < 420 * scaleOf(root));
    // Beside a result there is no room for more at half height.
    const place = compact && parts.result ? parts.foot : parts.head;
    if (parts.tools.parentElement !== place) place.insertBefore(parts.tools, place === parts.head ? (parts.line ?? null) : null);
    again();
  });
  sizes.observe(root);
  sizes.observe(box);
  const onScreen =
    window.IntersectionObserver &&
    new IntersectionObserver((entries) => {
      seen = entries.at(-1).isIntersecting;
      if (seen && stale) again();
    });
  onScreen?.observe(box);
  // Colours are read at each drawing: a new theme asks for one.
  const themes = new MutationObserver(again);
  const watched = { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-theme"] };
  for (const node of [document.documentElement, document.body]) themes.observe(node, watched);
  listen(window.matchMedia("(prefers-color-scheme: dark)"), "change", again);
  listen(document, "visibilitychange", () => !document.hidden && stale && again());
  listen(parts.window, "click", () => send({ do: "window", value: parts.window.value }));
  if (parts.cancel) listen(parts.cancel, "click", () => send({ do: "cancel-probe" }));

  whenPlotly(
    () => send({ do: "plotly" }),
    (arrived) => {
      Plotly = arrived;
      again();
    },
    signal,
  );

  atEnd(() => {
    stop.abort();
    sizes.disconnect();
    onScreen?.disconnect();
    themes.disconnect();
    const { queue } = page();
    if (queue.includes(draw)) queue.splice(queue.indexOf(draw), 1);
    if (plot._fullLayout) Plotly.purge(plot);
    root.remove();
  });

  return {
    draw({ header, window: shown, tools: wanted = [], progress = null, status = "" }) {
      if (wanted.length !== tools.length) {
        tools = wanted.map((one) => tool(one, send, parts.title.textContent));
        parts.tools.replaceChildren(...tools.filter((_, i) => wanted[i].place === "head").map(({ element }) => element));
        parts.foot.prepend(...tools.filter((_, i) => wanted[i].place === "foot").map(({ element }) => element));
      }
      wanted.forEach((one, i) => tools[i].draw(one));
      if (parts.share) {
        parts.share.hidden = progress === null;
        if (progress !== null) parts.share.value = progress;
      }
      say(parts.working, status);
      parts.working.hidden = !status;
      parts.subtitle.hidden = Boolean(status);
      parts.window.hidden = !shown;
      parts.window.value = shown === "last" ? "all" : "last";
      const other = shown === "last" ? ["whole run", "show the whole run"] : ["last 1,000", "show the last 1,000 steps"];
      say(parts.window, other[0]);
      for (const name of ["title", "aria-label"]) mark(parts.window, name, other[1]);
      if (!header || !parts.result) return;
      const busy = header.progress !== null;
      sayPieces(parts.result, header.text);
      parts.result.title = header.text;
      say(parts.status, busy ? header.status : "");
      parts.result.hidden = busy;
      parts.status.hidden = !busy;
      parts.progress.hidden = !busy;
      if (busy) parts.progress.value = header.progress;
      parts.cancel.disabled = !header.cancel;
      root.classList.toggle("hebblab-has-result", busy || header.text !== "");
    },
    rooted(lab) {
      themes.observe(lab, { attributes: true });
    },
    message(content, buffers) {
      if (content.type === "chart") show(content);
      else if (content.type === "plotly" && buffers.length) receivePlotly(buffers[0]);
    },
  };
}

export default {
  render({ model, el }) {
    return connect({ model, el }, (send, listen, atEnd) => chart(model, el, send, listen, atEnd));
  },
};
