import { limitsOf, whyNotOn } from './limits.js';

/** Element types of the buffers that programs are bound to. */
export type Element = 'f32' | 'i32' | 'u32' | 'vec4<f32>' | 'vec4<i32>' | 'vec4<u32>';

/** What a program is for a spec: all that `Shader.build` may look at. */
export interface Built {
  /** The buffers it reads, by name, in the order in which they are bound. */
  readonly reads: Readonly<Record<string, Element>>;
  /** The buffers it writes. */
  readonly writes: Readonly<Record<string, Element>>;
  /** Numbers that differ from call to call, u32, read as `sizes.NAME`. */
  readonly sizes: readonly string[];
  /** Invocations of a workgroup, in one dimension. */
  readonly invocations: number;
  /** Bytes of its `var<workgroup>`. */
  readonly workgroupBytes: number;
  /**
   * WGSL with `fn run(lid: u32, group: u32)`, the invocation's number in its workgroup and the
   * workgroup's.
   */
  readonly code: string;
}

/** What specialises a program: plain values, all of which are in its key. */
export type Spec = Readonly<Record<string, number | string | boolean>>;

/**
 * A family of programs. `build` sees the spec alone and is called once for each: so whatever tells
 * two programs apart is in the key, which is the spec.
 */
export interface Shader<S extends Spec> {
  readonly name: string;
  readonly build: (spec: S) => Built;
}

/** The key of a program: equal specs, and only these, have equal keys. */
export function shaderKey<S extends Spec>({ name }: Shader<S>, spec: S): string {
  let key = name;
  for (const field in spec) key += ` ${field}=${spec[field]}`;
  return key;
}

/** The whole WGSL of a program. */
export function sourceOf({ reads, writes, sizes, invocations, code }: Built): string {
  const buffers = [
    ...Object.entries(writes).map(([name, type]) => ['read_write', name, type]),
    ...Object.entries(reads).map(([name, type]) => ['read', name, type]),
  ].map(([access, name, type], i) => {
    return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${type}>;`;
  });
  const fields = sizes.map((name) => `${name}: u32,`).join(' ');
  const uniform = `struct Sizes { ${fields} }
@group(0) @binding(${buffers.length}) var<uniform> sizes: Sizes;`;
  return `${buffers.join('\n')}
${sizes.length === 0 ? '' : uniform}
${HIDDEN_WGSL}
${code}
@compute @workgroup_size(${invocations})
fn main(
  @builtin(local_invocation_index) lid: u32,
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
) {
  hiddenZero = id.z >> 16u;
  run(lid, id.x + count.x * (id.y + count.y * id.z));
}`;
}

/**
 * `f32 hidden(f32)` gives what it is given, which no compiler knows: they take sums of floats apart
 * as if these were real numbers. A workgroup's number is below 2^16.
 */
const HIDDEN_WGSL = `
var<private> hiddenZero: u32;
fn hidden(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) | hiddenZero); }`;

const reasons = new WeakMap<GPUDevice, Map<string, string | null>>();

/** Why a device cannot run the program of a spec; null where it can. It is built once for that. */
export function whyNoProgram<S extends Spec>(
  shader: Shader<S>,
  spec: S,
  device: GPUDevice,
): string | null {
  const known = reasons.get(device) ?? new Map<string, string | null>();
  reasons.set(device, known);
  const key = shaderKey(shader, spec);
  const found = known.get(key);
  if (found !== undefined) return found;
  const { reads, writes, invocations, workgroupBytes } = shader.build(spec);
  const storageBuffers = Object.keys(reads).length + Object.keys(writes).length;
  const reason = whyNotOn(limitsOf(device), { invocations, workgroupBytes, storageBuffers });
  known.set(key, reason);
  return reason;
}
