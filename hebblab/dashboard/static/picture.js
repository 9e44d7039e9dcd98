/** The canvas of weight images: one frame on it, one before it, painted in animation frames. */
import { tables } from "./colours.js";
import { arrange, paint } from "./mosaic.js";

const TABLES = tables();

function images(content, count, buffer) {
  const { height, width, channels } = content;
  if (!buffer || !(height > 0 && width > 0) || (channels !== 1 && channels !== 3)) return null;
  const bytes = new Uint8Array(buffer.buffer || buffer, buffer.byteOffset || 0, buffer.byteLength);
  return bytes.length === count * height * width * channels ? { ...content, bytes, count } : null;
}

/**
 * A frame as it arrived: what it says about itself, and its bytes. Null if the two do not fit.
 *
 * `close`, with the second buffer, is the picture of one unit that is another than its small one.
 */
export function framed(content, buffer, second) {
  const { units = [], greyed = [], close } = content;
  const made = images(content, units.length, buffer);
  if (!made) return null;
  const large = close && images({ ...close, units: [close.unit], greyed: new Set() }, 1, second);
  return { ...made, close: large || null, greyed: new Set(greyed) };
}

function put(canvas, frame, place, only) {
  if (canvas.width !== place.across) canvas.width = place.across;
  if (canvas.height !== place.down) canvas.height = place.down;
  const brush = canvas.getContext("2d");
  const image = brush.createImageData(place.across, place.down);
  paint(new Uint32Array(image.data.buffer), frame, place, TABLES, only);
  brush.putImageData(image, 0, 0);
}

/** Paint all of a frame into a column `wide` CSS pixels across; returns the arrangement. */
export function paintAll(canvas, frame, wide, ratio) {
  const place = arrange(frame, Math.max(1, Math.floor(wide * ratio)), ratio);
  put(canvas, frame, place, -1);
  canvas.style.width = `${place.across / ratio}px`;
  canvas.style.height = `${place.down / ratio}px`;
  return { ...place, ratio };
}

/**
 * Paint one unit of a frame, enlarged by a whole factor, into at most `room` CSS pixels.
 *
 * A picture that has more pixels is as large as it is, and drawn smaller from twice the room on.
 */
export function paintOne(canvas, shown, place, room, ratio) {
  const large = shown.close?.unit === shown.units[place];
  const [frame, index] = large ? [shown.close, 0] : [shown, place];
  const factor = Math.max(1, Math.floor((room * ratio) / Math.max(frame.height, frame.width)));
  const wide = frame.width * factor, high = frame.height * factor;
  put(canvas, frame, { count: 1, columns: 1, wide, high, gap: 0, x: [0], y: [0], across: wide, down: high }, index);
  const share = Math.min(1, (2 * room * ratio) / Math.max(wide, high));
  canvas.style.width = `${(wide / ratio) * share}px`;
  canvas.style.height = `${(high / ratio) * share}px`;
  canvas.style.imageRendering = share < 1 ? "auto" : "";
}
