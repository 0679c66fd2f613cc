import { dtypeAttr } from '../graph/attrs.js';
import { dataRefs } from '../graph/dataRefs.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY, PRODUCTS, SHAPING } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';

/**
 * Below this an added number hides a key: e^−1000 is 0 in float32, masks are of −10⁴ and less, and
 * positions add no more than hundreds (T5, ALiBi near the diagonal).
 */
export const HIDDEN_BELOW = -1e3;

/** What has values of its inputs as they are, or sums and bounds of them. */
const KEEPS = new Set(
  [...IDENTITY, ...SHAPING].concat(
    'Add AddV2 Sub Neg Maximum Minimum BroadcastTo Tile Slice StridedSlice'.split(' '),
  ),
);

/** What gives truth values, places or lengths, however large the numbers behind it. */
const SMALL = new Set(
  `Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalNot Range OneHot
   Any All`.split(/\s+/),
);

/**
 * Tells biases that may hide what they are added to from those that cannot: a number as large as
 * that is behind them, a logarithm, or the model's input as it is.
 */
export class Hiding {
  private readonly known = new Map<string, boolean>();
  private readonly large = new Map<string, boolean>();

  constructor(private readonly view: ShapedView) {}

  may(ref: Ref): boolean {
    return remembered(this.known, nodeOf(ref), () => {
      const node = this.view.producer(ref);
      if (node?.op.startsWith('Placeholder')) return dtypeAttr(node.attrs, 'dtype') === 'float32';
      const keeps = node !== null && KEEPS.has(node.op);
      return this.isLarge(ref) || (keeps && dataRefs(node).some((input) => this.may(input)));
    });
  }

  private isLarge(ref: Ref): boolean {
    return remembered(this.large, nodeOf(ref), () => this.looksLarge(ref));
  }

  private looksLarge(ref: Ref): boolean {
    const constant = this.view.constant(ref);
    if (constant !== null) return constant.read().some((value) => Math.abs(value) >= -HIDDEN_BELOW);
    const node = this.view.producer(ref);
    if (node === null || PRODUCTS.has(node.op) || SMALL.has(node.op)) return false;
    return node.op === 'Log' || valuesOf(node).some((input) => this.isLarge(input));
  }
}

/** Of what is looked up in a table, the table. */
function valuesOf(node: GraphNode): readonly Ref[] {
  return node.op.startsWith('Gather') ? node.inputs.slice(0, 1) : dataRefs(node);
}

function remembered(known: Map<string, boolean>, name: string, find: () => boolean): boolean {
  const seen = known.get(name);
  if (seen !== undefined) return seen;
  // a loop finds this and stops
  known.set(name, false);
  const found = find();
  known.set(name, found);
  return found;
}
