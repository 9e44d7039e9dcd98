/** The status line: where the run stands, how fast it goes, whether the kernel answers. */
import { h, mark, say, sayPieces } from "./dom.js";
import { choice } from "./transport.js";

const LINKED = { connecting: "connecting …", connected: "connected", lost: "connection lost" };
const LOST = "Nothing was heard from the kernel for five seconds. If it has ended, reload the page, or run the cell again.";

export function statusLine(send, tools) {
  const value = (name) => h("b", { class: `hebblab-${name}` });
  const [steps, epoch, rate] = ["steps", "epoch", "rate"].map(value);
  const state = h("b", { class: "hebblab-state", role: "status" });
  const of = h("span", {}), frames = h("b", {}), seed = h("b", {});
  const left = h("span", { class: "hebblab-left" });
  const link = h("span", { class: "hebblab-link", role: "status" });
  const notice = h("span", { class: "hl-notice", role: "status" });
  const where = h("span", { class: "hl-pieces" });
  const back = h("button", { type: "button", class: "hl-plain hl-back", hidden: true, on: { click: () => send({ do: "back" }) } }, where);
  const [ofSteps, ofFrames] = [h("span", {}), h("span", {})];
  const rated = (number, unit, count, one) => {
    say(number, count);
    say(unit, ` ${one}${count === "1" ? "" : "s"}/s`);
  };
  const speed = choice("speed", "speed", (chosen) => send({ do: "speed", value: chosen }));
  const item = (css, ...children) => h("span", { class: `hl-item ${css}` }, ...children);
  const element = h("div", { class: "hl-status" },
    h("div", { class: "hl-facts" },
      item("hl-wide-state", state), item("hl-wide-steps", "step ", steps, of), item("hl-wide-epoch", "epoch ", epoch),
      item("hl-wide-rate", rate, ofSteps), left, notice, back),
    h("div", { class: "hl-facts hl-right" },
      speed.element, item("hl-wide-frames", frames, ofFrames), item("", "seed ", seed), link, ...tools));
  return {
    element,
    draw(view, linked) {
      const lost = linked === "lost";
      say(state, lost ? "not connected" : view.state);
      mark(state, "data-state", lost ? "lost" : view.state);
      say(steps, view.steps ?? "");
      say(of, view.of ? ` ${view.of}` : "");
      say(epoch, view.epoch ?? "");
      rated(rate, ofSteps, lost ? "–" : view.rate ?? "", "step");
      say(left, lost ? "" : view.left);
      say(notice, lost ? "" : view.notice);
      rated(frames, ofFrames, lost ? "–" : view.frames ?? "", "frame");
      say(seed, view.seed ?? "");
      say(link, LINKED[linked]);
      mark(link, "data-link", linked);
      mark(link, "title", lost ? LOST : null);
      speed.draw(view.speed, !lost);
      sayPieces(where, view.back ? `back to ${view.back}` : "");
      mark(back, "title", view.back ? `back to ${view.back}` : null);
      back.hidden = !view.back;
    },
  };
}
