import type { Way } from './candidates.js';
import type { MeasuredRank } from './measured.js';
import type { Task } from './plan.js';
import { rowBytes } from './quantizeLinear.js';
import type { Trials } from './trials.js';

/** What a branch of another rank changes of a linear. */
export type RankChange = Pick<MeasuredRank, 'lowRank'> & {
  /** Decibels of its output more than now. */
  readonly gain: number;
  /** Bytes more than now, V counting on the first linear of the transform. */
  readonly bytes: number;
};

/**
 * What branches of other ranks would change of each linear of a site, ascending; nothing where it
 * has no branch now.
 */
export function otherRanks(
  trials: Pick<Trials, 'sampledOutputs' | 'drop'>,
  way: Way,
  tasks: readonly Task[],
  ranks: readonly number[],
): readonly (readonly RankChange[])[] {
  const { branch } = way;
  const { d } = tasks[0]!.placed.site;
  if (branch === null) return tasks.map(() => []);
  const others = [...new Set(ranks.map((rank) => Math.min(rank, d)))]
    .filter((rank) => rank !== branch.rank)
    .sort((a, b) => a - b);
  const now = trials.sampledOutputs(way);
  const changes = others.map((rank) => {
    const other: Way = { ...way, branch: { ...branch, rank } };
    const outputs = trials.sampledOutputs(other);
    trials.drop(other, { transform: true });
    return tasks.map(({ placed }, i): RankChange => {
      const { n } = placed.linear;
      const own = rowBytes(rank, n) - rowBytes(branch.rank, n);
      const shared = i === 0 ? d * (rank - branch.rank) : 0;
      return { lowRank: rank, gain: outputs[i]! - now[i]!, bytes: own + shared };
    });
  });
  return tasks.map((_, i) => changes.map((of) => of[i]!));
}
