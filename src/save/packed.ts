import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { io, Tensor } from '@tensorflow/tfjs-core';
import { fetchValues } from '../../ops/common/alive.js';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { topologyArtifacts } from '../graph/artifacts.js';
import { Chunks } from '../graph/chunks.js';
import { graphOfModel } from '../graph/model.js';
import { encodeWeight, weightBytes } from '../graph/weights.js';
import { checksumOfWeight, sealed } from './format.js';

/** Of what is there whole, at a time. */
const PIECE_BYTES = 4 * 2 ** 20;

/** A model that is handed over weight by weight: what is packed is never there whole. */
export interface PackedModel {
  /** Of all weights. */
  readonly byteLength: number;
  /** The bytes of one weight, or of some, after the other; to be gone through once. */
  readonly weights: () => AsyncIterable<ArrayBuffer>;
  /** All else, checksums too: once the last weight has come. */
  readonly artifacts: () => io.ModelArtifacts;
}

/** A handler of this package's that takes models so, and gives their weights as a stream. */
export interface InTurnHandler extends io.IOHandler {
  saveInTurn(model: PackedModel): Promise<io.SaveResult>;
  loadInTurn(): Promise<io.ModelArtifacts>;
}

/** Whether a handler is one. */
export function takesInTurn(handler: io.IOHandler): handler is InTurnHandler {
  return 'saveInTurn' in handler && typeof handler.saveInTurn === 'function';
}

/** A model with every weight as its file stores it, packed when it is asked for. */
export function packedModel(
  op: string,
  model: GraphModel,
  { signal, onProgress }: WatchOptions,
): PackedModel {
  checkSignal(op, signal);
  checkCallback(op, 'onProgress', onProgress);
  const graph = graphOfModel(op, model);
  const all = [...graph.weights.values()];
  const checksums: number[] = [];
  throwIfAborted(op, signal);
  return {
    byteLength: all.reduce((sum, weight) => sum + weightBytes(weight), 0),
    weights: async function* () {
      for (const { spec, values } of all) {
        const tensor: Tensor | undefined = model.weights[spec.name]?.[0];
        const isText = tensor === undefined || spec.dtype === 'string';
        const bytes = encodeWeight(spec, isText ? values() : await fetchValues(op, tensor));
        checksums.push(checksumOfWeight(bytes));
        yield bytes;
        const [done, total] = [checksums.length, all.length];
        onProgress?.({ stage: 'save', done, total, name: spec.name });
        throwIfAborted(op, signal);
      }
    },
    artifacts: () => sealed(topologyArtifacts(graph), checksums),
  };
}

/** The same of a model whose weights are all there, as tfjs's own `model.save` gives it. */
export function givenWhole(
  op: string,
  { weightData, ...artifacts }: io.ModelArtifacts,
): PackedModel {
  const data = new Chunks(weightData, op);
  return {
    byteLength: data.byteLength,
    weights: async function* () {
      for (let at = 0; at < data.byteLength; at += PIECE_BYTES) {
        yield data.slice(at, Math.min(at + PIECE_BYTES, data.byteLength));
      }
    },
    artifacts: () => artifacts,
  };
}
