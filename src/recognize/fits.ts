import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { ROLES, type Role } from './role.js';

/** Linears by what they are for, or by their names; without either, all of them. */
export interface Selector {
  /** A role, or the first part of one: 'mlp' is for 'mlp.in', 'mlp.gate' and 'mlp.out'. */
  role?: Role | 'attention' | 'crossAttention' | 'jointAttention' | 'mlp';
  /** The linear's name, or a pattern for it. */
  match?: string | RegExp;
}

/** Whether a selector takes a linear. */
export function fits({ role: wanted, match }: Selector, name: string, role: Role): boolean {
  if (wanted !== undefined && wanted !== role && wanted !== role.split('.')[0]) return false;
  if (match === undefined) return true;
  return typeof match === 'string' ? match === name : new RegExp(match).test(name);
}

/** @throws InvalidArgumentError that names `at`, for what selects nothing in any model. */
export function checkSelector(op: string, at: string, { role, match }: Selector): void {
  const families: readonly string[] = ROLES.flatMap((one) => [one, one.split('.')[0]!]);
  if (role !== undefined && !families.includes(role)) {
    const wanted = `one of ${[...new Set(families)].join(', ')}`;
    throw new InvalidArgumentError(op, `${at}.role`, wanted, describe(role));
  }
  if (match !== undefined && typeof match !== 'string' && !(match instanceof RegExp)) {
    throw new InvalidArgumentError(op, `${at}.match`, 'a name or a RegExp', describe(match));
  }
}
