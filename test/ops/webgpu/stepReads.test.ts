import type { DataType } from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { UnsupportedDeviceError } from '../../../ops/numerics/errors.js';
import { checkStepReads } from '../../../ops/webgpu/stepReads.js';

/** A backend whose memory is an array, which `misread` may change on its way. */
class Reader {
  reads = 0;
  readonly kept = new Map<object, { values?: unknown }>();
  private readonly onGpu = new Map<object, Int32Array>();

  constructor(private readonly misread: (values: Int32Array) => Int32Array) {}

  get tensorMap() {
    return { get: (dataId: object) => this.kept.get(dataId)! };
  }

  makeTensorInfo(shape: number[], dtype: DataType, values: Int32Array) {
    const dataId = {};
    this.kept.set(dataId, { values });
    return { dataId, shape, dtype };
  }

  uploadToGPU(dataId: object): void {
    this.onGpu.set(dataId, this.kept.get(dataId)!.values as Int32Array);
    this.kept.get(dataId)!.values = null;
  }

  readSync(dataId: object): unknown {
    this.reads++;
    return this.kept.get(dataId)!.values ?? this.misread(this.onGpu.get(dataId)!);
  }

  disposeData(dataId: object): boolean {
    return this.kept.delete(dataId) && this.onGpu.delete(dataId);
  }
}

const NUMBERS = Int32Array.of(1, 2, 3);

describe('Reading WebGPU in step', () => {
  it('goes on where the browser gives what is there; it is asked once', () => {
    const backend = new Reader((values) => values.slice());
    checkStepReads(backend);
    const { dataId } = backend.makeTensorInfo([3], 'int32', NUMBERS);
    backend.uploadToGPU(dataId);
    for (let i = 0; i < 3; i++) expect(backend.readSync(dataId)).to.deep.equal(NUMBERS);
    expect(backend.reads).to.equal(4);
    expect(backend.kept.size).to.equal(1);
  });

  const wrong: Record<string, (values: Int32Array) => Int32Array> = {
    zeros: (values) => new Int32Array(values.length),
    'the byte of alpha is lost': (values) => values.map((value) => value | 0xff000000),
    'one byte is rounded': (values) => values.map((value, i) => (i === 700 ? value ^ 1 : value)),
  };
  for (const [what, misread] of Object.entries(wrong)) {
    it(`is an error with a way out where it is not: ${what}`, () => {
      const backend = new Reader(misread);
      checkStepReads(backend);
      const { dataId } = backend.makeTensorInfo([3], 'int32', NUMBERS);
      // in the page's memory
      expect(backend.readSync(dataId)).to.equal(NUMBERS);
      backend.uploadToGPU(dataId);
      for (let i = 0; i < 2; i++) {
        expect(() => backend.readSync(dataId)).to.throw(UnsupportedDeviceError, 'fuseGraphAsync');
      }
    });
  }
});
