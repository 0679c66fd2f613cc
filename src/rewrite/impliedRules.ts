import type { Rule } from './options.js';

const implied = new WeakSet<Rule>();

/**
 * Rules that no caller wrote, as copies: a preset's, a target's. That one of them does nothing here
 * is no news, and the caller's are counted without them.
 */
export function impliedRules(rules: readonly Rule[]): Rule[] {
  const own = rules.map((rule) => ({ ...rule }));
  for (const rule of own) implied.add(rule);
  return own;
}

/** A rule that a caller wrote, and those of them that come after it. */
export interface WrittenRule {
  readonly rule: Rule;
  readonly later: readonly Rule[];
}

/** In the caller's order: what is told of `rules[i]` is told of the i-th of these. */
export function writtenRules(given: readonly Rule[] = []): WrittenRule[] {
  const rules = given.filter((rule) => !implied.has(rule));
  return rules.map((rule, i) => ({ rule, later: rules.slice(i + 1) }));
}
