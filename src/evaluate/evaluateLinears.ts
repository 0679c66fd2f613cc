import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  dispose,
  type NamedTensorMap,
  type Tensor,
  type TypedArray,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { fetchValues, throughout } from '../../ops/common/alive.js';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkOptions } from '../../ops/common/checks.js';
import type { Progress } from '../../ops/common/progress.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { countedRows, tokensThatCountLater } from '../calibrate/countedTokens.js';
import {
  type Batch,
  checkBatch,
  checkBatches,
  countOf,
  disposeResults,
  tensorsIn,
} from '../feed/batch.js';
import { checkInputs } from '../feed/batchInputs.js';
import type { GraphBuilder } from '../graph/builder.js';
import { canonical, type Graph, nodeOf, type Ref } from '../graph/ir.js';
import { graphOfModel, weightsOnHost, weightTensors } from '../graph/model.js';
import { addEnergies, type EnergySums, noEnergies, sqnrDecibels } from '../math/decibels.js';
import { type Runnable, runnableModel } from '../passes/runnable.js';
import { type Analysis, analyze } from '../recognize/analysis.js';
import { withMasks } from '../recognize/emitMask.js';
import type { Role } from '../recognize/role.js';
import {
  checkMatched,
  checkTokenMask,
  chooseMasks,
  type TokenMaskOption,
} from '../recognize/tokenMaskOption.js';
import { type Subject, subjects } from './subjects.js';

const OP = 'evaluateLinears';

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
  /** Cancels between two batches: rejects with an `AbortedError`. */
  signal?: AbortSignal;
  /** Called after every batch. */
  onProgress?: (progress: Progress) => void;
  /** Which tokens are compared. Default 'auto': those that some attention of the original sees. */
  tokenMask?: TokenMaskOption;
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
 * batches or none; AbortedError when cancelled; WebglContextLostError, WebgpuDeviceLostError where
 * the backend's device is lost.
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
  const op = OP;
  checkOptions(op, options, ['signal', 'onProgress', 'tokenMask']);
  checkTokenMask(op, options.tokenMask);
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  checkBatches(op, batches);
  for (const model of [original, rewritten]) await weightsOnHost(op, model, 'small');
  const graph = graphOfModel(op, original);
  const rewrittenGraph = graphOfModel(op, rewritten);
  const made: Runnable[] = [];
  try {
    const found: Found[] = [];
    const masked = (normal: Graph, builder: GraphBuilder) => {
      const analysis = analyze(normal);
      const chosen = chooseMasks(op, analysis, options.tokenMask);
      checkMatched(op, chosen);
      const { graph: added, refs } = withMasks(normal, builder, chosen.masks);
      found.push({ analysis, masks: refs });
      return added;
    };
    const before = runnableModel(op, original, graph, masked);
    made.push(before);
    const after = runnableModel(op, rewritten, rewrittenGraph);
    made.push(after);
    return await evaluate(op, { ...before, ...found[0]! }, after, batches, options);
  } finally {
    for (const { model, isOwn } of made) if (isOwn) model.dispose();
  }
}

/** What there is in the original. */
interface Found {
  readonly analysis: Analysis;
  /** Which tokens of a site count, by its key. */
  readonly masks: ReadonlyMap<string, Ref>;
}

async function evaluate(
  op: string,
  before: Runnable & Found,
  after: Runnable,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: EvaluateOptions,
): Promise<LinearEvaluation[]> {
  const linears = subjects(op, before.analysis, after.graph, before.masks);
  const outputs = linears.map(({ output }) => output);
  const fed = { model: before.model, graph: before.graph, outputs };
  const sums = linears.map(noEnergies);
  const total = countOf(batches);
  let done = 0;
  for await (const batch of batches) {
    throwIfAborted(op, options.signal);
    checkBatch(op, batch, `batches[${done}]`);
    checkInputs(op, fed, batch, `batches[${done}]`);
    const weights = [before.model, after.model].flatMap(weightTensors);
    await throughout(op, [...tensorsIn(batch), ...weights], () =>
      addBatch(before.model, after.model, batch, linears, sums),
    );
    done++;
    options.onProgress?.({ stage: 'evaluate', done, total, name: '' });
    // a page stays alive, and a signal can come, between two batches
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (done === 0) throw new InvalidArgumentError(op, 'batches', 'one batch at least', 'none');
  return linears.map(({ placed: { linear, role } }, i) => {
    return { name: linear.name, role, output: sqnrDecibels(sums[i]!) };
  });
}

async function addBatch(
  original: GraphModel,
  rewritten: GraphModel,
  batch: Batch,
  linears: readonly Subject[],
  sums: readonly EnergySums[],
): Promise<void> {
  const fed = linears.map(({ placed: { site }, beside }) => [
    site.source,
    ...(site.like === null ? [] : [site.like]),
    ...beside,
  ]);
  const shown = linears.flatMap(({ output, mask }) => (mask === null ? [output] : [output, mask]));
  const wanted = [...new Set([...fed.flat(), ...shown])];
  const values = original.execute(batch, wanted) as Tensor | Tensor[];
  const tensors = new Map<Ref, Tensor>();
  (Array.isArray(values) ? values : [values]).forEach((tensor, i) => {
    tensors.set(wanted[i]!, tensor);
  });
  const given = new Set(tensors.values());
  try {
    // biases were on the device alone while the model ran
    await weightsOnHost(OP, original, 'small');
    for (const [i, { placed, output, ...from }] of linears.entries()) {
      const { linear, site } = placed;
      const feed: NamedTensorMap = {};
      for (const ref of fed[i]!)
        feed[canonical(ref) === nodeOf(ref) ? nodeOf(ref) : ref] = tensors.get(ref)!;
      const bias = linear.bias?.read() ?? null;
      // behind an activation the bias cannot be taken out
      const active = linear.activation !== null || output !== linear.name;
      // compared as the product has them: the bias is by its channels
      const back = linear.turned?.order.map((_, axis, order) => order.indexOf(axis));
      const inOrder = (x: Tensor) => (back === undefined ? x : transpose(x, back));
      const tensor = (ref: Ref | null) => (ref === null ? null : tensors.get(ref)!);
      const tapped = { x: tensor(site.source)!, like: tensor(site.like), mask: tensor(from.mask) };
      const counted = await tokensThatCountLater(OP, site, tapped);
      const pair = tidy(() => {
        const [value] = [rewritten.execute(feed, from.rewritten)].flat() as [Tensor];
        return [inOrder(tensors.get(output)!), from.unturned ? value : inOrder(value)] as const;
      });
      try {
        await addDifference(sums[i]!, active ? null : bias, counted, pair);
      } finally {
        dispose(pair.filter((tensor) => !given.has(tensor)));
      }
    }
  } finally {
    disposeResults([...tensors.values()], batch, original);
  }
}

async function addDifference(
  sums: EnergySums,
  bias: ArrayLike<number> | null,
  counted: TypedArray | null,
  [exact, other]: readonly [exact: Tensor, other: Tensor],
): Promise<void> {
  const rowsOf = async (tensor: Tensor) => {
    const values = await fetchValues<'float32'>(OP, tensor);
    return counted === null ? values : countedRows(values, counted);
  };
  addEnergies(sums, await rowsOf(exact), await rowsOf(other), bias);
}
