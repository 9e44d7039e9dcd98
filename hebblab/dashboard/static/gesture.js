/** A hand on a slider: many movements, few messages, one gesture. */

const CLOCK = {
  now: () => performance.now(),
  later: (act, wait) => setTimeout(act, wait),
  forget: (timer) => clearTimeout(timer),
};

/** Numbers that grow from one page load to the next, so that a reload never reuses one. */
let counted = 0;
export function serial() {
  counted = Math.max(counted + 1, Date.now());
  return counted;
}

/** Passes on movements at most once in `pause` milliseconds, the last one always. */
export class Gesture {
  constructor(send, pause = 100, clock = CLOCK) {
    Object.assign(this, { send, pause, clock, number: 0, last: -Infinity, timer: null, waiting: undefined });
  }

  get active() {
    return this.number !== 0;
  }

  move(value) {
    if (!this.active) this.number = serial();
    this.waiting = value;
    if (this.timer !== null) return;
    const wait = this.last + this.pause - this.clock.now();
    if (wait <= 0) this.pass(false);
    else this.timer = this.clock.later(() => this.pass(false), wait);
  }

  finish(value) {
    if (!this.active) this.number = serial();
    this.waiting = value;
    this.pass(true);
    this.number = 0;
  }

  drop() {
    if (this.timer !== null) this.clock.forget(this.timer);
    this.timer = null;
    this.number = 0;
  }

  pass(final) {
    if (this.timer !== null) this.clock.forget(this.timer);
    this.timer = null;
    this.last = this.clock.now();
    this.send(this.waiting, this.number, final);
  }
}
