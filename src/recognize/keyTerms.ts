import { dataRefs } from '../graph/dataRefs.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY, PRODUCTS, SHAPING } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';
import type { Axis } from './axes/atoms.js';
import type { AxisFlow } from './axes/axisFlow.js';
import { HIDDEN_BELOW, Hiding } from './hiding.js';
import type { Linears } from './linears.js';

/**
 * What hides keys of an attention: a tensor that is broadcast against the scores. A key is seen
 * where it, or what it is negated, is above `above` for a query and head.
 */
export interface KeyTerm {
  readonly ref: Ref;
  readonly negated: boolean;
  readonly above: number;
  /** The axes of the scores where it comes in, the keys last. */
  readonly axes: readonly Axis[];
}

/** What is known of the keys of an attention: terms that hide, or why nothing can be told. */
export type KeyTerms = { readonly terms: readonly KeyTerm[] } | { readonly unsure: string };

/** What may happen to scores on their way to the softmax, besides a change of shape. */
const ON_SCORES = new Set(
  `Cast Tanh ClipByValue Mul RealDiv Div Maximum Minimum Add AddV2 Sub BiasAdd Select
   SelectV2`.split(/\s+/),
);

/** Thrown inside of a walk that met what it cannot tell. */
class Unsure extends Error {}

/** Finds what hides keys between the scores of an attention and its softmax. */
export class KeyTermFinder {
  private readonly leading = new Map<string, boolean>();
  private readonly hiding: Hiding;

  constructor(
    private readonly view: ShapedView,
    private readonly flow: AxisFlow,
    private readonly linears: Pick<Linears, 'byNode'>,
  ) {
    this.hiding = new Hiding(view);
  }

  /** Of a Softmax, or of a fused attention. */
  termsOf(node: GraphNode): KeyTerms {
    const found: KeyTerm[] = [];
    try {
      if (node.op === 'Softmax') this.walk(node.inputs[0]!, found);
      else if (node.inputs[3] !== undefined) {
        const mask = this.flow.axesOf(node.inputs[3]);
        if (mask === null) throw new Unsure('the shape of its mask is not known');
        this.addTerm(node.inputs[3], mask, false, found);
      }
      return { terms: found };
    } catch (error) {
      if (error instanceof Unsure) return { unsure: error.message };
      throw error;
    }
  }

  /** From the softmax to the scores, through all that leaves the keys on the last axis. */
  private walk(ref: Ref, found: KeyTerm[]): void {
    const { view } = this;
    const node = view.producer(ref);
    if (node === null || this.isScores(node)) return;
    const { op, inputs } = node;
    const [first, second] = inputs as [Ref, Ref];
    if (IDENTITY.has(op) || ['Cast', 'Tanh', 'ClipByValue'].includes(op)) {
      this.walk(first, found);
    } else if (SHAPING.has(op)) {
      this.checkKeysLast(node);
      this.walk(first, found);
    } else if (['Mul', 'RealDiv', 'Div', 'Maximum', 'Minimum'].includes(op)) {
      for (const side of [first, second]) if (this.leads(side)) this.walk(side, found);
    } else if (['Add', 'AddV2', 'Sub', 'BiasAdd'].includes(op)) {
      const axes = this.axesAt(node);
      [first, second].forEach((side, i) => {
        if (this.leads(side)) this.walk(side, found);
        else this.addTerm(side, axes, op === 'Sub' && i === 1, found);
      });
    } else if (op === 'Select' || op === 'SelectV2') {
      this.walkSelect(node, found);
    } else throw new Unsure(`${op} comes between its scores and its softmax`);
  }

  /** A condition, and what takes the scores' place where it does, or does not, hold. */
  private walkSelect(node: GraphNode, found: KeyTerm[]): void {
    const [condition, whenTrue, whenFalse] = node.inputs as [Ref, Ref, Ref];
    const isScores = this.leads(whenTrue);
    const [scores, other] = isScores ? [whenTrue, whenFalse] : [whenFalse, whenTrue];
    const value = this.constantOf(other);
    if (value === null || this.leads(other)) throw new Unsure('it chooses between two scores');
    // one that takes scores away without hiding them is none
    if (value <= HIDDEN_BELOW) {
      const axes = this.axesAt(node);
      if (this.dependsOnKeys(condition)) {
        found.push({ ref: condition, negated: !isScores, above: isScores ? 0.5 : -0.5, axes });
      }
    }
    this.walk(scores, found);
  }

  /** An addend: its parts one by one, without those that hide nothing. */
  private addTerm(ref: Ref, axes: readonly Axis[], negated: boolean, found: KeyTerm[]): void {
    if (!this.dependsOnKeys(ref) || !this.hiding.may(ref)) return;
    const node = this.view.node(ref);
    if (node !== null && IDENTITY.has(node.op)) {
      this.addTerm(node.inputs[0]!, axes, negated, found);
      return;
    }
    if (node !== null && (node.op === 'Add' || node.op === 'AddV2')) {
      const sides = node.inputs as [Ref, Ref];
      // a number that hides belongs to what it is added to
      const apart = sides.every((side) => this.dependsOnKeys(side) || !this.hiding.may(side));
      if (apart) {
        for (const side of sides) this.addTerm(side, axes, negated, found);
        return;
      }
    }
    const shown = this.shownByConstant(ref, negated);
    if (shown === 'all') return;
    if (shown === 'none') throw new Unsure('a constant hides all of its keys');
    found.push({ ref, negated, above: HIDDEN_BELOW, axes });
  }

  /** Whether a constant mask, such as a causal one, leaves each key to some query. */
  private shownByConstant(ref: Ref, negated: boolean): 'all' | 'some' | 'none' | null {
    const constant = this.view.constant(ref);
    if (constant === null) return null;
    const keys = constant.shape.at(-1)!;
    const values = constant.read();
    const shown = new Set<number>();
    values.forEach((value, i) => {
      if ((negated ? -value : value) > HIDDEN_BELOW) shown.add(i % keys);
    });
    return shown.size === keys ? 'all' : shown.size === 0 ? 'none' : 'some';
  }

  private axesAt(node: GraphNode): readonly Axis[] {
    const axes = this.flow.axesOf(node.name);
    if (axes === null) throw new Unsure('the shape of its scores is not known');
    return axes;
  }

  private checkKeysLast(node: GraphNode): void {
    const [from, to] = [node.inputs[0]!, node.name].map((ref) => this.flow.axesOf(ref)?.at(-1));
    const stays = from?.length === 1 && to?.length === 1 && this.flow.atoms.same(from[0]!, to[0]!);
    const lastAxis = this.view.dimsOf(node.name)?.length ?? 0;
    const order = node.op === 'Transpose' ? this.view.integers(node.inputs[1]) : null;
    if (!stays || (order !== null && order.at(-1) !== lastAxis - 1)) {
      throw new Unsure('its keys move between its scores and its softmax');
    }
  }

  private dependsOnKeys(ref: Ref): boolean {
    const dims = this.view.dimsOf(ref);
    return dims === null || (dims.at(-1) ?? 1) !== 1;
  }

  private isScores(node: GraphNode): boolean {
    return PRODUCTS.has(node.op) && !this.linears.byNode.has(node.name);
  }

  /** Whether the scores of an attention are behind a tensor. */
  private leads(ref: Ref): boolean {
    const name = nodeOf(ref);
    const seen = this.leading.get(name);
    if (seen !== undefined) return seen;
    this.leading.set(name, false);
    const node = this.view.producer(ref);
    if (node === null || this.view.constant(ref) !== null) return false;
    const passes = IDENTITY.has(node.op) || SHAPING.has(node.op) || ON_SCORES.has(node.op);
    const found =
      this.isScores(node) || (passes && dataRefs(node).some((input) => this.leads(input)));
    this.leading.set(name, found);
    return found;
  }

  /** The one number that a tensor is made of, or null. */
  private constantOf(ref: Ref): number | null {
    const constant = this.view.constant(ref);
    if (constant !== null) {
      const values = constant.read();
      return values.length > 0 && values.every((value) => value === values[0]) ? values[0]! : null;
    }
    const node = this.view.producer(ref);
    if (node === null) return null;
    if (IDENTITY.has(node.op) || ['BroadcastTo', 'Tile', 'Cast'].includes(node.op)) {
      return this.constantOf(node.inputs[0]!);
    }
    return node.op === 'Fill' ? this.constantOf(node.inputs[1]!) : null;
  }
}
