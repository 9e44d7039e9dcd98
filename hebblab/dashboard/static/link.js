/** Whether the kernel still answers: it is heard every two seconds, or it is gone. */

export class Link {
  constructor(now = () => Date.now(), patience = 4300) {
    Object.assign(this, { now, patience, heard: now(), first: false });
  }

  hear() {
    this.heard = this.now();
    this.first = true;
  }

  /** "connecting", "connected" or "lost". */
  get state() {
    if (this.now() - this.heard > this.patience) return "lost";
    return this.first ? "connected" : "connecting";
  }
}
