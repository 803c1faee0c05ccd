import { NODE } from './limits.ts';
import { VOLUNTEER_OFF, type VolunteerSnapshot } from './volunteer-port.ts';

/** Gives listeners a new snapshot after changes, at most every `drawEveryMs`, only where one differs. */
export class Publisher {
  snapshot: VolunteerSnapshot = VOLUNTEER_OFF;
  readonly #make: () => VolunteerSnapshot;
  readonly #listeners = new Set<() => void>();
  #text = '';
  #waiting = false;

  constructor(make: () => VolunteerSnapshot) {
    this.#make = make;
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  /** Something may have changed: looked at once that time is over. A change of phase is told now. */
  changed(): void {
    const made = this.#make();
    if (made.phase !== this.snapshot.phase) {
      this.#publish(made);
      return;
    }
    if (this.#waiting) return;
    this.#waiting = true;
    setTimeout(() => {
      this.#waiting = false;
      this.#publish(this.#make());
    }, NODE.drawEveryMs);
  }

  #publish(made: VolunteerSnapshot): void {
    const text = JSON.stringify(made);
    if (text === this.#text) return;
    this.#text = text;
    this.snapshot = made;
    for (const listener of this.#listeners) listener();
  }
}
