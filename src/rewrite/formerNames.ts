import { withRenamed } from '../../ops/common/renamed.js';
import type { LinearOptions, RewriteOptions } from './options.js';

/** The options under the names that they have now, in rules too. */
export function withPresentNames(op: string, options: RewriteOptions): RewriteOptions {
  const present = presentNames(op, options);
  // what is no list is for the checks
  if (!Array.isArray(present?.rules)) return present;
  const rules = present.rules.map((rule) => presentNames(op, rule));
  const same = rules.every((rule, i) => rule === present.rules![i]);
  return same ? present : { ...present, rules };
}

function presentNames<T extends LinearOptions>(op: string, options: T): T {
  return withRenamed(op, options, 'centre', 'center');
}
