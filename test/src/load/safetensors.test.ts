import { expect } from 'chai';
import { exactHalfBits, fromHalfBits } from '../../../ops/numerics/half.js';
import { HadaNormError, InvalidArgumentError } from '../../../src/index.js';
import { mergeShards, parseSafetensors } from '../../../src/load/safetensors.js';
import { bytesOf, safetensorsOf, withHeader } from '../../harness/models/safetensorsBytes.js';

const PAIR = bytesOf([1, 2], 4, 'setFloat32');
const EIGHT = new Uint8Array(8);

describe('parseSafetensors', () => {
  it('reads F32, F16 and BF16, wherever they lie', () => {
    const file = safetensorsOf({
      half: {
        dtype: 'F16',
        shape: [3],
        bytes: bytesOf([0x3c00, 0xc000, 0x0001], 2, 'setUint16'),
      },
      brain: { dtype: 'BF16', shape: [1, 1], bytes: bytesOf([0xc049], 2, 'setUint16') },
      pair: { dtype: 'F32', shape: [2], bytes: bytesOf([1.5, -3e38], 4, 'setFloat32') },
      scalar: { dtype: 'F32', shape: [], bytes: bytesOf([7], 4, 'setFloat32') },
      empty: { dtype: 'F32', shape: [0, 4], bytes: new Uint8Array(0) },
    });
    // an odd offset into a larger buffer, as a slice of a download has
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    for (const bytes of [file, shifted.subarray(3)]) {
      const tensors = parseSafetensors(bytes);
      expect([...tensors].map(([name, { shape }]) => [name, shape])).to.deep.equal([
        ['half', [3]],
        ['brain', [1, 1]],
        ['pair', [2]],
        ['scalar', []],
        ['empty', [0, 4]],
      ]);
      const values = [...tensors.values()].flatMap((tensor) => [...tensor.values]);
      const expected = [1, -2, 2 ** -24, -3.140625, 1.5, Math.fround(-3e38), 7];
      expect(values).to.deep.equal(expected);
    }
  });

  it('passes over __metadata__ and padding after the header', () => {
    const header = { __metadata__: { by: 'hand' }, x: entry([0, 8]) };
    const tensors = parseSafetensors(withHeader(`${JSON.stringify(header)}   `, PAIR));
    expect([...tensors.keys()]).to.deep.equal(['x']);
    expect([...tensors.get('x')!.values]).to.deep.equal([1, 2]);
  });

  it('reads the offsets, not the order of the header', () => {
    const tensors = parseSafetensors(
      withHeader(JSON.stringify({ b: entry([4, 8], [1]), a: entry([0, 4], [1]) }), PAIR),
    );
    expect(tensors.get('a')!.values[0]).to.equal(1);
    expect(tensors.get('b')!.values[0]).to.equal(2);
  });

  const whole = withHeader(JSON.stringify({ x: entry([0, 8]) }), PAIR);
  const broken: [string, Uint8Array, string][] = [
    ['no bytes', new Uint8Array(0), 'the file ends after 0 bytes, before its header.'],
    ['a cut header', whole.subarray(0, 20), 'the file ends within its header'],
    ['cut data', whole.subarray(0, whole.length - 1), 'the file ends after 7 of 8 bytes of data.'],
    ['too much data', Uint8Array.from([...whole, 0, 0]), '2 bytes follow the last tensor.'],
    ['a header of exabytes', new Uint8Array(16).fill(255), 'is too long'],
    ['a header that is not JSON', withHeader('{x', EIGHT), 'the header is not JSON'],
    [
      'a header that is not UTF-8',
      withHeader(Uint8Array.of(123, 255, 125), EIGHT),
      'the header is not JSON',
    ],
    ['a header that is a list', withHeader('[]', EIGHT), 'the header is not a JSON object.'],
  ];
  for (const [what, bytes, message] of broken) {
    it(`${what} gets a typed error`, () => {
      expect(() => parseSafetensors(bytes)).to.throw(HadaNormError, message);
    });
  }

  const invalid: [string, Record<string, unknown>, string][] = [
    ['overlapping tensors', { x: entry([0, 8]), y: entry([4, 12]) }, 'of y must be from 8'],
    ['two tensors at one place', { x: entry([0, 8]), y: entry([0, 8]) }, 'of y must be from 8'],
    ['a gap', { x: entry([0, 8]), y: entry([12, 20]) }, 'of y must be from 8'],
    ['a late start', { x: entry([8, 16]) }, 'of x must be from 0'],
    ['offsets that do not fit the shape', { x: entry([0, 8], [3]) }, 'must be 12 bytes apart'],
    ['offsets in the wrong order', { x: entry([8, 0]) }, 'must be 8 bytes apart'],
    ['a negative offset', { x: entry([-8, 0]) }, 'data_offsets of x must be two offsets'],
    ['one offset', { x: entry([8]) }, 'data_offsets of x must be two offsets, got [8]'],
    ['a shape of halves', { x: entry([0, 8], [0.5]) }, 'shape of x must be a list of sizes'],
    ['a huge shape', { x: entry([0, 8], [2 ** 52, 2 ** 52]) }, 'data_offsets of x must be'],
    [
      'a dtype that is not read',
      { x: { ...entry([0, 8]), dtype: 'I64' } },
      'dtype of x must be F16, BF16, F32, got "I64"',
    ],
    [
      'a dtype that objects have',
      { x: { ...entry([0, 8]), dtype: 'toString' } },
      'dtype of x must be',
    ],
    ['a tensor that is a number', { x: 3 }, 'dtype of x must be F16, BF16, F32, got none'],
  ];
  for (const [what, header, message] of invalid) {
    it(`${what}: a typed error that names the tensor`, () => {
      const bytes = withHeader(JSON.stringify(header), new Uint8Array(20));
      expect(() => parseSafetensors(bytes)).to.throw(InvalidArgumentError, message);
    });
  }
});

describe('parseSafetensors of headers that JSON.parse takes', () => {
  const text = (name: string, more = '') =>
    `{"${name}":{"dtype":"F32","shape":[2],"data_offsets":[0,8]${more}}`;
  const repeated: [string, string, string][] = [
    ['one tensor twice', `${text('x')},"x":{}}`, '"x"'],
    ['in two spellings', `${text('x')},"\\u0078":{}}`, '"x"'],
    ['spaces between', `${text('x')}, "x" \n:{} }`, '"x"'],
    ['a field twice', `${text('x', ',"shape":[2]')}}`, '"shape"'],
    ['metadata twice', `${text('x')},"__metadata__":{},"__metadata__":{}}`, '"__metadata__"'],
    ['a key of the metadata twice', `${text('x')},"__metadata__":{"a":"","a":""}}`, '"a"'],
    ['a quoted name twice', `${text('\\"')},"\\"":{}}`, '"\\""'],
  ];
  for (const [what, header, key] of repeated) {
    it(`${what} is refused`, () => {
      const bytes = withHeader(header, PAIR);
      expect(() => parseSafetensors(bytes)).to.throw(
        HadaNormError,
        `parseSafetensors: the header has ${key} twice.`,
      );
    });
  }

  it('one key in two objects, or a name that is a text elsewhere, is not', () => {
    const header = `${text('shape')},"__metadata__":{"shape":"shape","x":"\\"x\\":"}}`;
    expect([...parseSafetensors(withHeader(header, PAIR)).keys()]).to.deep.equal(['shape']);
  });

  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']) {
    it(`a tensor may be called ${JSON.stringify(name)}`, () => {
      const tensors = parseSafetensors(withHeader(`${text(name)}}`, PAIR));
      expect([...tensors].map(([key, { values }]) => [key, ...values])).to.deep.equal([
        [name, 1, 2],
      ]);
    });
  }

  for (const metadata of [null, 7, 'x', ['x'], { format: 1 }, { format: null }, { a: {} }]) {
    it(`metadata of ${JSON.stringify(metadata)} is refused`, () => {
      const header = JSON.stringify({ __metadata__: metadata, x: entry([0, 8]) });
      expect(() => parseSafetensors(withHeader(header, PAIR))).to.throw(
        InvalidArgumentError,
        '__metadata__ must be a map of strings',
      );
    });
  }

  it('an empty tensor whose other sizes cannot be counted is refused', () => {
    for (const shape of [
      [2 ** 52, 2 ** 52, 0],
      [0, 2 ** 52],
      [...Array<number>(40).fill(2 ** 52), 0],
    ]) {
      const bytes = withHeader(JSON.stringify({ x: entry([0, 0], shape) }), new Uint8Array(0));
      expect(() => parseSafetensors(bytes)).to.throw(
        InvalidArgumentError,
        'shape of x must be one whose product can be counted',
      );
    }
  });

  it('a byte order mark before the header is refused', () => {
    expect(() => parseSafetensors(withHeader(`\ufeff${text('x')}}`, PAIR))).to.throw(
      HadaNormError,
      'the header is not JSON',
    );
  });

  for (const wrong of [undefined, null, 7, 'file', [1], {}, new ArrayBuffer(16), PAIR.buffer]) {
    it(`what is no Uint8Array (${Object.prototype.toString.call(wrong)}) is refused`, () => {
      expect(() => parseSafetensors(wrong as Uint8Array)).to.throw(
        InvalidArgumentError,
        'parseSafetensors: bytes must be the whole file, a Uint8Array, got',
      );
    });
  }
});

describe('mergeShards', () => {
  const one = { shape: [1], values: Float32Array.of(1) };

  it('joins the tensors of all shards', () => {
    const merged = mergeShards([new Map([['a', one]]), new Map([['b', one]])]);
    expect([...merged.keys()]).to.deep.equal(['a', 'b']);
  });

  it('refuses a tensor that is in two shards', () => {
    const shards = [new Map([['a', one]]), new Map([['a', one]])];
    expect(() => mergeShards(shards)).to.throw(InvalidArgumentError, '"a" again in shard 1');
  });
});

describe('Half precision', () => {
  it('every half is a float and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromHalfBits(bits);
      if (Number.isNaN(value)) expect(bits & 0x7fff).to.be.above(0x7c00);
      else if (exactHalfBits(value) !== bits) expect.fail(`${bits}: ${value}`);
    }
  });

  it('a value that half precision would round has none', () => {
    for (const value of [0.1, 1e-6, 65536, 2 ** -25, 2049, Number.NaN]) {
      expect(exactHalfBits(value), `${value}`).to.equal(undefined);
    }
  });
});

function entry(data_offsets: readonly number[], shape: readonly number[] = [2]): object {
  return { dtype: 'F32', shape, data_offsets };
}
