import { UnsupportedDeviceError } from '../numerics/errors.js';

/** The limits that programs are held to. */
export type Limits = Pick<
  GPUSupportedLimits,
  | 'maxBufferSize'
  | 'maxStorageBufferBindingSize'
  | 'maxStorageBuffersPerShaderStage'
  | 'maxComputeInvocationsPerWorkgroup'
  | 'maxComputeWorkgroupSizeX'
  | 'maxComputeWorkgroupStorageSize'
  | 'maxComputeWorkgroupsPerDimension'
>;

const known = new WeakMap<GPUDevice, Limits>();

/** A device's limits, asked for once: some devices make an object of all at each look. */
export function limitsOf(device: GPUDevice): Limits {
  const found = known.get(device);
  if (found !== undefined) return found;
  const { limits } = device;
  const copy: Limits = {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
  };
  known.set(device, copy);
  return copy;
}

const WAY_OUT = 'Use smaller batches, or another backend.';

/** @throws UnsupportedDeviceError unless a storage buffer of so many bytes can be bound. */
export function checkBytes(op: string, what: () => string, bytes: number, limits: Limits) {
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  if (bytes <= most) return;
  const wanted = `buffers of ${bytes} bytes, for ${what()}`;
  throw new UnsupportedDeviceError(op, wanted, `such of at most ${most}`, WAY_OUT);
}

/** Workgroups that keep a large GPU's processors busy. */
export const ENOUGH_GROUPS = 264;

/** What a program asks of the device, beside its buffers. */
export interface Demands {
  readonly invocations: number; // of a workgroup
  readonly workgroupBytes: number;
  readonly storageBuffers: number;
}

/** Why a device cannot run a program; null where it can. */
export function whyNotOn(limits: Limits, demands: Demands): string | null {
  const { invocations, workgroupBytes, storageBuffers } = demands;
  const most = Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX);
  if (invocations > most) return `workgroups of at most ${most} invocations, not ${invocations}`;
  const { maxComputeWorkgroupStorageSize: memory, maxStorageBuffersPerShaderStage: buffers } =
    limits;
  if (workgroupBytes > memory) return `${memory} bytes for a workgroup, not ${workgroupBytes}`;
  if (storageBuffers > buffers)
    return `${buffers} storage buffers a program, not ${storageBuffers}`;
  return null;
}

/**
 * Workgroups in three dimensions, at least so many: a dimension holds 65535. Programs number them
 * by `groupIndex` and leave out what is beyond.
 * @throws UnsupportedDeviceError for more than three dimensions hold.
 */
export function foldGroups(
  op: string,
  count: number,
  { maxComputeWorkgroupsPerDimension: most }: Limits,
): readonly [number, number, number] {
  if (count <= most) return [count, 1, 1];
  const rows = Math.ceil(count / most);
  if (rows <= most) return [Math.ceil(count / rows), rows, 1];
  const layers = Math.ceil(count / most ** 2);
  if (layers > most) {
    const got = `room for ${most} in each of three dimensions`;
    throw new UnsupportedDeviceError(op, `room for ${count} workgroups`, got, WAY_OUT);
  }
  return [most, Math.ceil(count / (layers * most)), layers];
}
