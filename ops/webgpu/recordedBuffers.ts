import type { BufferManager, WebgpuBackend } from './backend.js';
import { type Pins, pinsOf } from './pins.js';

/**
 * The buffers of what is recorded. Those that are handed out meanwhile are its own for as long as
 * it is there: they go from one tensor to the next within it, and to no other. All that its
 * programs are bound to is held.
 */
export class RecordedBuffers {
  private readonly pins: Pins;
  private readonly held = new Set<GPUBuffer>();
  private readonly own = new Set<GPUBuffer>();
  /** Own ones that no tensor has at present, by size and usage. */
  private readonly free = new Map<string, GPUBuffer[]>();
  /** Own ones with values from the host: these must last, so nothing else is put there. */
  private readonly fromHost = new Set<GPUBuffer>();

  constructor(private readonly manager: BufferManager) {
    this.pins = pinsOf(manager);
  }

  /** Bytes of the buffers that are its own. */
  get bytes(): number {
    return [...this.own].reduce((sum, { size }) => sum + size, 0);
  }

  /** Hands out, and takes, from here instead of from the backend; gives what undoes that. */
  install({ queue }: WebgpuBackend): () => void {
    const { manager } = this;
    const { acquireBuffer, releaseBuffer } = manager;
    const { writeBuffer } = queue;
    manager.acquireBuffer = (size, usage, mapped = false, reuse = true) =>
      this.acquire(size, usage, mapped, () =>
        // a mapped one is written while it is made, which a used one cannot be
        acquireBuffer.call(manager, size, usage, mapped, reuse && !mapped),
      );
    manager.releaseBuffer = (buffer, reuse) => {
      releaseBuffer.call(manager, buffer, this.fromHost.has(buffer) ? false : reuse);
      const again = this.own.has(buffer) && !this.fromHost.has(buffer);
      if (again) this.freeOf(buffer.size, buffer.usage).push(buffer);
    };
    queue.writeBuffer = (...args: Parameters<GPUQueue['writeBuffer']>) => {
      if (this.own.has(args[0])) this.fromHost.add(args[0]);
      writeBuffer.apply(queue, args);
    };
    return () => {
      manager.acquireBuffer = acquireBuffer;
      manager.releaseBuffer = releaseBuffer;
      queue.writeBuffer = writeBuffer;
    };
  }

  /** Whether a buffer has values that a run must find again. */
  isFromHost(buffer: GPUBuffer): boolean {
    return this.fromHost.has(buffer);
  }

  hold(buffer: GPUBuffer): void {
    if (this.held.has(buffer)) return;
    this.held.add(buffer);
    this.pins.hold(buffer);
  }

  letGo(): void {
    for (const buffer of this.held) this.pins.letGo(buffer);
    this.held.clear();
    this.own.clear();
  }

  private acquire(size: number, usage: number, mapped: boolean, make: () => GPUBuffer): GPUBuffer {
    // uniforms are written when a program is recorded: one that waits must keep its own
    const used = mapped || isUniform(usage) ? undefined : this.freeOf(size, usage).pop();
    const buffer = used ?? make();
    if (used !== undefined) this.pins.takeBack(used);
    if (mapped) this.fromHost.add(buffer);
    this.own.add(buffer);
    this.hold(buffer);
    return buffer;
  }

  private freeOf(size: number, usage: number): GPUBuffer[] {
    const key = `${size} ${usage}`;
    const known = this.free.get(key) ?? [];
    this.free.set(key, known);
    return known;
  }
}

function isUniform(usage: number): boolean {
  return (usage & GPUBufferUsage.UNIFORM) !== 0;
}
