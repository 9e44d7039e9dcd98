// A specification as Plotly takes it, from one that names colours and is of no size yet.

const LIGHT = {
  accent: "#0b6e75",
  warm: "#a9501f",
  ink: "#1f2428",
  muted: "#5a636d",
  line: "#e4e7ea",
  mark: "#97a1ab",
  paper: "#ffffff",
  quiet: "#7d8b99",
};

// The page's colours as Plotly reads them; CSS may say them in any notation.
export function colours(root) {
  const probe = document.createElement("span");
  probe.hidden = true;
  root.append(probe);
  const found = {};
  for (const [name, light] of Object.entries(LIGHT)) {
    probe.style.color = `var(--hebblab-${name}, ${light})`;
    const color = getComputedStyle(probe).color;
    const wide = color.match(/^color\(srgb ([\d.]+) ([\d.]+) ([\d.]+)/);
    found[name] = wide ? `rgb(${wide.slice(1).map((v) => Math.round(255 * v))})` : color;
  }
  probe.remove();
  return found;
}

// A copy of a specification in which `change(value, key, owner)` has replaced every leaf.
function mapped(value, change, key = "", owner = null) {
  if (Array.isArray(value)) return value.map((v) => mapped(v, change, key, owner));
  if (value === null || typeof value !== "object") return change(value, key, owner);
  const copy = {};
  for (const [k, v] of Object.entries(value)) copy[k] = mapped(v, change, k, value);
  return copy;
}

export function coloured(spec, palette) {
  return mapped(spec, (value, key) =>
    typeof value === "string" && value.startsWith("@") && key.endsWith("color")
      ? (palette[value.slice(1)] ?? palette.ink)
      : value,
  );
}

const SIZES = new Set(["size", "width", "thickness", "standoff", "yshift", "l", "r", "t", "b"]);

// Sizes follow the page's scale (a projector); the width of a bar is in units of its axis.
export function scaled(spec, scale) {
  return mapped(spec, (value, key, owner) =>
    typeof value === "number" && SIZES.has(key) && owner.type !== "bar" ? value * scale : value,
  );
}
