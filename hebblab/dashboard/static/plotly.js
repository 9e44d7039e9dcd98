// Plotly.js once a page, and one chart drawn per animation frame across all charts of the page.
//
// Every widget loads this module from its own Blob URL, so what the page shares hangs on `window`:
// `hebblabPlotly`, the promise that our Voila template sets before anything else, and
// `hebblabCharts`, the state of asking and the queue.

const AGAIN_MS = 10_000;

export function page() {
  window.hebblabCharts ??= {
    resolve: null, // of the promise, where we made it
    askedAt: -Infinity,
    running: false,
    queue: [],
    turning: false,
  };
  return window.hebblabCharts;
}

// Calls `arrived(Plotly)` once. Where nobody promised it, `ask` begs the kernel; any chart of the
// page asks again when ten seconds have passed without success.
export function whenPlotly(ask, arrived, signal) {
  const state = page();
  if (!window.hebblabPlotly) {
    window.hebblabPlotly = new Promise((resolve) => (state.resolve = resolve));
  }
  const promise = window.hebblabPlotly;
  let timer = 0;
  let settled = false;
  const beg = () => {
    if (settled || signal.aborted || !state.resolve) return;
    const waited = performance.now() - state.askedAt;
    if (!state.running && waited >= AGAIN_MS) {
      state.askedAt = performance.now();
      ask();
    }
    timer = setTimeout(beg, Math.max(200, AGAIN_MS - Math.max(0, waited)) + 50);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  promise.then(
    (Plotly) => {
      settled = true;
      clearTimeout(timer);
      if (!signal.aborted) arrived(Plotly);
    },
    () => {
      // The page's own script did not come: the kernel has another.
      if (window.hebblabPlotly === promise) window.hebblabPlotly = undefined;
      settled = true;
      if (!signal.aborted) whenPlotly(ask, arrived, signal);
    },
  );
  beg();
}

// Takes the kernel's answer: plotly.min.js, gzipped.
export async function receivePlotly(buffer) {
  const state = page();
  if (state.running || !state.resolve) return;
  state.running = true;
  try {
    const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
    const source = await new Response(stream).blob();
    await idle();
    state.resolve(await runClassic(source));
    state.resolve = null;
  } catch (error) {
    console.warn("hebblab: Plotly.js could not be loaded.", error);
  } finally {
    state.running = false;
  }
}

function idle() {
  return new Promise((resolve) => {
    if (window.requestIdleCallback) window.requestIdleCallback(resolve, { timeout: 2000 });
    else setTimeout(resolve, 100);
  });
}

async function runClassic(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const script = document.createElement("script");
  try {
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = () => reject(new Error("the script was refused"));
      script.src = url;
      document.head.append(script);
    });
  } finally {
    script.remove();
    URL.revokeObjectURL(url);
  }
  if (!window.Plotly) throw new Error("the script brought no Plotly");
  return window.Plotly;
}

// Runs `job` in a turn of its own: one chart per animation frame. It runs after the frame's own
// painting, so that weight images, which paint within the frame, go first.
export function takeTurn(job) {
  const state = page();
  if (!state.queue.includes(job)) state.queue.push(job);
  if (state.turning) return;
  state.turning = true;
  const turn = () =>
    requestAnimationFrame(() =>
      setTimeout(() => {
        const next = state.queue.shift();
        if (state.queue.length) turn();
        else state.turning = false;
        if (next) next();
      }, 0),
    );
  turn();
}
