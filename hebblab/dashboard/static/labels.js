// Where labels stand in a chart of a given size: pure arithmetic, no document.

// The centre nearest to `want` at which a label `tall` pixels high lies within `height` and
// touches none of `bands` ([top, bottom] pairs); null where there is no room.
export function freeSlot(want, tall, height, bands) {
  const half = tall / 2;
  const candidates = [want];
  for (const [top, bottom] of bands) candidates.push(top - half, bottom + half);
  candidates.push(half, height - half);
  let best = null;
  for (const y of candidates) {
    if (y < half - 4 || y > height - half + 0.5) continue;
    if (bands.some(([top, bottom]) => y + half > top + 0.01 && y - half < bottom - 0.01)) continue;
    if (best === null || Math.abs(y - want) < Math.abs(best - want)) best = y;
  }
  return best;
}

// The [top, bottom] that a trace covers between two pixel columns, or null.
export function band(trace, toX, toY, left, right) {
  let top = Infinity;
  let bottom = -Infinity;
  const take = (y) => {
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  };
  let before = null;
  const { x, y } = trace;
  const radius = trace.mode?.includes("markers") ? (trace.marker?.size ?? 6) / 2 : 0;
  for (let i = 0; i < x.length; i++) {
    if (y[i] === null || y[i] === undefined) {
      before = null;
      continue;
    }
    const point = [toX(x[i]), toY(y[i])];
    if (point[0] >= left - radius && point[0] <= right + radius) {
      take(point[1] - radius);
      take(point[1] + radius);
      if (trace.error_y?.array) {
        take(toY(y[i] + trace.error_y.array[i]));
        take(toY(y[i] - trace.error_y.arrayminus[i]));
      }
    }
    if (before) {
      for (const edge of [left, right]) {
        if (before[0] < edge && point[0] > edge) {
          const share = (edge - before[0]) / (point[0] - before[0]);
          take(before[1] + share * (point[1] - before[1]));
        }
      }
    }
    before = point;
  }
  return top > bottom ? null : [top - 2, bottom + 2];
}

// Places the named annotations of a layout ("end": newest value, towards the right edge; "base": name
// of a horizontal, at the left; "mark": edit, at the top) so that none covers another, and where
// there is room none covers a curve. What finds no room is left out: oldest edits first. `taken` is
// the [top, bottom] of words that stand across the chart.
export function placeLabels(layout, data, width, height, textWidth, taken = null) {
  const { margin } = layout;
  const w = width - margin.l - margin.r;
  const h = height - margin.t - margin.b;
  const [x0, x1] = layout.xaxis.range;
  const [y0, y1] = layout.yaxis.range;
  const toX = (x) => ((x - x0) / (x1 - x0)) * w;
  const toY = (y) => (1 - (y - y0) / (y1 - y0)) * h;
  const curves = data.filter((t) => t.type === "scatter" && t.name !== "edit" && t.x);
  const dotted = (trace) => Boolean(trace.mode?.includes("markers"));
  const placed = taken ? [{ left: 0, right: w, top: taken[0], bottom: taken[1] }] : [];
  const result = [];

  const tallOf = (one) => one.font.size * 1.2;
  const meets = (left, right) =>
    placed.filter((r) => r.left < right + 5 && r.right > left - 5).map((r) => [r.top, r.bottom]);

  const put = (one, wide, left, centre) => {
    const tall = tallOf(one);
    placed.push({ left, right: left + wide, top: centre - tall / 2, bottom: centre + tall / 2 });
    result.push({
      ...one,
      xref: "paper",
      yref: "paper",
      x: left / w,
      y: 1 - centre / h,
      xanchor: "left",
      yanchor: "middle",
      xshift: 0,
      yshift: 0,
      borderpad: 0,
      visible: true,
    });
  };

  const named = (name) => (layout.annotations ?? []).filter((a) => a.name === name);
  // In a low chart a label on a curve would hide too much of it.
  const low = h < 4 * (layout.font?.size ?? 12);
  // Every free place beside a level, from one of the columns; none: on the level's own side.
  const beside = (one, columns, wide, side, reach, avoided = curves, apart = []) => {
    const tall = tallOf(one);
    const own = toY(one.y);
    const want = own + side * (tall / 2 + 1);
    for (const left of columns) {
      const bands = avoided.map((t) => band(t, toX, toY, left, left + wide)).filter(Boolean);
      const centre = freeSlot(want, tall, h, [...bands, ...apart, ...meets(left, left + wide)]);
      if (centre !== null && Math.abs(centre - own) <= reach * tall) return [left, centre];
    }
    if (low && one.name === "base") return null;
    // A horizontal may be covered before a point is.
    const points = avoided.filter((t) => t.x.length > 2 || dotted(t));
    if (points.length < avoided.length) return beside(one, columns, wide, side, reach, points, apart);
    const left = columns[0];
    const kept = Math.min(Math.max(want, tall / 2), h - tall / 2);
    return [left, freeSlot(kept, tall, h, [...apart, ...meets(left, left + wide)]) ?? kept];
  };

  // Names stand one under the other as their curves end.
  const ends = named("end").sort((a, b) => b.y - a.y);
  let under = -Infinity;
  ends.forEach((one, i) => {
    const wide = textWidth(one) + 3;
    const side = toY(one.y) < h / 4 ? 1 : -1;
    const below = ends.slice(i + 1).reduce((sum, next) => sum + tallOf(next), 0);
    const apart = [[-Infinity, under], [h - below + 0.5, Infinity]];
    // Where a curve climbs to its end there is room before the climb.
    const columns = [];
    for (let left = w - wide; left > 0; left -= wide / 4) columns.push(left);
    const [left, centre] = beside(one, columns.length ? columns : [0], wide, side, 2.6, curves, apart);
    under = centre + tallOf(one) / 2;
    put(one, wide, left, centre);
  });
  const bases = named("base").sort((a, b) => b.y - a.y);
  bases.forEach((one, i) => {
    const wide = textWidth(one) + 3;
    const columns = [0, 0.25, 0.5, 0.75, 1].map((share) => share * Math.max(0, w - wide));
    const side = i > 0 && i === bases.length - 1 ? 1 : -1;
    const place = beside(one, columns, wide, side, 1);
    if (place) put(one, wide, ...place);
  });

  const marks = named("mark").reverse();
  for (const one of marks) {
    const wide = textWidth(one) + 3;
    const tall = tallOf(one);
    const at = toX(one.x);
    const columns = [at + 3, at - 3 - wide].filter((left) => left >= 0 && left + wide <= w + 2);
    // A few edits may stand in rows; many stand calmer in one.
    const rows = marks.length > 6 ? 1 : Math.max(1, Math.min(3, Math.floor((0.5 * h) / tall)));
    const places = [];
    for (let row = 0; row < rows; row++) {
      const centre = tall * (row + 0.5) + 4;
      for (const left of columns) {
        const touches = ([top, bottom]) => centre + tall / 2 > top + 1 && centre - tall / 2 < bottom - 1;
        if (meets(left, left + wide).some(touches)) continue;
        const free = (traces) => !traces.some((t) => touches(band(t, toX, toY, left, left + wide) ?? [h, 0]));
        places.push({ left, centre, clear: free(curves), bare: free(curves.filter(dotted)) });
      }
    }
    // A line may be covered before a point is.
    const place = places.find(({ clear }) => clear) ?? (low ? null : places.find(({ bare }) => bare));
    if (place) put(one, wide, place.left, place.centre);
  }
  const rest = (layout.annotations ?? []).filter((a) => !["end", "base", "mark"].includes(a.name));
  return [...rest, ...result];
}
