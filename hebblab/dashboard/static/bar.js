/** The top of the Lab: transport, status, errors, keys; it also watches over the link. */
import { download, h, mark } from "./dom.js";
import { connect } from "./part.js";
import { asked } from "./keys.js";
import { Link } from "./link.js";
import { keysDialog, open } from "./dialog.js";
import { errorPane, saveMenu, topRow } from "./transport.js";
import { statusLine } from "./status.js";

const LOOK = 200;
const TOUCH = 20000;
const SUPPRESS = "data-lm-suppress-shortcuts";

function make(el) {
  return (send, listen, ending) => {
    let root = null, view = {}, linked = "connecting", touched = 0;
    const link = new Link();
    const host = () => root || el;
    const top = topRow(send);
    const projector = h("button", { type: "button", class: "hl-plain hl-projector-switch", "aria-pressed": "false", title: "larger text and thicker lines" }, "projector");
    const help = h("button", { type: "button", class: "hl-plain hl-help-button", "aria-label": "keys", title: "keys (?)", on: { click: () => open(host(), keysDialog()) } }, "?");
    const status = statusLine(send, [saveMenu(send, () => root), projector, help]);
    const error = errorPane();
    el.append(top.element, status.element, error.element);

    projector.addEventListener("click", () => {
      const on = host().classList.toggle("hl-projector");
      mark(projector, "aria-pressed", on);
      send({ do: "projector", on });
    });

    const show = () => {
      linked = link.state;
      top.draw(view, linked !== "lost");
      status.draw(view, linked);
      error.draw(view.error);
      if (root) mark(root, "data-link", linked);
    };
    const hear = () => {
      link.hear();
      if (linked !== "connected") show();
    };
    // The one clock of the page's own: silence cannot announce itself.
    const watch = setInterval(() => link.state !== linked && show(), LOOK);
    ending(() => clearInterval(watch));
    listen(document, "visibilitychange", () => send({ do: "visibility", hidden: document.hidden }));
    listen(window, "beforeunload", (event) => {
      if (view.guard && linked === "connected") event.preventDefault();
    });

    const touch = () => {
      const now = Date.now();
      if (!view.idle && now - touched < TOUCH) return;
      touched = now;
      send({ do: "touch" });
    };
    const act = {
      toggle: () => (top.named.pause.disabled ? top.named.start : top.named.pause).click(),
      step: () => top.named.step.click(),
      probe: () => top.named.probe.click(),
      evaluation: () => host().querySelector(host().classList.contains("hl-studying") ? ".hebblab-close-evaluation" : ".hebblab-open-evaluation")?.click(),
      help: () => open(host(), keysDialog()),
    };
    const rooted = (found) => {
      root = found;
      root.setAttribute(SUPPRESS, "true");
      if (!root.hasAttribute("tabindex")) root.tabIndex = -1;
      show();
      // JupyterLab's selectors match the focused element itself, so the mark on the root alone does
      // not stop them. Chords stay its own, but for those that would run the cell again.
      const suppress = (event) => {
        if (!root.contains(event.target)) return;
        const theirs = (event.ctrlKey || event.metaKey) && event.key !== "Enter";
        for (const node of [root, event.target]) mark(node, SUPPRESS, theirs ? null : "true");
      };
      listen(window, "keydown", suppress, true);
      listen(root, "keydown", (event) => {
        touch();
        const wish = event.target.closest("dialog") ? null : asked(event, event.target);
        if (!wish) return;
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat || wish === "step") act[wish]();
      });
      listen(root, "pointerdown", touch);
      // Whoever clicks between the controls means the Lab, not the notebook around it.
      listen(root, "click", () => {
        if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
      });
    };
    return {
      rooted,
      draw(next) {
        const first = Object.keys(view).length === 0;
        view = next;
        if (!first) link.hear();
        show();
      },
      message(content, buffers) {
        hear();
        if (content.type === "beat") send({ do: "beat" });
        if (content.type === "file" && buffers[0]) download(String(content.name), String(content.mime), buffers[0]);
      },
    };
  };
}

export default {
  render: (context) => connect(context, make(context.el)),
};
