import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { io } from '@tensorflow/tfjs-core';
import { InvalidArgumentError, loadQuantized, type Progress } from 'tfjs-hadanorm';
import type { ModelName } from '../shared/choices.js';

/** A model, and the bytes of its files. */
export interface Opened {
  readonly model: GraphModel;
  readonly fileBytes: number;
}

/** How to fetch. */
export interface FetchOptions {
  /** Ends the download. */
  readonly signal: AbortSignal;
  /** Told the share that is done, 0 to 1. */
  readonly onProgress: (share: number) => void;
}

/**
 * Opens models, and keeps the files of the last original: another run need not fetch them again.
 */
export class ModelStore {
  private last: { name: ModelName; artifacts: io.ModelArtifacts; fileBytes: number } | null = null;

  /** A model that lies beside the page, as tf.loadGraphModel loads it. */
  async openOriginal(name: ModelName, base: string, options: FetchOptions): Promise<Opened> {
    if (this.last?.name !== name) {
      const counter = new ByteCounter(options.signal);
      const url = new URL(`models/${name}/model.json`, base).href;
      const { onProgress } = options;
      const handler = io.http(url, { fetchFunc: counter.fetch, onProgress });
      const artifacts = await handler.load!();
      this.last = { name, artifacts, fileBytes: counter.bytes };
    }
    const { artifacts, fileBytes } = this.last;
    return { model: await loadGraphModel(io.fromMemory(artifacts)), fileBytes };
  }
}

/** What was picked for a packed model. */
interface Picked {
  readonly files: readonly File[];
  readonly address: string;
}

/**
 * Looks at what was picked before anything is loaded.
 * @throws InvalidArgumentError where there is nothing, or files that are no model by their names.
 */
export function checkPicked({ files, address }: Picked): void {
  const refuse = (wanted: string, got: string) => {
    throw new InvalidArgumentError('Packed model', 'files', wanted, got);
  };
  if (files.length === 0) {
    if (address !== '') return;
    refuse("model.json and its shards, or an address of a packed model's model.json", 'neither');
  }
  const names = files.map(({ name }) => name);
  const wanted = 'one model.json and its shards';
  if (names.filter((name) => name.endsWith('.json')).length !== 1) refuse(wanted, names.join(', '));
  if (names.length === 1) refuse(wanted, `${names[0]} alone: pick the .bin files with it`);
}

/**
 * A packed model, checked, from files that were picked or else from an address relative to the
 * page's.
 *
 * @throws ModelFormatError for files that are no packed model, or not a whole one; ModelLoadError
 * for an address at which there is none.
 */
export async function openPacked(
  { files, address, base }: Picked & { readonly base: string },
  { signal, onProgress }: FetchOptions,
): Promise<Opened> {
  if (files.length === 0) {
    const counter = new ByteCounter(signal);
    const url = new URL(address, base).href;
    const told = ({ done, total }: Progress) => onProgress(total === null ? 0 : done / total);
    const watch = { fetchFunc: counter.fetch, onProgress: told };
    const model = await loadQuantized(url, watch);
    return { model, fileBytes: counter.bytes };
  }
  const json = files.find(({ name }) => name.endsWith('.json'))!;
  const shards = files.filter((file) => file !== json);
  const model = await loadQuantized(io.browserFiles([json, ...shards]));
  return { model, fileBytes: files.reduce((sum, { size }) => sum + size, 0) };
}

/** Fetches, and counts what comes. */
class ByteCounter {
  bytes = 0;

  constructor(private readonly signal: AbortSignal) {}

  readonly fetch = async (url: URL | RequestInfo, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(url, { ...init, signal: this.signal });
    if (response.body === null) return response;
    const counting = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        this.bytes += chunk.byteLength;
        controller.enqueue(chunk);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(counting), { status, statusText, headers });
  };
}
