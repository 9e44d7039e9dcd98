/** Which key does what in the Lab, and where it must be left to what has the focus. */

const TYPING = new Set(["text", "search", "number", "email", "password", "url", "tel", ""]);
const PRESSED = new Set(["BUTTON", "SELECT", "SUMMARY", "A", "OPTION"]);

export const KEYS = [
  ["Space", "start or pause"],
  [".", "one step"],
  ["P", "probe"],
  ["E", "all probes: what the features are worth; Escape leads back"],
  ["B, held", "the weight images before the last edit"],
  ["arrow keys", "on a slider: one step; on the weight images: the next unit"],
  ["Page Up, Page Down", "on a slider: ten steps"],
  ["Delete", "on a slider: back to where the run began"],
  ["Escape", "let go of the chosen unit"],
  ["?", "this list"],
];

/** Whether keys belong to a text that is being written. */
export function typing(element) {
  if (!element || !element.tagName) return false;
  if (element.isContentEditable || element.tagName === "TEXTAREA") return true;
  return element.tagName === "INPUT" && TYPING.has(element.getAttribute("type") || "");
}

/** What a key asks for: "toggle", "step", "probe", "evaluation", "help", or null. */
export function asked(event, target) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(target)) return null;
  if (event.key === " ") {
    const own = PRESSED.has(target.tagName) || (target.tagName === "INPUT" && target.type !== "range");
    return own ? null : "toggle";
  }
  if (target.tagName === "SELECT") return null;
  return { ".": "step", p: "probe", P: "probe", e: "evaluation", E: "evaluation", "?": "help" }[event.key] || null;
}
