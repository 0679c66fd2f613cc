import type { Dim } from '../../../ops/numerics/lengths.js';
import type { GraphNode } from '../../graph/ir.js';
import type { ShapedView } from '../../shapes/view.js';
import type { Atom, Atoms, Axis } from './atoms.js';

/** A run of neighbours along an axis that are an axis of their own elsewhere. */
export interface Cut {
  readonly whole: Atom;
  readonly part: Atom;
  /** How many stand before and behind it; null where that is not known before the run. */
  readonly before: number | null;
  readonly behind: number | null;
}

/** What a rule may ask, and say. */
export interface AxisArgs {
  readonly view: ShapedView;
  readonly atoms: Atoms;
  readonly node: GraphNode;
  /** Which of the node's outputs is asked for, and its lengths. */
  readonly output: number;
  readonly dims: readonly Dim[];
  /** The axes of input i; null where not even their number is known. */
  readonly at: (i: number) => readonly Axis[] | null;
  /** Whether input i comes from what the model is given, and from more than its shape. */
  readonly isData: (i: number) => boolean;
  readonly cut: (cut: Cut) => void;
}

/** The axes of an output; null where there is nothing to say of them. */
export type AxisRule = (args: AxisArgs) => readonly (Axis | null)[] | null;
