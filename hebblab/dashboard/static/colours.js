/** Ink on paper: blue below zero, paper white at zero, warm ink above; safe for colour-blind eyes. */

const INKS = [
  [-1, 0x13, 0x3a, 0x66],
  [-0.75, 0x26, 0x55, 0x8b],
  [-0.5, 0x4f, 0x86, 0xb8],
  [-0.25, 0xa6, 0xc6, 0xde],
  [0, 0xf8, 0xf8, 0xf5],
  [0.25, 0xf1, 0xc6, 0xa6],
  [0.5, 0xd8, 0x7a, 0x42],
  [0.75, 0xa8, 0x46, 0x1a],
  [1, 0x6a, 0x22, 0x0a],
];

/** The colour of a weight between -1 and 1, as [red, green, blue]. */
export function ink(weight) {
  const at = Math.min(1, Math.max(-1, weight));
  let i = 1;
  while (i < INKS.length - 1 && at > INKS[i][0]) i += 1;
  const [from, to] = [INKS[i - 1], INKS[i]];
  const t = (at - from[0]) / (to[0] - from[0]);
  return [1, 2, 3].map((c) => Math.round(from[c] + t * (to[c] - from[c])));
}

/** A colour faded towards grey paper, for units that win nothing. */
export function faded([red, green, blue]) {
  const grey = 0.3 * red + 0.59 * green + 0.11 * blue;
  return [0xea, 0xeb, 0xeb].map((paper) => Math.round(0.55 * paper + 0.45 * grey));
}

/** One pixel of image data, in the byte order of every machine that runs a browser. */
export function packed([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** The colours of the bytes from 1, where 128 is zero: [bright, faded] tables of pixels; 0 has none. */
export function tables() {
  const bright = new Uint32Array(256), grey = new Uint32Array(256);
  for (let byte = 1; byte < 256; byte += 1) {
    const colour = ink((byte - 128) / 127);
    bright[byte] = packed(colour);
    grey[byte] = packed(faded(colour));
  }
  return [bright, grey];
}

/** The colour bar, as a CSS gradient; in colour pictures each channel goes from black to white. */
export function gradient(channels) {
  if (channels === 3) return "linear-gradient(to right, black, white)";
  const stops = INKS.map(([at, r, g, b]) => `rgb(${r} ${g} ${b}) ${(at + 1) * 50}%`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
