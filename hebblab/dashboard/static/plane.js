/** The plane: where its points, ticks, arrows and neighbours lie. */

const NEAR = 14;

/** A frame as it arrived: what it says about itself, and its numbers. Null if the two do not fit. */
export function framedPlane(content, buffer) {
  const { units = [], steps = 0, dots = 0 } = content;
  const count = units.length, floats = 2 * (count + steps * count + dots);
  if (!buffer || buffer.byteLength !== 4 * floats + dots) return null;
  // A copy: numbers of four bytes must begin at a multiple of four.
  const bytes = new Uint8Array(buffer.buffer || buffer, buffer.byteOffset || 0, buffer.byteLength).slice();
  const numbers = new Float32Array(bytes.buffer, 0, floats);
  return {
    ...content, count,
    weights: numbers.subarray(0, 2 * count),
    trail: numbers.subarray(2 * count, 2 * (count + steps * count)),
    points: numbers.subarray(2 * (count + steps * count)),
    labels: bytes.subarray(4 * floats),
    greyed: new Set(content.greyed || []),
  };
}

/** Where the plane lies on a canvas `across` CSS pixels wide: equal scale on both axes. */
export function planePlace(across, edge, scale = 1, bare = false) {
  const [left, right, top, bottom] = bare ? [1, 1, 1, 1] : [30, 9, 9, 24].map((side) => side * scale);
  const size = Math.max(1, across - left - right);
  return { across, down: size + top + bottom, left, top, size, edge, scale };
}

/** The place of a point of the plane, in CSS pixels. */
export function pixelAt({ left, top, size, edge }, x, y) {
  return [left + (size * (x + edge)) / (2 * edge), top + (size * (edge - y)) / (2 * edge)];
}

/** The tip of an arrow to (x, y), drawn back along itself to the edge of the picture. */
export function tipWithin(x, y, edge) {
  const beyond = Math.max(Math.abs(x), Math.abs(y)) / edge;
  return beyond > 1 ? [x / beyond, y / beyond, true] : [x, y, false];
}

/** The ticks of an axis from -edge to edge: at most nine whole numbers, 0 among them. */
export function ticksTo(edge) {
  const step = Math.max(1, Math.ceil(edge / 2));
  const most = Math.floor(edge / step);
  return Array.from({ length: 2 * most + 1 }, (_, i) => (i - most) * step);
}

/** The three corners of an arrow's head at `to`, no longer than the arrow itself. */
export function arrowHead([x0, y0], [x, y], size) {
  const length = Math.hypot(x - x0, y - y0);
  if (!(length > 0)) return [[x, y], [x, y], [x, y]];
  const along = Math.min(size, length), [dx, dy] = [(x - x0) / length, (y - y0) / length];
  const [bx, by] = [x - along * dx, y - along * dy], half = 0.42 * along;
  return [[x, y], [bx - half * dy, by + half * dx], [bx + half * dy, by - half * dx]];
}

/** Pairs of units that are neighbours on a sheet; closed: opposite edges are neighbours too. */
export function sheetPairs(rows, columns, closed) {
  const pairs = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const here = row * columns + column;
      if (column + 1 < columns) pairs.push([here, here + 1]);
      else if (closed && columns > 2) pairs.push([here, row * columns]);
      if (row + 1 < rows) pairs.push([here, here + columns]);
      else if (closed && rows > 2) pairs.push([here, column]);
    }
  }
  return pairs;
}

/** Which of three tints a class has, so that neighbours on a circle differ. */
export function tintOf(label, classes) {
  return classes % 3 === 1 && classes > 1 && label === classes - 1 ? 1 : label % 3;
}

/** The unit whose tip is nearest to a point in CSS pixels, or -1. */
export function tipAt(place, x, y) {
  let best = -1, least = (NEAR * place.scale) ** 2;
  place.tips.forEach(([tx, ty], i) => {
    const distance = (tx - x) ** 2 + (ty - y) ** 2;
    if (distance <= least) [best, least] = [i, distance];
  });
  return best;
}

/** A box around a unit's tip, in CSS pixels. */
export function tipBox(place, index) {
  const [x, y] = place.tips[index], side = 20 * place.scale;
  return { left: x - side / 2, top: y - side / 2, width: side, height: side };
}

/** The place of every unit's tip, and which units have left the picture. */
export function tipped(place, frame) {
  const tips = [], lefts = new Set();
  for (let i = 0; i < frame.count; i += 1) {
    const [x, y, left] = tipWithin(frame.weights[2 * i], frame.weights[2 * i + 1], place.edge);
    tips.push(pixelAt(place, x, y));
    if (left) lefts.add(i);
  }
  return { ...place, tips, lefts, columns: 1, ratio: 1 };
}

/** What a unit's arrow says of itself. */
export function arrowWords(frame, index) {
  const [x, y] = [frame.weights[2 * index], frame.weights[2 * index + 1]];
  const norm = Math.hypot(x, y), angle = Math.round((Math.atan2(y, x) * 180) / Math.PI);
  const lost = frame.greyed.has(index) ? ", wins nothing" : "";
  return `unit ${frame.units[index]}: norm ${Number(norm.toPrecision(3))}, ${String(angle).replace("-", "−")}°${lost}`;
}
