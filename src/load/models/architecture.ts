import type { Json } from '../../../ops/common/configs.js';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import type { Ref } from '../../graph/ir.js';
import type { Grid } from '../net/embeddings.js';
import type { Net } from '../net/net.js';

/** What a graph fixes and a checkpoint leaves open; null: the model's default. */
export interface Sizes {
  /** Of the latents, in cells. */
  readonly height: number | null;
  readonly width: number | null;
  readonly textTokens: number | null;
}

/** A published architecture: a file of this folder. */
export interface Architecture {
  /** Builds the graph of a config. Returns its output. */
  readonly build: (net: Net, config: Json, sizes: Sizes) => Ref;
  /**
   * Lists of tensors that are copies of the first in some checkpoints: the graph has them once
   * then, see `Net.copies`. Absent: none.
   */
  readonly copies?: (op: string, config: Json) => string[][];
}

/** Latents in patches of `p` cells. @throws InvalidArgumentError for sizes that are no multiple. */
export function gridOf(op: string, { height, width }: Sizes, usual: number, p: number): Grid {
  const inPatches = (name: string, cells: number) => {
    if (cells % p === 0) return cells / p;
    throw new InvalidArgumentError(op, name, `a multiple of the patch size ${p}`, `${cells}`);
  };
  const rows = inPatches('height', height ?? usual);
  return { height: rows, width: inPatches('width', width ?? height ?? usual) };
}

/** @throws InvalidArgumentError where a model that takes no text is told its length. */
export function checkNoText(op: string, { textTokens }: Sizes): void {
  if (textTokens === null) return;
  throw new InvalidArgumentError(
    op,
    'textTokens',
    'absent: the model takes no text',
    `${textTokens}`,
  );
}
