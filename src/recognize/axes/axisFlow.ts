import { dataRefs } from '../../graph/dataRefs.js';
import { canonical, type GraphNode, nodeOf, outputIndexOf, type Ref } from '../../graph/ir.js';
import { topologicalOrder } from '../../graph/verify.js';
import type { ShapedView } from '../../shapes/view.js';
import { Atoms, type Axis } from './atoms.js';
import type { Cut } from './axisRule.js';
import { AXIS_RULES } from './axisRules.js';

/**
 * Follows axes through a graph: which axes of which tensors run over the same tokens. Two that are
 * computed element by element, or summed over together, do. Constants and what is made of shapes
 * alone tie nothing: a table of positions may serve two streams.
 */
export class AxisFlow {
  readonly atoms = new Atoms();
  readonly cuts: Cut[] = [];
  private readonly known = new Map<Ref, readonly Axis[] | null>();
  private readonly data = new Set<string>();

  constructor(private readonly view: ShapedView) {
    for (const node of topologicalOrder(view.graph)) {
      if (this.isMadeOfData(node)) this.data.add(node.name);
      this.axesOf(node.name);
    }
  }

  /** Lengths of 1 have no atoms. */
  axesOf(ref: Ref): readonly Axis[] | null {
    const key = canonical(ref);
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    // the back edge of a loop finds this and stops
    this.known.set(key, null);
    const axes = this.follow(key);
    this.known.set(key, axes);
    return axes;
  }

  private follow(ref: Ref): readonly Axis[] | null {
    const { view, atoms } = this;
    const node = view.producer(ref);
    const dims = view.dimsOf(ref);
    if (node === null || dims === null) return null;
    const found = AXIS_RULES.get(node.op)?.({
      ...{ view, atoms, node, dims, output: outputIndexOf(ref) },
      at: (i) => (node.inputs[i] === undefined ? null : this.axesOf(node.inputs[i])),
      isData: (i) => node.inputs[i] !== undefined && this.data.has(nodeOf(node.inputs[i])),
      cut: (cut) => this.cuts.push(cut),
    });
    const fits = found?.length === dims.length;
    return dims.map((dim, i) => (fits && dim !== 1 ? found[i] : null) ?? atoms.fresh(dim));
  }

  private isMadeOfData(node: GraphNode): boolean {
    if (node.op.startsWith('Placeholder')) return true;
    // what is looked up comes from the indices
    const refs = /^(Gather|OneHot|Select)/.test(node.op) ? node.inputs : dataRefs(node);
    return refs.some((ref) => this.data.has(nodeOf(ref)));
  }
}
