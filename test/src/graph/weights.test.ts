import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import {
  encodeWeight,
  weightBytes,
  weightOf,
  weightsFromData,
} from '../../../src/graph/weights.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { COMPLEX, dataOf, FILE_WEIGHTS } from '../../harness/graphs/oddArtifacts.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const DATA = dataOf(FILE_WEIGHTS);
const SPECS = FILE_WEIGHTS.map(({ spec }) => spec);

describeOnBackends('Weights in a file', (backend) => {
  for (const { spec, bytes } of FILE_WEIGHTS) {
    const { name, dtype, quantization } = spec;
    const kind = quantization === undefined ? '' : ` as ${quantization.dtype}`;
    it(`${name}, ${dtype}${kind}: every code decodes as tfjs has it and encodes to itself`, () => {
      expectNoLeak(() => {
        const weight = weightsFromData([spec], bytes.slice().buffer).get(name)!;
        expect(new Uint8Array(weight.bytes())).to.deep.equal(bytes);
        expect(weightBytes(weight)).to.equal(bytes.length);
        const values = weight.values();
        expect(new Uint8Array(encodeWeight(spec, values))).to.deep.equal(bytes);
        if (dtype === 'string') return;
        const decoded = tf.io.decodeWeights(bytes.slice().buffer, [spec])[name]!;
        expect(values).to.deep.equal(decoded.dataSync());
        decoded.dispose();
      });
    });
  }

  // tfjs has no complex64 on wasm, and cannot load such a file there
  if (backend !== 'wasm') {
    it('complex64 keeps its pairs', () => {
      expectNoLeak(() => {
        const weight = weightsFromData([COMPLEX.spec], COMPLEX.bytes.slice().buffer).get(
          'complex',
        )!;
        expect([...(weight.values() as Float32Array)]).to.deep.equal([
          1,
          -2,
          0.5,
          Math.fround(3e38),
        ]);
        expect(new Uint8Array(encodeWeight(COMPLEX.spec, weight.values()))).to.deep.equal(
          COMPLEX.bytes,
        );
      });
    });
  }
});

describe('Weights', () => {
  it('codes finer than float32 tells apart keep their values, if not their bytes', () => {
    const spec = {
      ...SPECS.find(({ name }) => name === 'codes16')!,
      quantization: { dtype: 'uint16', scale: 1e-8, min: 1000 } as const,
    };
    const bytes = FILE_WEIGHTS.find(({ spec: { name } }) => name === 'codes16')!.bytes;
    const values = weightsFromData([spec], bytes.slice().buffer).get('codes16')!.values();
    const again = weightsFromData([spec], encodeWeight(spec, values)).get('codes16')!.values();
    expect(again).to.deep.equal(values);
  });

  it('a value outside its codes’ range gets the nearest code', () => {
    const quantization = { dtype: 'uint8', scale: 0.5, min: -1 } as const;
    const spec = { name: 'w', shape: [4], dtype: 'float32', quantization } as const;
    const codes = encodeWeight(spec as never, Float32Array.of(-9, -1, 126.5, 1e9));
    expect([...new Uint8Array(codes)]).to.deep.equal([0, 0, 255, 255]);
  });

  it('a weight that a pass makes is encoded as its spec says', () => {
    const quantization = { dtype: 'float16' } as const;
    const spec = { name: 'w', shape: [2], dtype: 'float32' as const, quantization };
    const weight = weightOf(spec, Float32Array.of(1, -2));
    expect([...new Uint16Array(weight.bytes())]).to.deep.equal([0x3c00, 0xc000]);
    expect(weightBytes(weight)).to.equal(4);
  });

  it('data that end early get an error that names the weight, wherever they end', () => {
    let start = 0;
    for (const { spec, bytes } of FILE_WEIGHTS) {
      const end = start + bytes.length;
      for (const length of new Set([start, start + 1, start + 3, end - 1])) {
        if (length < start || length >= end) continue;
        const read = () => weightsFromData(SPECS, DATA.slice(0, length).buffer);
        const message = `the weight data ends inside "${spec.name}": ${length} bytes`;
        expect(read, `${length}`).to.throw(HadaNormError, message);
        expect(read).to.throw('The file is truncated; get it again.');
      }
      start = end;
    }
    for (const nothing of [undefined, [], new ArrayBuffer(0)]) {
      expect(() => weightsFromData(SPECS, nothing)).to.throw(HadaNormError, 'ends inside "plain"');
    }
  });

  it('a dtype that tfjs lacks gets a typed error that names the weight', () => {
    const spec = { name: 'w', shape: [1], dtype: 'float64' } as never;
    const message = 'weight "w" has the dtype "float64"';
    expect(() => weightsFromData([spec], new ArrayBuffer(8))).to.throw(HadaNormError, message);
    expect(() => encodeWeight(spec, Float32Array.of(1))).to.throw(HadaNormError, message);
  });
});
