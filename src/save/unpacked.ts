import { dispose, io, type NamedTensorMap } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../ops/common/callers.js';
import { describe } from '../../ops/numerics/errors.js';
import type { Graph } from '../graph/ir.js';
import type { WeightSpec } from '../graph/weightSpecs.js';
import { storedBytes } from '../graph/weights.js';
import { caused, wordsOf } from './downloads.js';
import { alteredWeight, checksumOfWeight, ModelFormatError, type Sealed } from './format.js';

/** After so long others have their turn: a page draws 60 times a second. */
const TURN_MS = 12;

/**
 * Tensors of a model's weights, one after the other: each is checked before it is made, so that of
 * a stream nothing else is there meanwhile.
 *
 * @throws ModelFormatError for what is not what was saved; AbortedError when cancelled; what the
 * stream throws. No tensor is left then.
 */
export async function unpacked(
  op: string,
  { getWeightStream }: io.ModelArtifacts,
  { graph, checksums }: Sealed,
  signal: AbortSignal | undefined,
): Promise<NamedTensorMap> {
  const stream = getWeightStream === undefined ? null : new WeightStream(op, getWeightStream());
  const tensors: NamedTensorMap = {};
  try {
    let turn = performance.now();
    for (const [i, { spec, bytes }] of [...graph.weights.values()].entries()) {
      throwIfAborted(op, signal);
      const data = stream === null ? bytes() : await stream.next(spec);
      if (checksumOfWeight(data) !== checksums[i]) {
        await stream?.checkLength(graph);
        throw alteredWeight(op, spec.name);
      }
      Object.assign(tensors, decoded(op, data, spec));
      if (performance.now() - turn < TURN_MS) continue;
      await new Promise((resolve) => setTimeout(resolve, 0));
      turn = performance.now();
    }
    await stream?.end();
    return tensors;
  } catch (error) {
    dispose(tensors);
    await stream?.cancel();
    throw error;
  }
}

function decoded(op: string, data: ArrayBuffer, spec: WeightSpec): NamedTensorMap {
  try {
    return io.decodeWeights(data, [spec]);
  } catch (error) {
    const problem = `tfjs cannot load the model: ${wordsOf(error)}`;
    throw caused(new ModelFormatError(op, problem), error);
  }
}

/** A model's data as it comes, cut into its weights. */
class WeightStream {
  private readonly reader: ReadableStreamDefaultReader<ArrayBuffer | ArrayBufferView>;
  /** What came and was not asked for yet. */
  private rest = new Uint8Array(0);
  private came = 0;

  constructor(
    private readonly op: string,
    stream: ReadableStream<ArrayBuffer>,
  ) {
    this.reader = stream.getReader();
  }

  /** The bytes of the next weight. */
  async next(spec: WeightSpec): Promise<ArrayBuffer> {
    const { shape, dtype } = spec;
    if (dtype !== 'string') return (await this.take(spec, storedBytes(spec))).buffer;
    // each string behind its length
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let left = shape.reduce((all, dim) => all * dim, 1); left > 0; left--) {
      const length = await this.take(spec, 4);
      parts.push(length);
      parts.push(await this.take(spec, new DataView(length.buffer).getUint32(0, true)));
    }
    return new Blob(parts).arrayBuffer();
  }

  /** @throws ModelFormatError where there is more. */
  async end(): Promise<void> {
    let more = this.rest.length;
    while (more === 0 && (await this.advance())) more = this.rest.length;
    if (more === 0) return;
    const problem = `there are ${more} bytes of weights at least behind those that were saved.`;
    throw new ModelFormatError(this.op, `${problem} Get them again.`);
  }

  /**
   * Reads to the end: behind bytes that are missing all weights are others.
   * @throws ModelFormatError where bytes are missing.
   */
  async checkLength({ weights }: Graph): Promise<void> {
    const specs = [...weights.values()].map(({ spec }) => spec);
    if (specs.some(({ dtype }) => dtype === 'string')) return;
    const wanted = specs.reduce((sum, spec) => sum + storedBytes(spec), 0);
    while (await this.advance());
    if (this.came >= wanted) return;
    const problem = `there are ${this.came} bytes of weights, ${wanted} were saved`;
    throw new ModelFormatError(this.op, `${problem}: they are truncated. Get them again.`);
  }

  /** What the stream has failed by is known already. */
  async cancel(): Promise<void> {
    await this.reader.cancel().catch(() => undefined);
  }

  private async take({ name }: WeightSpec, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      if (this.rest.length === 0 && !(await this.advance())) {
        const problem = `the weight data ends inside ${describe(name)}`;
        const wayOut = 'The file is truncated; get it again.';
        throw new ModelFormatError(this.op, `${problem}. ${wayOut}`);
      }
      const part = this.rest.subarray(0, count - at);
      out.set(part, at);
      at += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    return out;
  }

  /** @returns Whether there was more. */
  private async advance(): Promise<boolean> {
    const { done, value } = await this.reader.read();
    if (done) return false;
    this.rest = ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);
    this.came += this.rest.length;
    return true;
  }
}
