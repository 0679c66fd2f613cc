import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { crc32 } from '../../../ops/numerics/packing.js';
import { decodeRecords, encodeRecords, type Numbers } from '../../../src/calibrate/serialize.js';
import {
  CalibrationStats,
  calibrate,
  HadaNormError,
  InvalidArgumentError,
} from '../../../src/index.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';

interface SavedMoments {
  samples: number;
  tokens: number;
  arrays: number[];
}

interface Saved {
  batches: number;
  keep: { means: number; samples: number; tokensPerSample: number };
  sites: {
    name: string;
    d: number;
    total: SavedMoments;
    scatter: number;
    timesteps: (SavedMoments & { time: number })[];
    kept: { hash: number; timestep: number; tokens: number; mean: number; rows: number }[];
  }[];
}

/** The header; its site that has all there is; the arrays. */
type Edit = (header: Saved, site: Saved['sites'][number], arrays: Numbers[]) => unknown;

const text = 'x' as unknown as number;
const nothing = null as unknown as number;

function shorten(arrays: Numbers[], index: number): void {
  arrays[index] = arrays[index]!.slice(0, 3);
}

/** What is wrong, what the error names. */
const LIES: readonly [string, Edit, RegExp][] = [
  ['no sites', (h) => Reflect.deleteProperty(h, 'sites'), /header.sites must be an array/],
  [
    'sites null',
    (h) => Object.assign(h, { sites: nothing as never }),
    /header.sites must be an array/,
  ],
  [
    'a site null',
    (h) => Object.assign(h.sites, { 0: nothing as never }),
    /sites\[0\] must be an object/,
  ],
  [
    'a site a list',
    (h) => Object.assign(h.sites, { 0: [] as never }),
    /sites\[0\] must be an object/,
  ],
  ['no name', (_, s) => Object.assign(s, { name: nothing as never }), /name must be a string/],
  [
    'two of one name',
    (h) => Object.assign(h.sites[1]!, { name: h.sites[0]!.name }),
    /no other site has/,
  ],
  ['no d', (_, s) => Reflect.deleteProperty(s, 'd'), /d must be an integer/],
  ['d doubled', (_, s) => Object.assign(s, { d: 2 * s.d }), /must be 32 numbers, got 16/],
  ['d of 0', (_, s) => Object.assign(s, { d: 0 }), /d must be an integer from 1/],
  ['d without bounds', (_, s) => Object.assign(s, { d: 2 ** 52 }), /d must be an integer from 1/],
  ['d a fraction', (_, s) => Object.assign(s, { d: 0.5 }), /d must be an integer/],
  ['d a string', (_, s) => Object.assign(s, { d: text }), /d must be an integer/],
  ['no keep', (h) => Reflect.deleteProperty(h, 'keep'), /header.keep must be an object/],
  [
    'keep null',
    (h) => Object.assign(h, { keep: nothing as never }),
    /header.keep must be an object/,
  ],
  ['keep of 0', (h) => Object.assign(h.keep, { means: 0 }), /keep.means must be an integer from 1/],
  ['keep a string', (h) => Object.assign(h.keep, { samples: text }), /keep.samples must be/],
  ['more samples than means', (h) => Object.assign(h.keep, { samples: 7 }), /keep.samples must be/],
  [
    'fewer means than kept',
    (h) => Object.assign(h, { keep: { ...h.keep, means: 3 } }),
    /at most 3 samples/,
  ],
  [
    'fewer samples than rows',
    (h) => Object.assign(h.keep, { samples: 1 }),
    /empty after 1 samples/,
  ],
  [
    'another count of tokens',
    (h) => Object.assign(h.keep, { tokensPerSample: 1 }),
    /must be 16 numbers, got/,
  ],
  [
    'batches a string',
    (h) => Object.assign(h, { batches: text }),
    /batches must be an integer ≥ 0/,
  ],
  ['batches below 0', (h) => Object.assign(h, { batches: -1 }), /batches must be an integer ≥ 0/],
  [
    'tokens below 0',
    (_, s) => Object.assign(s.total, { tokens: -5 }),
    /tokens must be an integer ≥ 0/,
  ],
  [
    'tokens a string',
    (_, s) => Object.assign(s.total, { tokens: text }),
    /tokens must be an integer ≥ 0/,
  ],
  [
    'fewer tokens than samples',
    (_, s) => Object.assign(s.total, { tokens: 1 }),
    /tokens must be an integer ≥/,
  ],
  [
    'no samples',
    (_, s) => Object.assign(s.total, { samples: 0 }),
    /tokens must be an integer from 0 to 0/,
  ],
  [
    'fewer samples than kept',
    (_, s) => Object.assign(s.total, { samples: 3 }),
    /at most 3 samples|at most 3/,
  ],
  [
    'an array out of range',
    (_, s) => Object.assign(s.total.arrays, { 0: 9999 }),
    /below \d+, the count/,
  ],
  [
    'an array of a fraction',
    (_, s) => Object.assign(s.total.arrays, { 0: 0.5 }),
    /integer ≥ 0, got 0.5/,
  ],
  ['an array below 0', (_, s) => Object.assign(s.total.arrays, { 0: -1 }), /integer ≥ 0, got -1/],
  ['an array that is no number', (_, s) => Object.assign(s.total.arrays, { 0: text }), /got "x"/],
  ['too few arrays', (_, s) => s.total.arrays.pop(), /arrays must be an array of 4/],
  [
    'one array twice',
    (_, s) => Object.assign(s.total.arrays, { 1: s.total.arrays[0]! }),
    /nothing else is/,
  ],
  ['scatter out of range', (_, s) => Object.assign(s, { scatter: 9999 }), /scatter must be below/],
  [
    'scatter is another',
    (_, s) => Object.assign(s, { scatter: s.total.arrays[0]! }),
    /nothing else is/,
  ],
  ['no scatter', (_, s) => Object.assign(s, { scatter: nothing }), /the arrays must be \d+/],
  ['scatter short', (_, s, a) => shorten(a, s.scatter), /scatter must be 136 numbers, got 3/],
  ['scatter below 0', (_, s, a) => a[s.scatter]!.fill(-1), /scatter\[0\] must be at least 0/],
  ['sum short', (_, s, a) => shorten(a, s.total.arrays[0]!), /sum must be 16 numbers, got 3/],
  ['sum too large', (_, s, a) => a[s.total.arrays[0]!]!.fill(1e9), /sum\[0\] must be within/],
  ['within below 0', (_, s, a) => a[s.total.arrays[1]!]!.fill(-1), /within\[0\] must be/],
  ['between below 0', (_, s, a) => a[s.total.arrays[2]!]!.fill(-1), /between\[0\] must be/],
  ['absMax below 0', (_, s, a) => a[s.total.arrays[3]!]!.fill(-1), /absMax\[0\] must be/],
  ['absMax too small', (_, s, a) => a[s.total.arrays[3]!]!.fill(0), /as absMax has it/],
  ['moments of float32', (_, s, a) => toFloat32(a, s.total.arrays[0]!), /must be a Float64Array/],
  [
    'timesteps null',
    (_, s) => Object.assign(s, { timesteps: nothing as never }),
    /timesteps must be an array/,
  ],
  [
    'a time null',
    (_, s) => Object.assign(s.timesteps[0]!, { time: nothing }),
    /time must be a finite number/,
  ],
  [
    'one time twice',
    (_, s) => Object.assign(s.timesteps[1]!, { time: 0.25 }),
    /of different times/,
  ],
  ['times descending', (_, s) => Object.assign(s.timesteps[1]!, { time: 0 }), /in ascending order/],
  [
    'too much in a timestep',
    (_, s) => Object.assign(s.timesteps[1]!, { samples: 99 }),
    /must be an integer ≥/,
  ],
  ['kept null', (_, s) => Object.assign(s, { kept: nothing as never }), /kept must be an array/],
  [
    'kept tokens a string',
    (_, s) => Object.assign(s.kept[0]!, { tokens: text }),
    /tokens must be an integer/,
  ],
  [
    'kept tokens of 0',
    (_, s) => Object.assign(s.kept[0]!, { tokens: 0 }),
    /tokens must be an integer ≥ 1/,
  ],
  [
    'too many kept tokens',
    (_, s) => Object.assign(s.kept[3]!, { tokens: 999 }),
    /of at most 64 tokens/,
  ],
  ['a hash below 0', (_, s) => Object.assign(s.kept[0]!, { hash: -1 }), /hash must be an integer/],
  [
    'a hash of 2^32',
    (_, s) => Object.assign(s.kept[3]!, { hash: 2 ** 32 }),
    /hash must be an integer from 0/,
  ],
  [
    'hashes out of order',
    (_, s) => Object.assign(s.kept[3]!, { hash: 0 }),
    /hash must be at least/,
  ],
  [
    'a kept timestep a string',
    (_, s) => Object.assign(s.kept[0]!, { timestep: text }),
    /timestep must be/,
  ],
  ['kept rows short', (_, s, a) => shorten(a, s.kept[0]!.rows), /rows must be 32 numbers, got 3/],
  ['kept mean short', (_, s, a) => shorten(a, s.kept[0]!.mean), /mean must be 16 numbers, got 3/],
  ['kept NaN', (_, s, a) => a[s.kept[0]!.rows]!.fill(Number.NaN), /as absMax has it, got NaN/],
  ['kept mean out of reach', (_, s, a) => a[s.kept[0]!.mean]!.fill(1e9), /as absMax has it/],
];

/** Headers of another form, and what the error names. */
const ENVELOPES: readonly [string, RegExp][] = [
  ['null', /envelope must be an object/],
  ['[]', /envelope must be an object/],
  ['7', /envelope must be an object/],
  ['{"data":{}}', /envelope.arrays must be an array/],
  ['{"data":{},"arrays":null}', /envelope.arrays must be an array/],
  ['{"data":null,"arrays":[]}', /header must be an object/],
  ['{"arrays":[]}', /header must be an object/],
  ['{"data":{},"arrays":[null]}', /arrays\[0\] must be an object/],
  ['{"data":{},"arrays":[{"type":"f64","length":-1}]}', /length must be an integer ≥ 0/],
  ['{"data":{},"arrays":[{"type":"f64","length":0.5}]}', /length must be an integer ≥ 0/],
  ['{"data":{},"arrays":[{"type":"f64","length":"0"}]}', /length must be an integer ≥ 0/],
  ['{"data":{},"arrays":[{"length":0}]}', /type must be "f32" or "f64"/],
  ['{"data":{},"arrays":[{"type":"i8","length":0}]}', /type must be "f32" or "f64"/],
  ['{"data":{},"arrays":[{"type":"f32","length":9007199254740991}]}', /truncated or altered/],
  [
    '{"data":{},"arrays":[{"type":"f32","length":-2},{"type":"f32","length":2}]}',
    /length must be an integer ≥ 0/,
  ],
];

describe('Statistics with a right checksum and wrong contents', () => {
  let stats: CalibrationStats;
  let bytes: Uint8Array;

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    const batches = [tinyBatch(1, [0.25, 0.75]), tinyBatch(2, [0.25, 0.75])];
    stats = await calibrate(model, batches, {
      ...{ timestep: 'timestep', means: 6, samples: 3, tokensPerSample: 2, disposeBatches: true },
    });
    bytes = stats.serialize();
    model.dispose();
  });

  const edited = (edit: Edit): Uint8Array => {
    const { header, arrays } = decodeRecords(bytes);
    const saved = structuredClone(header) as Saved;
    const list = arrays.map((array) => array.slice() as Numbers);
    const site = saved.sites.find(({ scatter, kept }) => scatter !== null && kept.length === 4)!;
    edit(saved, site, list);
    return encodeRecords(saved, list);
  };

  it('are taken as they were where nothing is edited', () => {
    expect(CalibrationStats.deserialize(edited(() => {})).serialize()).to.deep.equal(bytes);
  });

  for (const [title, edit, message] of LIES) {
    it(`are refused: ${title}`, () => {
      expect(() => CalibrationStats.deserialize(edited(edit)))
        .to.throw(InvalidArgumentError, message)
        .with.property('message')
        .that.matches(
          /^CalibrationStats\.deserialize: .*Get the file again, or calibrate again\.$/,
        );
    });
  }

  for (const [header, message] of ENVELOPES) {
    it(`are refused: ${header}`, () => {
      expect(() => CalibrationStats.deserialize(sealed(header))).to.throw(HadaNormError, message);
    });
  }

  it('are refused: a length of the header that lies', () => {
    const length = new DataView(bytes.buffer).getUint32(8, true);
    for (const lie of [0, 1, length - 8, length - 1, length + 1, length + 8, 0xfffffff0]) {
      const altered = bytes.slice();
      new DataView(altered.buffer).setUint32(8, lie, true);
      expect(() => CalibrationStats.deserialize(altered), `${lie}`).to.throw(
        HadaNormError,
        /truncated or altered/,
      );
    }
  });

  it('are refused where the constructor is given them, too', () => {
    const { batches, sites, keep } = stats;
    const made = (...given: unknown[]) => Reflect.construct(CalibrationStats, given);
    expect(made(batches, sites, { ...keep, more: 1 }).serialize()).to.deep.equal(bytes);
    const [name, site] = [...sites][0]!;
    for (const wrong of [
      [-1, sites, keep],
      [batches, {}, keep],
      [batches, sites, null],
      [batches, new Map([[1, site]]), keep],
      [batches, new Map([[name, null]]), keep],
      [batches, new Map([[name, { ...site, timesteps: {} }]]), keep],
      [batches, new Map([[name, { ...site, kept: null }]]), keep],
      [batches, new Map([[name, { ...site, kept: [null] }]]), keep],
      [batches, new Map([[name, { ...site, total: undefined }]]), keep],
      [batches, new Map([[name, { ...site, scatter: [1] }]]), keep],
      [],
    ]) {
      expect(() => made(...wrong)).to.throw(InvalidArgumentError, /^CalibrationStats: /);
    }
  });
});

function toFloat32(arrays: Numbers[], index: number): void {
  arrays[index] = Float32Array.from(arrays[index]!);
}

/** A file of a header alone, its checksum right. */
function sealed(header: string): Uint8Array {
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  const out = new Uint8Array(16 + text.length);
  out.set(text, 16);
  const view = new DataView(out.buffer);
  view.setUint32(0, 0x54534e48, true);
  view.setUint32(4, 1, true);
  view.setUint32(8, text.length, true);
  view.setInt32(12, crc32(out.subarray(16)), true);
  return out;
}
