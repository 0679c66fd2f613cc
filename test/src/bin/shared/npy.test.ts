import { expect } from 'chai';
import { npyBytes, parseNpy } from '../../../../src/bin/shared/npy.js';
import { InvalidArgumentError } from '../../../../src/index.js';

/** A file of NumPy as its documentation has it, of any dtype. */
function file(descr: string, shape: string, values: Uint8Array, order = 'False'): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }\n`;
  const mark = [0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8];
  return Uint8Array.from([...mark, ...Buffer.from(header), ...values]);
}

describe('.npy files', () => {
  it('are read as they were written, in any number of axes', () => {
    for (const shape of [[], [3], [2, 3], [1, 2, 0]]) {
      const size = shape.reduce((product, dim) => product * dim, 1);
      const values = Float32Array.from({ length: size }, (_, i) => i - 1.5);
      const bytes = npyBytes(values, shape);
      expect((bytes.length - 4 * size) % 64).to.equal(0);
      expect(parseNpy(bytes, 'x')).to.deep.equal({ shape, values });
    }
  });

  it('of integers, booleans and float64 too', () => {
    const bytes = (values: ArrayBufferView) => new Uint8Array(values.buffer as ArrayBuffer);
    const cases: readonly [string, Uint8Array, number[]][] = [
      ['<f8', bytes(Float64Array.of(1.5, -2)), [1.5, -2]],
      ['<i4', bytes(Int32Array.of(7, -8)), [7, -8]],
      ['<i8', bytes(BigInt64Array.of(7n, -8n)), [7, -8]],
      ['|i1', bytes(Int8Array.of(7, -8)), [7, -8]],
      ['|u1', Uint8Array.of(7, 200), [7, 200]],
      ['|b1', Uint8Array.of(0, 1), [0, 1]],
    ];
    for (const [descr, values, expected] of cases) {
      expect([...parseNpy(file(descr, '2,', values), 'x').values], descr).to.deep.equal(expected);
    }
  });

  it('that are none, cut off, in another order or of another dtype are refused', () => {
    const good = npyBytes(Float32Array.of(1, 2), [2]);
    const huge = new Uint8Array(BigInt64Array.of(2n ** 32n + 1n).buffer);
    // more than a call takes arguments
    const longHeader = new Uint8Array(12 + 2 ** 20).fill(32);
    longHeader.set([0x93, ...Buffer.from('NUMPY'), 2, 0, 0, 0, 16, 0]);
    const cases: readonly [Uint8Array, RegExp][] = [
      [new Uint8Array(3), /x must be a file of NumPy/],
      [good.subarray(0, 40), /ends within its header/],
      [good.subarray(0, good.length - 1), /with 8 bytes of values, got 7/],
      [file('<f4', '1,', new Uint8Array(4), 'True'), /in C's order/],
      [longHeader, /of dtype .*, got none/],
      [file('<i8', '1,', huge), /of integers of 32 bits, got 4294967297/],
      [file('<c8', '1,', new Uint8Array(8)), /of dtype .*, got <c8/],
    ];
    for (const [bytes, message] of cases) {
      expect(() => parseNpy(bytes, 'x')).to.throw(InvalidArgumentError, message);
    }
  });
});
