/**
 * A length: a number, or a product of a number and names of lengths that only the run knows. Equal
 * texts are equal lengths.
 */
export type Dim = number | string;

interface Monomial {
  readonly factor: number;
  readonly names: readonly string[];
}

/** The product of lengths. */
export function product(dims: readonly Dim[]): Dim {
  const parts = dims.map(parse);
  const factor = parts.reduce((all, part) => all * part.factor, 1);
  return format({ factor, names: parts.flatMap(({ names }) => names) });
}

/** a / b where that is a length for any run, else null. */
export function quotient(a: Dim, b: Dim): Dim | null {
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

/** A shape for Reshape, of which the run fills in one length at most; null for more of them. */
export function openShape(dims: readonly Dim[]): number[] | null {
  const open = dims.filter((dim) => typeof dim === 'string').length;
  return open > 1 ? null : dims.map((dim) => (typeof dim === 'number' ? dim : -1));
}

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { factor: dim, names: [] };
  const [factor, ...names] = dim.split('*');
  return { factor: Number(factor), names };
}

function format({ factor, names }: Monomial): Dim {
  return names.length === 0 ? factor : [factor, ...[...names].sort()].join('*');
}
