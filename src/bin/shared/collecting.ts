import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Progress } from '../../../ops/common/progress.js';

/** Bytes of matrices that may have become garbage before somebody looks. */
const GROWN_BYTES = 2 ** 27;

/** What the packed model may have grown by meanwhile. */
const STEP_BYTES = 2 ** 25;

/**
 * Progress as `tell` shows it, and memory that is looked after: V8 sees a few small objects where
 * hundreds of megabytes of matrices behind them are garbage, and takes its time. A process that is
 * the package's own asks for it.
 */
export function collecting(tell: (progress: Progress) => void): (progress: Progress) => void {
  const collect = collector();
  if (collect === null) return tell;
  let live = process.memoryUsage().arrayBuffers;
  return (progress) => {
    tell(progress);
    const { arrayBuffers } = process.memoryUsage();
    live = Math.min(live, arrayBuffers);
    if (arrayBuffers < live + GROWN_BYTES) return;
    collect();
    // what is at work is still held: it goes by the next time
    live = Math.min(process.memoryUsage().arrayBuffers, live + STEP_BYTES);
  };
}

/** Null where the runtime is another than Node. */
function collector(): (() => void) | null {
  try {
    setFlagsFromString('--expose-gc');
    return runInNewContext('gc') as () => void;
  } catch {
    return null;
  }
}
