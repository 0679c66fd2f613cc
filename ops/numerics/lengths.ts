/**
 * A length: a number, or a product of a number and names of lengths that only the run knows. Equal
 * texts are equal lengths.
 */
export type Dim = number | string;

/** The lengths of a tensor's axes; null for one that nothing tells. */
export type Dims = readonly (Dim | null)[];

interface Monomial {
  readonly factor: number;
  readonly names: readonly string[];
}

/** The product of lengths. */
export function product(dims: readonly Dim[]): Dim;
export function product(dims: Dims): Dim | null;
export function product(dims: Dims): Dim | null {
  if (dims.includes(0)) return 0;
  if (dims.includes(null)) return null;
  const parts = dims.map((dim) => parse(dim!));
  const factor = parts.reduce((all, part) => all * part.factor, 1);
  return format({ factor, names: parts.flatMap(({ names }) => names) });
}

/** a / b where that is a length for any run, else null. */
export function quotient(a: Dim | null, b: Dim | null): Dim | null {
  if (a === null || b === null) return null;
  const [over, under] = [parse(a), parse(b)];
  const names = [...over.names];
  for (const name of under.names) {
    const at = names.indexOf(name);
    if (at < 0) return null;
    names.splice(at, 1);
  }
  const factor = over.factor / under.factor;
  return Number.isInteger(factor) ? format({ factor, names }) : null;
}

/** A length of its own. Names of nodes have no asterisk. */
export function named(name: string): Dim {
  return `1*${name}`;
}

/**
 * What two axes have in common that are broadcast against each other. Of a number and what only the
 * run knows it is the number: the other one is that, or 1.
 */
export function broadcast(a: Dim | null, b: Dim | null): Dim | null {
  if (a === 1) return b;
  if (b === 1 || a === b) return a;
  if (typeof a === 'number') return typeof b === 'number' ? Math.max(a, b) : a;
  return typeof b === 'number' ? b : null;
}

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { factor: dim, names: [] };
  const [factor, ...names] = dim.split('*');
  return { factor: Number(factor), names };
}

function format({ factor, names }: Monomial): Dim {
  return names.length === 0 ? factor : [factor, ...[...names].sort()].join('*');
}
