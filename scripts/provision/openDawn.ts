import { createRequire } from 'node:module';
import { findDawn, softwareDriver } from './dawn.js';

/** What Dawn's module for Node gives. */
interface Dawn {
  readonly create: (flags: string[]) => GPU;
  readonly globals: Record<string, unknown>;
}

/** As run.ts has it for browsers: SwiftShader compiles initial zeros one by one otherwise. */
const LOOPED_ZEROS = 'disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';

/**
 * Gives Node `navigator.gpu`, by Dawn: of the machine's adapter, or else a GPU in software. Gives
 * the reason where that cannot be; what Dawn throws is thrown.
 */
export async function openDawn(): Promise<string | undefined> {
  const found = findDawn();
  if (!found.available) return found.reason;
  const driver = softwareDriver();
  if (driver !== undefined) process.env.VK_DRIVER_FILES ??= driver;
  const isSoftware = driver !== undefined && process.env.VK_DRIVER_FILES === driver;
  const { create, globals } = createRequire(import.meta.url)(found.path) as Dawn;
  Object.assign(globalThis, globals);
  const gpu = create(isSoftware ? [LOOPED_ZEROS] : []);
  if ((await gpu.requestAdapter()) === null) return 'Dawn finds no adapter';
  const navigator = { gpu, userAgent: 'node', hardwareConcurrency: 2 };
  const property = { value: navigator, configurable: true, writable: true };
  Object.defineProperty(globalThis, 'navigator', property);
  return undefined;
}
