import type { SlotId } from './slot-pages.ts';

/**
 * Slots that lie in one buffer, [slots, kvHeads, capacity, headDim]: one run takes a row of each. A
 * group of one slot takes runs of any number of rows. Sizes are powers of two.
 */
export interface Group {
  /** Of the group that is there; null for one to be made. */
  readonly id: number | null;
  /** Positions that each of its slots has room for. */
  readonly capacity: number;
  readonly members: readonly (SlotId | null)[];
}

export interface GroupLimits {
  readonly pagePositions: number;
  /** Of all groups together: what slots of a group do not use counts, too. */
  readonly pagesMax: number;
  /** Most slots of a group, a power of two. */
  readonly slotsMax: number;
  /** Groups of several slots grow by so many positions: each growth copies all of them. */
  readonly growPositions: number;
  /** Positions of one buffer, all slots together: what the GPU binds. */
  readonly bufferPositionsMax: number;
}

export interface GroupQuestion {
  readonly groups: readonly Group[];
  /** Positions after the step of every slot that stays. */
  readonly held: ReadonlyMap<SlotId, number>;
  /** Rows of the step, slot by slot. */
  readonly rows: ReadonlyMap<SlotId, number>;
  readonly limits: GroupLimits;
}

export interface GroupPlan {
  /** Where every slot lies before the step's runs. */
  readonly groups: readonly Group[];
  /** Slots of each run: several with a row each, all in one group; or one with all of its rows. */
  readonly runs: readonly (readonly SlotId[])[];
}

/**
 * Single rows of many sessions go through one run: a run costs the GPU a reading of all weights and
 * the processor milliseconds, whatever its rows. Sessions that decode together come to lie together,
 * and stay where they are as long as half of their group decodes with them: the others' rows are
 * computed for nothing. Where room is short every slot lies alone, in whole pages.
 */
export function planGroups(question: GroupQuestion): GroupPlan {
  const { rows, limits } = question;
  const plan = new Planner(question);
  const singles = [...rows].filter(([, count]) => count === 1).map(([slot]) => slot);
  for (let at = 0; at < singles.length; at += limits.slotsMax) {
    plan.together(singles.slice(at, at + limits.slotsMax));
  }
  const planned = plan.finish();
  const pages = planned.groups.reduce((sum, each) => sum + pagesOf(each, limits), 0);
  return pages <= limits.pagesMax
    ? planned
    : new Planner({ ...question, groups: [] }, question.groups).finish();
}

const pagesOf = ({ capacity, members }: Group, { pagePositions }: GroupLimits): number =>
  (members.length * capacity) / pagePositions;

const isSingle = ({ members }: Group): boolean => members.length === 1;

class Planner {
  readonly #question: GroupQuestion;
  readonly #singles: ReadonlyMap<SlotId, Group>;
  readonly #planned: Group[] = [];
  readonly #runs: SlotId[][] = [];
  /** Slots that have their place. */
  readonly #placed = new Set<SlotId>();
  readonly #used = new Set<Group>();

  constructor(question: GroupQuestion, groups = question.groups) {
    this.#question = question;
    const single = groups.filter(isSingle);
    this.#singles = new Map(
      single.flatMap((group) => group.members.map((slot) => [slot ?? -1, group] as const)),
    );
  }

  /** Places slots with one row each in one group, where that can be. */
  together(slots: readonly SlotId[]): void {
    const nearest = this.#nearest(slots);
    const group = (nearest && this.#joined(nearest, slots)) ?? this.#fresh(slots);
    if (!group) return;
    if (nearest?.id === group.id) this.#used.add(nearest);
    this.#planned.push(group);
    for (const member of group.members) if (member !== null) this.#placed.add(member);
    this.#runs.push([...slots]);
  }

  /** The others: who has rows lies alone, who has none stays. */
  finish(): GroupPlan {
    const { groups, held, rows } = this.#question;
    for (const slot of rows.keys()) {
      if (this.#placed.has(slot)) continue;
      this.#alone(slot);
      this.#runs.push([slot]);
    }
    for (const group of groups) {
      if (isSingle(group) || this.#used.has(group)) continue;
      const stays = (slot: SlotId | null) =>
        slot !== null && held.has(slot) && !this.#placed.has(slot) ? slot : null;
      const members = group.members.map(stays);
      if (members.every((slot) => slot === null)) continue;
      this.#planned.push({ ...group, members });
      for (const member of members) if (member !== null) this.#placed.add(member);
    }
    for (const slot of held.keys()) if (!this.#placed.has(slot)) this.#alone(slot);
    return { groups: this.#planned, runs: this.#runs };
  }

  #alone(slot: SlotId): void {
    const { held, limits } = this.#question;
    const { pagePositions } = limits;
    const capacity = Math.ceil((held.get(slot) ?? 0) / pagePositions) * pagePositions;
    this.#planned.push({ id: this.#singles.get(slot)?.id ?? null, capacity, members: [slot] });
    this.#placed.add(slot);
  }

  /** The group of several with most of these slots. */
  #nearest(slots: readonly SlotId[]): Group | null {
    let [best, most] = [null as Group | null, 0];
    for (const group of this.#question.groups) {
      if (isSingle(group) || this.#used.has(group)) continue;
      const count = slots.filter((slot) => group.members.includes(slot)).length;
      if (count > most) [best, most] = [group, count];
    }
    return best;
  }

  /** The group with the slots that it lacks; null where it has no room, or would be half empty. */
  #joined(group: Group, slots: readonly SlotId[]): Group | null {
    const { held, rows } = this.#question;
    if (2 * slots.length < group.members.length) return null;
    const members = [...group.members];
    const missing = slots.filter((slot) => !members.includes(slot));
    // A place that somebody leaves in this step is no place yet: what lies there is still to be moved.
    for (const [i, member] of members.entries())
      if (member === null) members[i] = missing.pop() ?? null;
    if (missing.length > 0) return null;
    const stays = (slot: SlotId): boolean =>
      slots.includes(slot) || (held.has(slot) && !rows.has(slot) && !this.#placed.has(slot));
    const left = members.map((slot) => (slot !== null && stays(slot) ? slot : null));
    return this.#roomy({ ...group, members: left }, slots);
  }

  #fresh(slots: readonly SlotId[]): Group | null {
    if (slots.length < 2) return null;
    const size = 2 ** Math.ceil(Math.log2(slots.length));
    const members = Array.from({ length: size }, (_, i) => slots[i] ?? null);
    return this.#roomy({ id: null, capacity: 0, members }, slots);
  }

  /**
   * With room for all; null where no buffer has it. A member without a row gets one that nobody reads,
   * at the position after its last.
   */
  #roomy(group: Group, slots: readonly SlotId[]): Group | null {
    const { held, limits } = this.#question;
    const needs = group.members.map((slot) =>
      slot === null ? 1 : (held.get(slot) ?? 0) + (slots.includes(slot) ? 0 : 1),
    );
    const need = Math.max(...needs);
    const grown = Math.ceil(need / limits.growPositions) * limits.growPositions;
    const capacity = group.capacity >= need ? group.capacity : grown;
    const fits = group.members.length * capacity <= limits.bufferPositionsMax;
    return fits ? { ...group, capacity } : null;
  }
}
