import type { Graph } from '../graph/ir.js';
import { GraphView } from '../graph/view.js';
import { type DimsOf, dimsInference } from './dims.js';
import { type ShapeOf, shapeInference } from './shapes.js';

/** A graph's view with what is known of its shapes. */
export class ShapedView extends GraphView {
  readonly shapeOf: ShapeOf;
  private named: DimsOf | null = null;

  constructor(graph: Graph) {
    super(graph);
    this.shapeOf = shapeInference(graph);
  }

  /** Lengths that only the run knows have names here; worked out when first asked for. */
  readonly dimsOf: DimsOf = (ref) => {
    this.named ??= dimsInference(this.graph, this.shapeOf);
    return this.named(ref);
  };
}
