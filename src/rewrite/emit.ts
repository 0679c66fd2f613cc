import { type Attrs, attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { PlannedLinear } from '../quantize/plan.js';
import type { ActivationBehind } from '../recognize/activations.js';
import type { FusedActivation } from '../recognize/fusedParts.js';
import type { Linear } from '../recognize/linears.js';
import { emitProduct } from './emitProduct.js';
import type { EmittedTransform } from './emitTransform.js';

/** What the product takes along beside the linear. */
export interface LinearForm {
  /** Whether the product applies activations that it has. */
  readonly integer: boolean;
  /**
   * The activation behind the linear, where the product applies it in the place of the graph's own
   * nodes.
   */
  readonly behind: ActivationBehind | null;
}

/**
 * Puts a quantized linear in the place of an original; its last node takes the original's name, or
 * that of the activation behind it.
 */
export function emitLinear(
  e: GraphBuilder,
  planned: PlannedLinear,
  from: EmittedTransform,
  { integer, behind }: LinearForm,
): void {
  const { linear } = planned.placed;
  const relu = integer && linear.activation?.op === 'Relu';
  const activation = behind?.activation ?? (relu ? 'relu' : 'none');
  // each puts what follows from y into the graph; the last takes the place of what others read
  const product: Step[] = [
    (_, end) => emitProduct(e, planned, from, activation, end),
    ...shapeSteps(e, planned),
  ];
  const behindIt: Step[] = [
    ...turnSteps(e, planned),
    ...(linear.activation === null || relu ? [] : [activationStep(e, planned, linear.activation)]),
    ...(behind?.path ?? []).filter(({ op }) => !IDENTITY.has(op)).map((node) => again(e, node)),
  ];
  const end = behind?.output ?? linear.name;
  const inOrder = linear.turned === null ? null : unturnedName(linear);
  const y = inTurn(product, '', behindIt.length === 0 ? end : inOrder);
  inTurn(behindIt, y, end);
}

function inTurn(steps: readonly Step[], from: Ref, end: string | null): Ref {
  return steps.reduce((y, step, i) => step(y, i === steps.length - 1 ? end : null), from);
}

/**
 * Puts what follows from y into the graph; `end` is the name to take over, or null. Returns its
 * output.
 */
type Step = (y: Ref, end: string | null) => Ref;

/** [..., tokens, n] → the shape that the original has. */
function shapeSteps(e: GraphBuilder, { placed }: PlannedLinear): Step[] {
  const { linear, site, flattened } = placed;
  const name = `${linear.name}/hadanorm`;
  if (flattened || site.tokens === 'hidden') {
    const shape = e.integers(`${name}/rowShape`, [-1, ...linear.outputAxes]);
    return [(y, end) => e.node('Reshape', `${name}/toRows`, [y, shape], {}, end)];
  }
  if (linear.outputAxes.length === 1) return [];
  // the leading axes are those of the site
  return [(y, end) => e.reshapeLike(`${name}/heads`, y, y, 1, linear.outputAxes, end)];
}

/**
 * The node of a turned linear that has its value in the product's order: what is left of it where
 * a fused op reads the tensor that way.
 */
export function unturnedName({ name }: Linear): string {
  return `${name}/hadanorm/unturned`;
}

/** The product's axes in the order that the original has. */
function turnSteps(e: GraphBuilder, { placed: { linear } }: PlannedLinear): Step[] {
  if (linear.turned === null) return [];
  const name = `${linear.name}/hadanorm/turned`;
  const perm = e.integers(`${name}/order`, linear.turned.order);
  return [(y, end) => e.node('Transpose', name, [y, perm], {}, end)];
}

function activationStep(
  e: GraphBuilder,
  { placed }: PlannedLinear,
  { op, alpha, slopes }: FusedActivation,
): Step {
  const attrs: Attrs = op === 'LeakyRelu' ? { alpha: attr.float(alpha) } : {};
  const name = `${placed.linear.name}/hadanorm/activation`;
  return (y, end) => e.node(op, name, slopes === null ? [y] : [y, slopes], attrs, end);
}

/** A node of the graph that reshapes, behind y. */
function again(e: GraphBuilder, { op, name, inputs, attrs }: GraphNode): Step {
  return (y, end) => e.node(op, name, [y, ...inputs.slice(1)], attrs, end ?? name);
}
