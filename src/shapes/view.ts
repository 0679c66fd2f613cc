import type { Graph } from '../graph/ir.js';
import { GraphView } from '../graph/view.js';
import { type DimsOf, dimsInference } from './dims.js';
import { type ShapeOf, shapesOf } from './shapes.js';

/** A graph's view with what is known of its shapes. */
export class ShapedView extends GraphView {
  /** Lengths that only the run knows have names here. */
  readonly dimsOf: DimsOf;
  readonly shapeOf: ShapeOf;

  constructor(graph: Graph) {
    super(graph);
    this.dimsOf = dimsInference(graph);
    this.shapeOf = shapesOf(this.dimsOf);
  }
}
