import { boolAttr } from '../graph/attrs.js';
import { einsumOf } from '../graph/einsum.js';
import type { GraphNode, NodeDef } from '../graph/ir.js';
import { PRODUCTS } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';
import { fusedParts } from './fusedParts.js';
import { type Linears, PART_ATTR } from './linears.js';

/** A product with a constant that is no linear, and why. */
export interface OtherProduct {
  readonly name: string;
  /** The op as it is written, with the equation of an Einsum. */
  readonly form: string;
  readonly reason: string;
}

/** Every product with a constant that no linear is made of, and all those inside of functions. */
export function otherProducts(view: ShapedView, linears: Linears): OtherProduct[] {
  const own = view.nodes(...PRODUCTS).flatMap((node) => {
    if (linears.byNode.has(node.name) || boolAttr(node.attrs, PART_ATTR)) return [];
    const constant = node.inputs.slice(0, 2).some((ref) => view.constant(ref) !== null);
    return constant ? [{ name: node.name, form: formOf(node), reason: whyNot(view, node) }] : [];
  });
  return [...own, ...inFunctions(view)];
}

function formOf(node: GraphNode): string {
  return node.op === 'Einsum' ? `Einsum ${einsumOf(node).equation}` : node.op;
}

function whyNot(view: ShapedView, node: GraphNode): string {
  const [first, second] = node.inputs.map((ref) => view.constant(ref));
  if (first && second) return 'both operands are constant';
  const weights = first ?? second;
  if (weights && weights.dtype !== 'float32')
    return `the constant is ${weights.dtype}, not float32`;
  if (node.op === 'Einsum') return whyNoEinsum(node, first ? 0 : 1);
  if (first) return 'the constant comes first: W x instead of x W';
  const shape = weights?.shape ?? [];
  if (shape.length < 2) return 'the constant is no matrix';
  if (shape.slice(0, -2).some((dim) => dim !== 1)) {
    return `the constant [${shape}] holds several matrices, one for each of a batch`;
  }
  if (boolAttr(node.attrs, 'transpose_a') || boolAttr(node.attrs, 'adj_x')) {
    return 'x is transposed: its channels are not its last axis';
  }
  const n = shape.at(boolAttr(node.attrs, 'transpose_b') ? -2 : -1)!;
  if (node.op === '_FusedMatMul' && fusedParts(view, node, n) === null) {
    return 'what it adds or applies is no constant bias and no known activation';
  }
  return `the constant [${shape}] would give the result axes that x does not have`;
}

function whyNoEinsum(node: GraphNode, at: 0 | 1): string {
  const { terms, output, hasEllipsis, hasRepeats } = einsumOf(node);
  if (terms.length !== 2) return `it has ${terms.length} operands, not two`;
  if (output === null) return 'the equation has no arrow';
  if (hasRepeats) return 'a label stands twice in one term: a diagonal';
  if (hasEllipsis) return 'its ellipsis stands for axes of other lengths or of an unknown number';
  const [w, x] = [terms[at]!, terms[1 - at]!];
  const shared = w.filter((label) => x.includes(label));
  const kept = shared.filter((label) => output.includes(label));
  if (kept.length > 0) {
    return `the constant holds a matrix for each ${kept.join(', ')}, which the result keeps`;
  }
  if (shared.length === 0) return 'nothing is summed over: an outer product';
  if (!w.some((label) => output.includes(label))) return 'no axis of the constant is left';
  return 'an axis is summed over within one operand';
}

const CALLERS = new Set('While StatelessWhile If StatelessIf'.split(' '));

/** Functions are kept as they are: nothing is looked into that a While or an If runs. */
function inFunctions({ graph }: ShapedView): OtherProduct[] {
  const { library } = (graph.artifacts.modelTopology ?? {}) as { library?: Library };
  const bodies = new Map(
    (library?.function ?? []).map(({ signature, nodeDef }) => [signature?.name, nodeDef ?? []]),
  );
  return [...graph.nodes.values()].flatMap((caller) => {
    if (!CALLERS.has(caller.op)) return [];
    return Object.entries(caller.attrs).flatMap(([part, { func }]) => {
      const { name } = (func ?? {}) as { name?: string };
      const products = (bodies.get(name) ?? []).filter(({ op }) => PRODUCTS.has(op));
      return products.map(({ name: product, op }) => {
        const where = `${part} of the ${caller.op} ${JSON.stringify(caller.name)}`;
        const reason = `inside of a function, ${where}: functions are left as they are`;
        return { name: `${name}/${product}`, form: op, reason };
      });
    });
  });
}

interface Library {
  readonly function?: readonly {
    readonly signature?: { readonly name?: string };
    readonly nodeDef?: readonly NodeDef[];
  }[];
}
