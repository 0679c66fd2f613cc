import type { Kind } from '../base/kind.js';
import { manifestsKind, modelsKind, rewritesKind } from '../files/models.js';
import { reportsKind } from '../files/reports.js';
import { safetensorsKind } from '../files/safetensors.js';
import { statsKind } from '../files/stats.js';
import { graphsKind, opsKind } from '../ops/kinds.js';
import { shapesKind } from '../wasm/shapes.js';
import { sizesKind } from '../wasm/sizes.js';
import { threadsKind } from '../wasm/threads.js';

/** All kinds of inputs; the last one starts the WASM backend anew. */
export const KINDS: readonly Kind[] = [
  ...[opsKind, graphsKind, modelsKind, manifestsKind, rewritesKind],
  ...[statsKind, reportsKind, safetensorsKind, sizesKind, shapesKind, threadsKind],
];
