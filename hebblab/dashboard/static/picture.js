/** The canvas of weight images: one frame on it, one before it, painted in animation frames. */
import { tables } from "./colours.js";
import { arrange, paint } from "./mosaic.js";

const TABLES = tables();

/** A frame as it arrived: what it says about itself, and its bytes. Null if the two do not fit. */
export function framed(content, buffer) {
  const { units = [], height, width, channels } = content;
  if (!buffer || !(height > 0 && width > 0) || (channels !== 1 && channels !== 3)) return null;
  const bytes = new Uint8Array(buffer.buffer || buffer, buffer.byteOffset || 0, buffer.byteLength);
  if (bytes.length !== units.length * height * width * channels) return null;
  return { ...content, bytes, count: units.length, greyed: new Set(content.greyed || []) };
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

/** Paint one image of a frame, enlarged by a whole factor, into at most `room` CSS pixels. */
export function paintOne(canvas, frame, index, room, ratio) {
  const factor = Math.max(1, Math.floor((room * ratio) / Math.max(frame.height, frame.width)));
  const wide = frame.width * factor, high = frame.height * factor;
  const place = { count: 1, columns: 1, wide, high, gap: 0, x: [0], y: [0], across: wide, down: high };
  put(canvas, frame, place, index);
  canvas.style.width = `${wide / ratio}px`;
  canvas.style.height = `${high / ratio}px`;
}
