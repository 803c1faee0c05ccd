/** A node's two threads, main (socket, pongs) and worker (core, engines): what comes to one that stands still waits. */
export class Threads {
  /** All threads stand still (SIGSTOP), the worker alone (a hung GPU), or the main thread alone. */
  frozen = false;
  hung = false;
  busy = false;
  private main: (() => void)[] = [];
  private worker: (() => void)[] = [];

  /** A new life: nothing stands still, nothing waits. */
  reset(): void {
    this.frozen = false;
    this.hung = false;
    this.busy = false;
    this.main = [];
    this.worker = [];
  }

  get mainStandsStill(): boolean {
    return this.frozen || this.busy;
  }

  get workerStandsStill(): boolean {
    return this.frozen || this.hung;
  }

  onMain(act: () => void): void {
    if (this.mainStandsStill) this.main.push(act);
    else act();
  }

  /** For a worker that stands still. */
  later(act: () => void): void {
    this.worker.push(act);
  }

  /** One runs again. */
  drain(): void {
    while (!this.mainStandsStill && this.main.length > 0) this.main.shift()?.();
    if (this.workerStandsStill) return;
    const backlog = this.worker;
    this.worker = [];
    for (const act of backlog) act();
  }
}
