/** Drawing the plane: inputs of two numbers as dots, units as arrows with their trails. */
import { arrowHead, pixelAt, planePlace, sheetPairs, ticksTo, tintOf, tipped } from "./plane.js";

const FADES = 8;
const HEAD = 9;
const NAMED = 16;
const MANY = 24;
const FALLBACK = {
  accent: "#0b6e75", warm: "#a9501f", ink: "#1f2428", muted: "#5a636d", line: "#e4e7ea",
  edge: "#c3c9cf", mark: "#97a1ab", quiet: "#7d8b99", paper: "#ffffff",
};

function inks(element) {
  const style = getComputedStyle(element);
  const found = { font: style.fontFamily };
  for (const [name, usual] of Object.entries(FALLBACK)) {
    found[name] = style.getPropertyValue(`--hebblab-${name}`).trim() || usual;
  }
  return found;
}

function line(brush, points, colour, wide, alpha = 1) {
  brush.globalAlpha = alpha;
  brush.strokeStyle = colour;
  brush.lineWidth = wide;
  brush.beginPath();
  points.forEach(([x, y], i) => (i ? brush.lineTo(x, y) : brush.moveTo(x, y)));
  brush.stroke();
}

function disc(brush, [x, y], radius) {
  brush.moveTo(x + radius, y);
  brush.arc(x, y, radius, 0, 2 * Math.PI);
}

function axes(brush, place, ink) {
  const { left, top, size, edge, scale } = place;
  brush.font = `${12 * scale}px ${ink.font}`;
  brush.fillStyle = ink.muted;
  for (const tick of ticksTo(edge)) {
    const [x, y] = pixelAt(place, tick, tick);
    const colour = tick ? ink.line : ink.edge;
    line(brush, [[x, top], [x, top + size]], colour, scale);
    line(brush, [[left, y], [left + size, y]], colour, scale);
    const text = String(tick).replace("-", "−");
    brush.textAlign = "center";
    brush.textBaseline = "top";
    const half = brush.measureText(text).width / 2;
    brush.fillText(text, Math.min(x, place.across - half), top + size + 5 * scale);
    brush.textAlign = "right";
    brush.textBaseline = "middle";
    brush.fillText(text, left - 6 * scale, y);
  }
  const [x, y] = pixelAt(place, (3 * edge) / 4, (3 * edge) / 4);
  brush.textAlign = "right";
  brush.fillText("x₂", left - 6 * scale, y);
  brush.textAlign = "center";
  brush.textBaseline = "top";
  brush.fillText("x₁", x, top + size + 5 * scale);
}

function inputs(brush, place, frame, ink, radius) {
  const tints = [ink.quiet, ink.warm, ink.accent];
  for (let tint = 0; tint < 3; tint += 1) {
    brush.beginPath();
    for (let i = 0; i < frame.dots; i += 1) {
      const own = frame.tinted ? tintOf(frame.labels[i], frame.classes) : 0;
      if (own === tint) disc(brush, pixelAt(place, frame.points[2 * i], frame.points[2 * i + 1]), radius);
    }
    brush.globalAlpha = tint ? 0.3 : 0.42;
    brush.fillStyle = tints[tint];
    brush.fill();
  }
}

/** Draw the way a unit came, fainter the longer ago. */
function way(brush, place, frame, index, colour, wide) {
  const { steps, count, trail } = frame;
  const points = Array.from({ length: steps }, (_, step) => {
    const at = 2 * (step * count + index);
    return pixelAt(place, trail[at], trail[at + 1]);
  });
  // An edit may have moved the weights since the last step.
  if (!place.lefts.has(index)) points.push(place.tips[index]);
  const each = Math.max(1, Math.ceil((points.length - 1) / FADES));
  for (let start = 0, fade = 1; start < points.length - 1; start += each, fade += 1) {
    line(brush, points.slice(start, start + each + 1), colour, wide, 0.12 + (0.5 * fade) / FADES);
  }
}

function arrow(brush, place, frame, index, colour, wide, alpha) {
  const from = pixelAt(place, 0, 0), to = place.tips[index], size = (frame.count > MANY ? 4 : HEAD) * place.scale + wide;
  const [tip, one, two] = arrowHead(from, to, place.lefts.has(index) ? 1.3 * size : size);
  line(brush, [from, [(one[0] + two[0]) / 2, (one[1] + two[1]) / 2]], colour, wide, alpha);
  brush.fillStyle = colour;
  brush.beginPath();
  if (Math.hypot(to[0] - from[0], to[1] - from[1]) < 4) disc(brush, to, wide + 0.5);
  else {
    brush.moveTo(...tip);
    brush.lineTo(...one);
    brush.lineTo(...two);
  }
  brush.fill();
}

/** Write the units' numbers beside their tips, where one does not cover another. */
function numbers(brush, place, frame, chosen, ink) {
  const { scale } = place, taken = [], from = pixelAt(place, 0, 0);
  const order = frame.units.map((_, i) => i).sort((a, b) => (b === chosen) - (a === chosen));
  brush.font = `${12 * scale}px ${ink.font}`;
  brush.textAlign = "center";
  brush.textBaseline = "middle";
  brush.lineJoin = "round";
  brush.globalAlpha = 1;
  for (const i of order) {
    const [x, y] = place.tips[i], length = Math.hypot(x - from[0], y - from[1]) || 1;
    const by = (place.lefts.has(i) ? -20 : 11) * scale;
    const at = [x + (by * (x - from[0])) / length, y + (by * (y - from[1])) / length];
    if (taken.some(([tx, ty]) => Math.abs(tx - at[0]) < 15 * scale && Math.abs(ty - at[1]) < 13 * scale)) continue;
    taken.push(at);
    brush.strokeStyle = ink.paper;
    brush.lineWidth = 3 * scale;
    brush.strokeText(String(frame.units[i]), ...at);
    brush.fillStyle = i === chosen ? ink.warm : ink.ink;
    brush.fillText(String(frame.units[i]), ...at);
  }
}

function draw(canvas, frame, place, ratio, chosen, only) {
  const wide = Math.round(place.across * ratio), high = Math.round(place.down * ratio);
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  canvas.style.width = `${wide / ratio}px`;
  canvas.style.height = `${high / ratio}px`;
  const ink = inks(canvas), brush = canvas.getContext("2d"), { scale, left, top, size } = place;
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.globalAlpha = 1;
  brush.fillStyle = ink.paper;
  brush.fillRect(0, 0, place.across, place.down);
  if (only < 0) axes(brush, place, ink);
  brush.save();
  brush.beginPath();
  brush.rect(left, top, size, size);
  brush.clip();
  inputs(brush, place, frame, ink, (only < 0 ? 1.7 : 1) * scale);
  const centre = pixelAt(place, 0, 0);
  brush.globalAlpha = 1;
  brush.beginPath();
  disc(brush, centre, size / (2 * place.edge));
  brush.setLineDash([3 * scale, 3 * scale]);
  brush.strokeStyle = ink.mark;
  brush.lineWidth = scale;
  brush.stroke();
  brush.setLineDash([]);

  const many = frame.count > MANY, sheet = frame.sheet && only < 0;
  const each = only < 0 ? frame.units.map((_, i) => i) : [only];
  const colour = (i) => (i === chosen ? ink.warm : frame.greyed.has(i) ? ink.mark : ink.accent);
  // The chosen unit lies on top.
  each.sort((a, b) => (a === chosen) - (b === chosen));
  for (const i of each) way(brush, place, frame, i, colour(i), (many ? 1 : 1.5) * scale);
  if (sheet) {
    for (const [a, b] of sheetPairs(...frame.sheet)) {
      line(brush, [place.tips[a], place.tips[b]], ink.accent, 1.5 * scale, 0.9);
    }
  }
  for (const i of each) {
    const own = i === chosen ? 3 : many ? 1.2 : 2;
    arrow(brush, place, frame, i, colour(i), own * scale, i !== chosen && sheet ? 0.35 : many ? 0.8 : 1);
  }
  if (only < 0 && frame.count <= NAMED) numbers(brush, place, frame, chosen, ink);
  brush.restore();
}

/** Paint a frame into a column `across` CSS pixels wide; returns where everything lies. */
export function paintPlane(canvas, frame, across, ratio, scale, chosen) {
  const place = tipped(planePlace(across, frame.edge, scale), frame);
  draw(canvas, frame, place, ratio, frame.units.indexOf(chosen), -1);
  return place;
}

/** Paint one arrow of a frame alone, close up, into `room` CSS pixels. */
export function paintArrow(canvas, frame, index, room, ratio) {
  const reach = Math.max(Math.abs(frame.weights[2 * index]), Math.abs(frame.weights[2 * index + 1]));
  const edge = [1.5, 2.5].find((near) => reach < 0.9 * near) ?? frame.edge;
  draw(canvas, frame, tipped(planePlace(room, edge, 1, true), frame), ratio, index, index);
}
