import { clone, dispose, keep, type Tensor } from '@tensorflow/tfjs-core';
import { readsLater } from '../../ops/common/alive.js';
import type { Collector } from './collector.js';
import type { Tapped } from './tap.js';

/**
 * Shows a collector what taps see: at once, or where values are to be waited for, behind the batch.
 * The tensors of a batch stay on the device until then.
 */
export class Shown {
  private kept: { readonly index: number; readonly tapped: Tapped }[] = [];

  constructor(private readonly collector: Collector) {}

  see(index: number, tapped: Tapped): void {
    if (readsLater()) this.kept.push({ index, tapped: held(tapped) });
    else this.collector.observe(index, tapped);
  }

  /** Waits for what is left to be shown. */
  async settle(): Promise<void> {
    for (let next = this.kept.shift(); next !== undefined; next = this.kept.shift()) {
      try {
        await this.collector.observeLater(next.index, next.tapped);
      } finally {
        release(next.tapped);
      }
    }
  }

  /** Gives up what was not shown. */
  clear(): void {
    for (const { tapped } of this.kept.splice(0)) release(tapped);
  }
}

/** A run disposes of what it made. */
function held({ x, like, mask }: Tapped): Tapped {
  const hold = (tensor: Tensor) => keep(clone(tensor));
  return { x: hold(x), like: like && hold(like), mask: mask && hold(mask) };
}

function release({ x, like, mask }: Tapped): void {
  dispose([x, like, mask].filter((tensor) => tensor !== null));
}
