import { expect } from 'chai';
import { foldGroups, whyNotOn } from '../../../ops/webgpu/limits.js';
import { type Shader, shaderKey, sourceOf } from '../../../ops/webgpu/shader.js';
import { UnsupportedDeviceError } from '../../../src/index.js';

type Spec = { readonly width: number; readonly signed: boolean; readonly name: string };
const SHADER: Shader<Spec> = {
  name: 'test',
  build: ({ width, signed, name }) => ({
    reads: { x: 'f32' },
    writes: { y: signed ? 'i32' : 'u32' },
    sizes: ['rows'],
    invocations: width,
    workgroupBytes: 0,
    code: `// ${name}\nfn run(lid: u32, group: u32) {}`,
  }),
};
const SPEC: Spec = { width: 64, signed: true, name: 'a' };

/** A device's limits as far as they are looked at. */
const LIMITS = {
  maxComputeWorkgroupsPerDimension: 100,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBuffersPerShaderStage: 8,
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
};

describe('Programs for WebGPU', () => {
  it('every value of a spec is in the key, and equal specs have equal keys', () => {
    const key = shaderKey(SHADER, SPEC);
    expect(shaderKey(SHADER, { ...SPEC })).to.equal(key);
    for (const other of [{ width: 32 }, { signed: false }, { name: 'b' }]) {
      const spec = { ...SPEC, ...other };
      expect(shaderKey(SHADER, spec), JSON.stringify(other)).not.to.equal(key);
      expect(sourceOf(SHADER.build(spec))).not.to.equal(sourceOf(SHADER.build(SPEC)));
    }
    expect(shaderKey({ ...SHADER, name: 'other' }, SPEC)).not.to.equal(key);
  });

  it('buffers are bound in the order of writes, reads and sizes', () => {
    const bindings = sourceOf(SHADER.build(SPEC)).match(/@binding\(\d\) var<[\w, ]+> \w+/g);
    expect(bindings).to.deep.equal([
      '@binding(0) var<storage, read_write> y',
      '@binding(1) var<storage, read> x',
      '@binding(2) var<uniform> sizes',
    ]);
  });

  it('workgroups fold into as many dimensions as they need, and no further', () => {
    expect(foldGroups('op', 100, LIMITS)).to.deep.equal([100, 1, 1]);
    for (const count of [101, 9999, 10_000, 10_001, 1_000_000]) {
      const folded = foldGroups('op', count, LIMITS);
      expect(folded[0] * folded[1] * folded[2], `${count}`).to.be.at.least(count);
      for (const length of folded) expect(length).to.be.at.most(100);
    }
    expect(() => foldGroups('op', 1_000_001, LIMITS)).to.throw(
      UnsupportedDeviceError,
      'op: the device must have room for 1000001 workgroups',
    );
  });

  it('what a program asks for beyond a limit is said', () => {
    const demands = { invocations: 256, workgroupBytes: 16384, storageBuffers: 8 };
    expect(whyNotOn(LIMITS, demands)).to.equal(null);
    expect(whyNotOn(LIMITS, { ...demands, invocations: 257 })).to.equal(
      'workgroups of at most 256 invocations, not 257',
    );
    expect(whyNotOn(LIMITS, { ...demands, workgroupBytes: 16388 })).to.equal(
      '16384 bytes for a workgroup, not 16388',
    );
    expect(whyNotOn(LIMITS, { ...demands, storageBuffers: 9 })).to.equal(
      '8 storage buffers a program, not 9',
    );
  });
});
