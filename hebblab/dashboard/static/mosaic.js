/** Where each weight image lies on the canvas, and how its bytes become pixels. */

/**
 * The arrangement of a mosaic that is `across` device pixels wide.
 *
 * All images have the same whole size; what is left over goes evenly between them, so that both
 * edges stand in line with the column.
 */
export function arrange({ count, columns, height, width }, across, ratio = 1) {
  const rows = Math.ceil(count / columns);
  const room = across / columns / ratio;
  const gap = Math.max(1, Math.round((room > 36 ? 3 : room > 18 ? 2 : 1) * ratio));
  const wide = Math.max(1, Math.floor((across - gap * (columns - 1)) / columns));
  const high = Math.max(1, Math.round((wide * height) / width));
  const spare = Math.max(0, across - wide);
  const left = (column) => (columns > 1 ? Math.round((column * spare) / (columns - 1)) : 0);
  return {
    count, columns, rows, wide, high, gap,
    x: Array.from({ length: columns }, (_, c) => left(c)),
    y: Array.from({ length: rows }, (_, r) => r * (high + gap)),
    across: columns > 1 ? Math.max(across, wide) : wide,
    down: Math.max(1, rows * (high + gap) - gap),
  };
}

/** Which image lies under a point in device pixels, or -1; a gap belongs to the nearest image. */
export function imageAt(place, x, y) {
  if (x < 0 || y < 0 || x >= place.across || y >= place.down) return -1;
  const half = place.gap / 2;
  let column = place.columns - 1;
  while (column > 0 && x < place.x[column] - half) column -= 1;
  const row = Math.min(place.rows - 1, Math.floor((y + half) / (place.high + place.gap)));
  const index = row * place.columns + column;
  return index < place.count ? index : -1;
}

/** A box around an image, in CSS pixels. */
export function imageBox(place, index) {
  const at = { left: place.x[index % place.columns], top: place.y[Math.floor(index / place.columns)], width: place.wide, height: place.high };
  return Object.fromEntries(Object.entries(at).map(([side, pixels]) => [side, pixels / place.ratio]));
}

/** The image that a key leads to from `index` (-1: none chosen yet). */
export function moved(index, key, columns, count) {
  if (count === 0) return -1;
  if (index < 0) return 0;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const next = by === undefined ? index : index + by;
  return next < 0 || next >= count ? index : next;
}

/** For each device pixel of an image the pixel of its source: nearest neighbour. */
export function nearest(source, target) {
  return Uint16Array.from({ length: target }, (_, i) => Math.min(source - 1, Math.floor(((i + 0.5) * source) / target)));
}

/**
 * Paint images into pixels.
 *
 * @param pixels Uint32Array of place.across * place.down; gaps are left as they are
 * @param frame {bytes, height, width, channels, greyed: Set of positions}
 * @param place what `arrange` returned
 * @param colours [bright, faded] tables of pixels, for one channel
 * @param only paint this position alone, at the origin
 */
export function paint(pixels, frame, place, [bright, grey], only = -1) {
  const { bytes, height, width, channels, greyed } = frame;
  const columns = nearest(width, place.wide), rows = nearest(height, place.high);
  const size = height * width * channels;
  const [first, end] = only < 0 ? [0, place.count] : [only, only + 1];
  for (let i = first; i < end; i += 1) {
    const table = greyed.has(i) ? grey : bright;
    const slot = only < 0 ? i : 0;
    const corner = place.y[Math.floor(slot / place.columns)] * place.across + place.x[slot % place.columns];
    for (let r = 0; r < place.high; r += 1) {
      const line = i * size + rows[r] * width * channels;
      let out = corner + r * place.across;
      if (channels === 1) {
        for (let c = 0; c < place.wide; c += 1) pixels[out++] = table[bytes[line + columns[c]]];
      } else {
        for (let c = 0; c < place.wide; c += 1) pixels[out++] = colour(bytes, line + 3 * columns[c], greyed.has(i));
      }
    }
  }
}

function colour(bytes, at, dull) {
  let red = bytes[at], green = bytes[at + 1], blue = bytes[at + 2];
  if (!(red || green || blue)) return 0;
  if (dull) red = green = blue = 140 + Math.round(0.4 * ((red + green + blue) / 3 - 128));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
