import type { BufferManager } from './backend.js';

/**
 * Buffers that somebody holds on to: they are not handed out again, nor destroyed, when the tensor
 * that has them is disposed of, but when the last who holds them lets go.
 */
export class Pins {
  private readonly held = new Map<GPUBuffer, number>();
  /** What was released meanwhile, and whether to keep it for reuse. */
  private readonly owed = new Map<GPUBuffer, boolean>();
  private readonly release: (buffer: GPUBuffer, reuse: boolean) => void;

  /** @param manager Releases by way of these pins from now on. */
  constructor(manager: BufferManager) {
    const { releaseBuffer } = manager;
    this.release = (buffer, reuse) => releaseBuffer.call(manager, buffer, reuse);
    manager.releaseBuffer = (buffer, reuse = true) => {
      if (this.held.has(buffer)) this.owed.set(buffer, reuse);
      else this.release(buffer, reuse);
    };
  }

  hold(buffer: GPUBuffer): void {
    this.held.set(buffer, (this.held.get(buffer) ?? 0) + 1);
  }

  letGo(buffer: GPUBuffer): void {
    const left = this.held.get(buffer)! - 1;
    if (left > 0) {
      this.held.set(buffer, left);
      return;
    }
    this.held.delete(buffer);
    const reuse = this.owed.get(buffer);
    if (reuse === undefined) return;
    this.owed.delete(buffer);
    this.release(buffer, reuse);
  }

  /** Who holds a buffer that was released uses it again. */
  takeBack(buffer: GPUBuffer): void {
    this.owed.delete(buffer);
  }
}

const pins = new WeakMap<BufferManager, Pins>();

export function pinsOf(manager: BufferManager): Pins {
  const known = pins.get(manager) ?? new Pins(manager);
  pins.set(manager, known);
  return known;
}
