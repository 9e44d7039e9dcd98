/** Numbers as people type and read them, and the arithmetic of a slider. */

/** The text a person typed, with a comma or a typographic minus in the form a program reads. */
export function typed(text) {
  const bare = text.trim().replace(/[\u2212\u2013]/g, "-");
  const thousands = /^[+-]?[1-9]\d{0,2}(,\d{3})+$/.test(bare);
  return !thousands && /^[+-]?\d*,\d+$/.test(bare) ? bare.replace(",", ".") : bare;
}

/** Like C's %g: `digits` significant figures, no trailing zeros. */
export function general(value, digits) {
  return String(Number(value.toPrecision(digits)));
}

/** A knob's value as the field shows it while a finger still holds the slider. */
export function shown(value, knob) {
  if (typeof value !== "number") return String(value);
  if (knob.scale === "integer") return String(Math.round(value));
  if (knob.scale === "log" || value === 0 || Math.abs(value) < 0.01) return general(value, 3);
  const short = value.toFixed(knob.step >= 0.1 ? 1 : 2);
  return Math.abs(Number(short) - value) <= 1e-9 * Math.abs(value) ? short : general(value, 4);
}

/** Whether the slider counts in decades. */
const inDecades = (knob) => knob.scale === "log" || Boolean(knob.slider_log);

/** The ends of a slider, in the units of its `input`. */
export function ends(knob) {
  const low = knob.slider_low, high = knob.slider_high;
  return inDecades(knob) ? [Math.log10(low), Math.log10(high)] : [low, high];
}

/** Where a value stands on the slider; beyond its ends, at the end. */
export function position(value, knob) {
  const [low, high] = ends(knob);
  const at = inDecades(knob) ? (value > 0 ? Math.log10(value) : low) : value;
  return Math.min(high, Math.max(low, Number.isFinite(at) ? at : low));
}

const within = (value, knob) => Math.min(knob.slider_high, Math.max(knob.slider_low, value));

/** The round value at a place on the slider. */
export function valueAt(at, knob) {
  if (knob.scale === "log") return Number((10 ** at).toPrecision(2));
  // Two figures, so that the end itself may lie between two of them.
  if (knob.slider_log) return at >= ends(knob)[1] ? knob.slider_high : within(Math.round((10 ** at).toPrecision(2)), knob);
  if (knob.scale === "integer") return Math.round(at);
  const low = knob.slider_low, step = knob.step;
  if (!(step > 0)) return at;
  return Number(within(low + Math.round((at - low) / step) * step, knob).toPrecision(12));
}

/** The value some steps away where a decade is parted evenly, so that a step back undoes a step. */
function inDecade(value, factor, steps) {
  const parts = Math.round(1 / Math.log10(factor));
  const at = parts * Math.log10(value), near = Math.round(at);
  // Three figures stand this near to the place that they were rounded from.
  const from = Math.abs(at - near) < 0.06 ? near : steps > 0 ? Math.floor(at) : Math.ceil(at);
  return Number((10 ** ((from + steps) / parts)).toPrecision(3));
}

/** The value some steps up or down; a value beyond the slider only moves back towards it. */
export function stepped(value, knob, steps) {
  const low = knob.slider_low, high = knob.slider_high;
  let next;
  if (inDecades(knob)) {
    const factor = knob.step > 1 ? knob.step : 1.1;
    next = value > 0 ? inDecade(value, factor, steps) : steps > 0 ? low : value;
    if (knob.slider_log) next = steps > 0 ? Math.max(Math.round(next), value + 1) : Math.min(Math.round(next), value - 1);
  } else {
    const step = knob.scale === "integer" ? Math.max(1, Math.round(knob.step || 1)) : knob.step || (high - low) / 100;
    next = Number((value + steps * step).toPrecision(12));
  }
  return steps > 0 ? Math.min(next, Math.max(high, value)) : Math.max(next, Math.min(low, value));
}

/** How much of the slider lies left of a value, 0 to 1. */
export function filled(value, knob) {
  const [low, high] = ends(knob);
  return high > low ? (position(value, knob) - low) / (high - low) : 0;
}
