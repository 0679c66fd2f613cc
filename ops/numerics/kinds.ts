/**
 * What a class is called in every copy of the package that a process has loaded (the ES modules and
 * CommonJS, two versions): a static property of its own, for `Symbol.hasInstance` to go by.
 */
export const KIND: unique symbol = Symbol.for('tfjs-hadanorm.kind');

/**
 * A class's `Symbol.hasInstance`: whether a value was made by it, or by the class of the same kind
 * in another copy of the package. What a value of another copy holds is to be checked before it is
 * used.
 */
export function isOfKind(this: { readonly prototype: object }, value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  if (Object.prototype.isPrototypeOf.call(this.prototype, value)) return true;
  const kind = kindOf(this);
  if (kind === undefined) return false;
  let prototype: object | null = Object.getPrototypeOf(value);
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    if (kindOf(prototype.constructor) === kind) return true;
  }
  return false;
}

/** A class's own kind: a subclass that names none is not what it extends. */
function kindOf(type: unknown): unknown {
  if (typeof type !== 'function' && typeof type !== 'object') return undefined;
  return type !== null && Object.hasOwn(type, KIND)
    ? (type as { readonly [KIND]: unknown })[KIND]
    : undefined;
}
