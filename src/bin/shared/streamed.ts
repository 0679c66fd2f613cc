import type { CalibrationStats } from '../../calibrate/stats.js';
import { selfCheck } from '../../evaluate/selfCheck.js';
import { quantizeCheckpoint } from '../../load/quantizeCheckpoint.js';
import type { CheckpointSource } from '../../load/source/open.js';
import { areArrays, batchesOfFiles } from './batches.js';
import { type SizeFlags, sizesOf } from './checkpoints.js';
import { type Context, watched } from './context.js';
import type { InputFlags, Out } from './flags.js';
import { writePacked } from './packed.js';
import type { RecipeOptions } from './recipes.js';

/** Flags of a checkpoint that is quantized while it loads. */
export interface StreamFlags extends Out, SizeFlags, InputFlags {
  readonly json?: boolean;
  readonly timestep?: string;
  readonly compare?: boolean;
  readonly sequential?: boolean;
  readonly selfCheck: boolean;
}

/**
 * Whether a checkpoint without a target is quantized while it loads: later linears may want the
 * whole model, a module of inputs may run it, and a server may have one order.
 */
export function isStreamed(
  checkpoint: CheckpointSource,
  { inputs, sequential }: StreamFlags,
): boolean {
  if (sequential) return false;
  return inputs === undefined || (typeof checkpoint !== 'string' && areArrays(inputs));
}

/** A published checkpoint, packed as its weights come, by inputs part by part. */
export async function streamed(
  context: Context,
  checkpoint: CheckpointSource,
  asked: RecipeOptions,
  stats: CalibrationStats | null,
  flags: StreamFlags,
): Promise<void> {
  const { compare, inputs, selfCheck: checks } = flags;
  const made = await quantizeCheckpoint(checkpoint, {
    ...asked,
    ...(stats === null ? {} : { stats }),
    ...sizesOf(flags),
    ...(inputs === undefined
      ? {}
      : {
          batches: (model) => batchesOfFiles(model, { ...flags, inputs }),
          calibrate: { timestep: flags.timestep ?? 'timestep', disposeBatches: true },
        }),
    ...(compare ? { compare } : {}),
    ...watched(context),
  });
  try {
    if (checks) await selfCheck(made.model, watched(context));
    await writePacked(context, { ...made, recipe: null }, asked, flags);
  } finally {
    made.model.dispose();
  }
}
