import type { GraphModel } from '@tensorflow/tfjs-converter';
import { type NamedTensorMap, type Tensor, tidy, transpose } from '@tensorflow/tfjs-core';
import { throughout, valuesOf } from '../../ops/common/alive.js';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkOptions } from '../../ops/common/checks.js';
import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import {
  type Batch,
  checkBatch,
  checkBatches,
  disposeResults,
  tensorsIn,
} from '../calibrate/batch.js';
import { checkInputs } from '../calibrate/batchInputs.js';
import { canonical, type Graph, nodeOf, type Ref } from '../graph/ir.js';
import { graphOfModel, weightTensors } from '../graph/model.js';
import { addEnergies, type EnergySums, noEnergies, sqnrDecibels } from '../math/decibels.js';
import { type Runnable, runnableModel } from '../passes/runnable.js';
import { activationBehind } from '../recognize/activations.js';
import { analyze, type PlacedLinear } from '../recognize/analysis.js';
import type { Role } from '../recognize/role.js';
import { unturnedName } from '../rewrite/emit.js';

/** How well one linear of a rewritten model does. */
export interface LinearEvaluation {
  readonly name: string;
  readonly role: Role;
  /**
   * Output SQNR in dB, the bias left out of the signal; Infinity where it is equal, above 100 where
   * `fuse` wrote the product of an untouched linear otherwise. Where the product applies the
   * activation behind the linear (`mode: 'integer'`) it is the activation's, as it always is for
   * activations fused into a linear.
   */
  readonly output: number;
}

/** Options of `evaluateLinears`. */
export interface EvaluateOptions {
  /** Cancels between two batches: rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after every batch with how many are done. */
  onProgress?: (batches: number) => void;
}

/**
 * Runs every linear of a rewritten model on the inputs that it has in the original, and compares:
 * the output SQNR of each linear by itself, through the very nodes that the model runs, on data
 * that calibration need not have seen.
 *
 * @param original The model that was given to `rewriteGraph`.
 * @param rewritten What it returned.
 * @param batches Inputs of the model.
 * @throws HadaNormError when the two are not of the same model, InvalidArgumentError for wrong
 * batches or none; WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { evaluateLinears, rewriteGraph } from 'tfjs-hadanorm';
 * import { tinyDit, tinyInputs } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const { model: small } = rewriteGraph(model, { method: 'hadamard' });
 * const linears = await evaluateLinears(model, small, [tinyInputs([0.2, 0.8])]);
 * for (const { role, output } of linears) console.log(role, output.toFixed(1), 'dB');
 * ```
 */
export async function evaluateLinears(
  original: GraphModel,
  rewritten: GraphModel,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: EvaluateOptions = {},
): Promise<LinearEvaluation[]> {
  const op = 'evaluateLinears';
  checkOptions(op, options, ['signal', 'onProgress']);
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  checkBatches(op, batches);
  const graph = graphOfModel(op, original);
  const rewrittenGraph = graphOfModel(op, rewritten);
  const made: Runnable[] = [];
  try {
    made.push(runnableModel(op, original, graph));
    made.push(runnableModel(op, rewritten, rewrittenGraph));
    return await evaluate(op, made[0]!, made[1]!, batches, options);
  } finally {
    for (const { model, isOwn } of made) if (isOwn) model.dispose();
  }
}

async function evaluate(
  op: string,
  before: Runnable,
  after: Runnable,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: EvaluateOptions,
): Promise<LinearEvaluation[]> {
  const linears = subjects(op, before.normal, after.graph);
  const outputs = linears.map(({ output }) => output);
  const fed = { model: before.model, graph: before.graph, outputs };
  const sums = linears.map(noEnergies);
  let done = 0;
  for await (const batch of batches) {
    throwIfAborted(options.signal);
    checkBatch(op, batch, done);
    checkInputs(op, fed, batch, done);
    const weights = [before.model, after.model].flatMap(weightTensors);
    await throughout(op, [...tensorsIn(batch), ...weights], () =>
      addBatch(before.model, after.model, batch, linears, sums),
    );
    done++;
    options.onProgress?.(done);
  }
  if (done === 0) throw new InvalidArgumentError(op, 'batches', 'one batch at least', 'none');
  return linears.map(({ placed: { linear, role } }, i) => {
    return { name: linear.name, role, output: sqnrDecibels(sums[i]!) };
  });
}

/**
 * A linear, and where its value can be read in both models: at the linear, or at the activation
 * that went with it.
 */
interface Subject {
  readonly placed: PlacedLinear;
  /** In the original. */
  readonly output: string;
  /** In the rewritten model. */
  readonly rewritten: string;
  /** Whether it has its axes in the product's order there: a fused op took the turning along. */
  readonly unturned: boolean;
}

function subjects(op: string, before: Graph, after: Graph): Subject[] {
  const { linears, view } = analyze(before);
  return linears.map((placed) => {
    const { linear } = placed;
    const outputs = [linear.name, activationBehind(view, linear)?.output];
    const output = outputs.find((name) => name !== undefined && after.nodes.has(name));
    if (output !== undefined) return { placed, output, rewritten: output, unturned: false };
    const unturned = [unturnedName(linear), linear.product].find((name) => after.nodes.has(name));
    if (linear.turned !== null && unturned !== undefined) {
      return { placed, output: linear.name, rewritten: unturned, unturned: true };
    }
    const problem = `the rewritten model has no node ${JSON.stringify(linear.name)}.`;
    throw new HadaNormError(op, `${problem} It was not made from the original.`);
  });
}

function addBatch(
  original: GraphModel,
  rewritten: GraphModel,
  batch: Batch,
  linears: readonly Subject[],
  sums: readonly EnergySums[],
): void {
  const fed = linears.map(({ placed: { site } }) => [
    site.source,
    ...(site.like === null ? [] : [site.like]),
  ]);
  const wanted = [...new Set([...fed.flat(), ...linears.map(({ output }) => output)])];
  const values = original.execute(batch, wanted) as Tensor | Tensor[];
  const tensors = new Map<Ref, Tensor>();
  (Array.isArray(values) ? values : [values]).forEach((tensor, i) => {
    tensors.set(wanted[i]!, tensor);
  });
  try {
    linears.forEach(({ placed: { linear }, output, ...from }, i) => {
      const feed: NamedTensorMap = {};
      for (const ref of fed[i]!)
        feed[canonical(ref) === nodeOf(ref) ? nodeOf(ref) : ref] = tensors.get(ref)!;
      const bias = linear.bias?.read() ?? null;
      // behind an activation the bias cannot be taken out
      const active = linear.activation !== null || output !== linear.name;
      // compared as the product has them: the bias is by its channels
      const back = linear.turned?.order.map((_, axis, order) => order.indexOf(axis));
      const inOrder = (x: Tensor) => (back === undefined ? x : transpose(x, back));
      addDifference(sums[i]!, active ? null : bias, () => {
        const [value] = [rewritten.execute(feed, from.rewritten)].flat() as [Tensor];
        return [inOrder(tensors.get(output)!), from.unturned ? value : inOrder(value)];
      });
    });
  } finally {
    disposeResults([...tensors.values()], batch, original);
  }
}

function addDifference(
  sums: EnergySums,
  bias: ArrayLike<number> | null,
  run: () => readonly [exact: Tensor, other: Tensor],
): void {
  tidy(() => {
    const [exact, other] = run();
    const [a, b] = [exact, other].map((tensor) => valuesOf('evaluateLinears', tensor));
    addEnergies(sums, a!, b!, bias);
  });
}
