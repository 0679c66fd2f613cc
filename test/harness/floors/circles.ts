/**
 * Circles of a graph: the shortest of each strongly connected part, from its first node back to it.
 *
 * @param next What each node points to.
 */
export function circlesOf(
  nodes: Iterable<string>,
  next: (node: string) => readonly string[],
): string[][] {
  return knots(nodes, next).map((knot) => shortest(knot, next));
}

/** Strongly connected parts of two nodes and more (Tarjan 1972). */
function knots(nodes: Iterable<string>, next: (node: string) => readonly string[]): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    const own = index.size;
    index.set(node, own);
    low.set(node, own);
    stack.push(node);
    for (const other of next(node)) {
      if (!index.has(other)) visit(other);
      if (stack.includes(other)) low.set(node, Math.min(low.get(node)!, low.get(other)!));
    }
    if (low.get(node) !== own) return;
    const knot = stack.splice(stack.indexOf(node));
    if (knot.length > 1) found.push(knot);
  };
  for (const node of nodes) if (!index.has(node)) visit(node);
  return found;
}

/** Breadth first from a knot's first node. */
function shortest(knot: readonly string[], next: (node: string) => readonly string[]): string[] {
  const start = knot[0]!;
  const paths: string[][] = [[start]];
  const seen = new Set<string>();
  for (const path of paths) {
    for (const other of next(path.at(-1)!)) {
      if (other === start) return path;
      if (seen.has(other) || !knot.includes(other)) continue;
      seen.add(other);
      paths.push([...path, other]);
    }
  }
  return [...knot];
}
