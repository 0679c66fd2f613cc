import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Batch } from '../feed/batch.js';

/** `GraphModel.execute`. */
export type Execute = GraphModel['execute'];

/** How models that record themselves run their graph. */
const own = new WeakMap<object, Execute>();

/** Keeps how a model runs its graph, and gives it; null where that is kept already. */
export function keepExecute(model: GraphModel): Execute | null {
  if (own.has(model)) return null;
  const execute = model.execute.bind(model);
  own.set(model, execute);
  return execute;
}

/** Whether a model records itself. */
export function isPlanned(model: object): boolean {
  return own.has(model);
}

/** `model.execute`, which runs the graph whatever plans the model has. */
export function executeUnplanned(model: GraphModel, inputs: Batch): ReturnType<Execute> {
  const execute = own.get(model);
  return execute === undefined ? model.execute(inputs) : execute(inputs);
}
