import { HadaNormError } from '../../ops/numerics/errors.js';
import { canonical, type Graph, nodeOf, type Ref } from '../graph/ir.js';
import { activationBehind } from '../recognize/activations.js';
import type { Analysis, PlacedLinear } from '../recognize/analysis.js';
import type { Site } from '../recognize/sites.js';
import { unturnedName } from '../rewrite/emit.js';

/**
 * A linear, and where its value can be read in both models: at the linear, or at the activation
 * that went with it.
 */
export interface Subject {
  readonly placed: PlacedLinear;
  /** In the original. */
  readonly output: string;
  /** In the rewritten model. */
  readonly rewritten: string;
  /** Whether it has its axes in the product's order there: a fused op took the turning along. */
  readonly unturned: boolean;
  /** Which of its site's tokens count, in the original; null: all. */
  readonly mask: Ref | null;
  /** What the rewritten model needs from the original besides the site: inputs of its masks. */
  readonly beside: readonly Ref[];
}

/**
 * The linears of the original, found again in the rewritten model.
 * @throws HadaNormError where one is not there.
 */
export function subjects(
  op: string,
  { linears, view }: Analysis,
  after: Graph,
  masks: ReadonlyMap<string, Ref>,
): Subject[] {
  return linears.map((placed) => {
    const { linear } = placed;
    const mask = masks.get(placed.key) ?? null;
    const found = (from: Pick<Subject, 'output' | 'rewritten' | 'unturned'>): Subject => {
      return { placed, ...from, mask, beside: inputsBeside(after, from.rewritten, placed.site) };
    };
    const outputs = [linear.name, activationBehind(view, linear)?.output];
    const output = outputs.find((name) => name !== undefined && after.nodes.has(name));
    if (output !== undefined) return found({ output, rewritten: output, unturned: false });
    const unturned = [unturnedName(linear), linear.product].find((name) => after.nodes.has(name));
    if (linear.turned !== null && unturned !== undefined) {
      return found({ output: linear.name, rewritten: unturned, unturned: true });
    }
    const problem = `the rewritten model has no node ${JSON.stringify(linear.name)}.`;
    throw new HadaNormError(op, `${problem} It was not made from the original.`);
  });
}

/** The model's inputs that a tensor comes from on other ways than through a site. */
function inputsBeside(graph: Graph, from: Ref, { source, like }: Site): string[] {
  const fed = new Set([source, like].map((ref) => (ref === null ? '' : canonical(ref))));
  const seen = new Set<string>();
  const found: string[] = [];
  const open = [from];
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const name = nodeOf(ref);
    if (fed.has(canonical(ref)) || seen.has(name)) continue;
    seen.add(name);
    const node = graph.nodes.get(name);
    if (node?.op.startsWith('Placeholder')) found.push(name);
    open.push(...(node?.inputs ?? []));
  }
  return found;
}
