import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { crc32 } from '../../../ops/numerics/packing.js';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import {
  describeGraph,
  HadaNormError,
  loadQuantized,
  ModelFormatError,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { tinyArtifacts, tinyBatch, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';
import { savedBy } from '../../harness/run/savedBy.js';

type Json = Record<string, unknown>;

/** What a file holds, free to be edited. */
interface Saved {
  modelTopology: { node: Json[] };
  weightSpecs: Json[];
  weightData: unknown;
  signature: { inputs: Json; outputs: Json };
  userDefinedMetadata: { hadanorm: Json };
}

type Edit = (saved: Saved, node: Json & { attr: Json }) => unknown;

const put = (place: object, fields: object) => Object.assign(place, fields);

/** Edits of a file whose checksums are made right again, and what the error names. */
const EDITS: readonly [string, Edit, RegExp][] = [
  ['no nodes', (s) => put(s.modelTopology, { node: null }), /must be a graph with nodes/],
  ['a node null', (s) => put(s.modelTopology.node, { 3: null }), /node 3 must be an object/],
  ['a node a string', (s) => put(s.modelTopology.node, { 3: 'x' }), /node 3 must be an object/],
  ['a node without a name', (_, n) => put(n, { name: null }), /name must be a string/],
  ['a node without an op', (_, n) => put(n, { op: 7 }), /op must be a string/],
  [
    'a node called __proto__',
    (_, n) => put(n, { name: '__proto__' }),
    /"__proto__", which tfjs cannot/,
  ],
  [
    'inputs that are no list',
    (_, n) => put(n, { input: 'x' }),
    /input of node .* must be an array/,
  ],
  ['an input that is no name', (_, n) => put(n, { input: [3] }), /must be a string, got 3/],
  [
    'an input that is not there',
    (_, n) => put(n, { input: ['gone'] }),
    /"gone" of node .* does not/,
  ],
  ['a node that waits for itself', (_, n) => put(n, { input: [n.name] }), /waits for itself/],
  ['attributes that are none', (_, n) => put(n, { attr: [] }), /attr of node .* must be an object/],
  [
    'an attribute null',
    (_, n) => put(n.attr, { x: null }),
    /attribute "x" of .* must be an object/,
  ],
  ['a number that is none', (_, n) => put(n.attr, { x: { i: 'y' } }), /i of .* must be a number/],
  ['a number an object', (_, n) => put(n.attr, { x: { f: {} } }), /f of .* must be a number/],
  ['a bool a string', (_, n) => put(n.attr, { x: { b: 'y' } }), /b of .* must be true or false/],
  ['a text in no base64', (_, n) => put(n.attr, { x: { s: '%' } }), /s of .* must be base64/],
  ['a text of halves', (_, n) => put(n.attr, { x: { s: [0.5] } }), /s of .* must be base64 or/],
  ['a text of 256', (_, n) => put(n.attr, { x: { s: [256] } }), /s of .* must be base64 or bytes/],
  [
    'a list that is none',
    (_, n) => put(n.attr, { x: { list: 3 } }),
    /list of .* must be an object/,
  ],
  [
    'numbers no list',
    (_, n) => put(n.attr, { x: { list: { i: 3 } } }),
    /list of .* must be an arr/,
  ],
  ['numbers null', (_, n) => put(n.attr, { x: { list: { f: [null] } } }), /\[0\] must be a number/],
  ['a type an object', (_, n) => put(n.attr, { x: { type: {} } }), /type of .* must be an integer/],
  ['a shape a list', (_, n) => put(n.attr, { x: { shape: [1] } }), /shape of .* must be an object/],
  ['dims no list', (_, n) => put(n.attr, { x: { shape: { dim: 3 } } }), /dim must be an array/],
  [
    'a dim null',
    (_, n) => put(n.attr, { x: { shape: { dim: [null] } } }),
    /must be an object, got/,
  ],
  ['a size a list', (_, n) => put(n.attr, { x: { shape: { dim: [{ size: [] }] } } }), /a number/],
  ['two nodes of one name', (s, n) => s.modelTopology.node.push(n), /there are two nodes named/],
  ['a signature a string', (s) => put(s, { signature: 'x' }), /signature must be an object/],
  ['inputs a list', (s) => put(s.signature, { inputs: [1] }), /signature.inputs must be an object/],
  ['an output null', (s) => put(s.signature.outputs, { x: null }), /outputs\["x"\] must be an obj/],
  ['an output 3', (s) => put(s.signature.outputs, { x: { name: 3 } }), /name must be a string/],
  ['specs no list', (s) => put(s, { weightSpecs: {} }), /weightSpecs must be an array/],
  ['a spec null', (s) => put(s.weightSpecs, { 0: null }), /weightSpecs\[0\] must be an object/],
  ['no name', (s) => put(s.weightSpecs[0]!, { name: null }), /\[0\].name must be a string/],
  [
    '__proto__',
    (s) => put(s.weightSpecs[0]!, { name: '__proto__' }),
    /"__proto__", which tfjs cannot/,
  ],
  ['a shape null', (s) => put(s.weightSpecs[0]!, { shape: null }), /shape must be an array/],
  [
    'a size below 0',
    (s) => put(s.weightSpecs[0]!, { shape: [-1] }),
    /shape\[0\] must be an integer/,
  ],
  ['half a size', (s) => put(s.weightSpecs[0]!, { shape: [0.5] }), /shape\[0\] must be an integer/],
  [
    'a size a text',
    (s) => put(s.weightSpecs[0]!, { shape: ['8'] }),
    /shape\[0\] must be an integer/,
  ],
  ['beyond counting', (s) => put(s.weightSpecs[0]!, { shape: [2 ** 40, 2 ** 40] }), /be counted/],
  ['0 beyond counting', (s) => put(s.weightSpecs[0]!, { shape: [0, 2 ** 52] }), /can be counted/],
  ['no dtype', (s) => put(s.weightSpecs[0]!, { dtype: null }), /has the dtype null/],
  ['dtype toString', (s) => put(s.weightSpecs[0]!, { dtype: 'toString' }), /dtype "toString"/],
  [
    'stored null',
    (s) => put(s.weightSpecs[0]!, { quantization: null }),
    /must be an object, got null/,
  ],
  ['stored as x', (s) => put(s.weightSpecs[0]!, { quantization: { dtype: 'x' } }), /dtype must be/],
  [
    'a scale a text',
    (s) => put(s.weightSpecs[0]!, { quantization: { dtype: 'uint8', scale: '1', min: 0 } }),
    /scale must be a finite number/,
  ],
  ['one weight twice', (s) => s.weightSpecs.push({ ...s.weightSpecs[0] }), /there are two weights/],
  ['one weight less', (s) => s.weightSpecs.pop(), /lists \d+ weights, \d+ were saved/],
  ['specs in another order', (s) => s.weightSpecs.reverse(), /altered|truncated|bytes of weights/],
  ['data that are text', (s) => put(s, { weightData: 'x' }), /weightData must be an ArrayBuffer/],
  ['data that are numbers', (s) => put(s, { weightData: [1, 2] }), /weightData must be an ArrayB/],
  ['no data', (s) => put(s, { weightData: undefined }), /ends inside/],
  ['null data', (s) => put(s, { weightData: null }), /ends inside/],
];

/** Metadata that say something else, checksums of the graph left alone. */
const METADATA: readonly [string, Json, RegExp][] = [
  ['a checksum a text', { topology: 'x' }, /hadanorm.topology must be an integer/],
  ['a checksum a fraction', { topology: 0.5 }, /hadanorm.topology must be an integer/],
  ['a checksum null', { topology: null }, /hadanorm.topology must be an integer/],
  ['checksums a text', { weights: 'x' }, /hadanorm.weights must be an array/],
  ['checksums null', { weights: null }, /hadanorm.weights must be an array/],
  ['checksums of texts', { weights: ['x'] }, /weights\[0\] must be an integer/],
  ['checksums of null', { weights: [null] }, /weights\[0\] must be an integer/],
  ['a version a text', { version: '2' }, /not saved by saveQuantized/],
];

describe('A packed model with right checksums and wrong contents', () => {
  let artifacts: tf.io.ModelArtifacts;

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    const { model: small } = rewriteGraph(model, { method: 'hadamard', compare: false });
    artifacts = await savedBy((handler) => saveQuantized(small, handler));
    for (const one of [model, small]) one.dispose();
  });

  const edited = (edit: Edit): tf.io.ModelArtifacts => {
    const saved = structuredClone(artifacts) as unknown as Saved;
    const node = saved.modelTopology.node.find(({ op }) => op === 'QuantizedMatMul')!;
    edit(saved, node as Json & { attr: Json });
    return resealed(saved as unknown as tf.io.ModelArtifacts);
  };

  it('is loaded where nothing is edited', async () => {
    const model = await loadQuantized(tf.io.fromMemory(edited(() => {})));
    expect(velocityOf(model, tinyBatch(1)).every(Number.isFinite)).to.equal(true);
    model.dispose();
  });

  for (const [what, edit, message] of EDITS) {
    it(`${what}: is refused, before a tensor is made`, async () => {
      const broken = edited(edit);
      await expectNoLeakAsync(async () => {
        const error = await rejection(loadQuantized({ load: async () => broken }));
        expect(error).to.be.instanceOf(ModelFormatError);
        expect(error.message)
          .to.match(/^loadQuantized: /)
          .and.match(message);
      });
    });
  }

  for (const [what, metadata, message] of METADATA) {
    it(`${what}: is refused, and named`, async () => {
      const broken = edited(({ userDefinedMetadata }) =>
        put(userDefinedMetadata.hadanorm, metadata),
      );
      put(broken.userDefinedMetadata!, {
        hadanorm: { ...(broken.userDefinedMetadata!.hadanorm as Json), ...metadata },
      });
      const error = await rejection(loadQuantized(tf.io.fromMemory(broken)));
      expect(error).to.be.instanceOf(ModelFormatError);
      expect(error.message)
        .to.match(/^loadQuantized: /)
        .and.match(message);
    });
  }

  it('a graph that is no JSON is refused', async () => {
    const loop: Json = {};
    loop.loop = loop;
    for (const value of [loop, 7n]) {
      const broken = { ...artifacts, signature: { inputs: { x: value } } } as never;
      const error = await rejection(loadQuantized({ load: async () => broken }));
      expect(error).to.be.instanceOf(ModelFormatError);
    }
  });
});

describe('Names that objects have, which tfjs cannot run', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    it(`a model with ${name} gets a typed error that names it`, async () => {
      const artifacts = renamed(name);
      const problem = `the model has a node or weight named "${name}", which tfjs cannot run`;
      const message = `${problem}. Rename`;
      expect(() => graphFromArtifacts(artifacts)).to.throw(HadaNormError, message);
      await tf.setBackend('cpu');
      const model = new tf.GraphModel(tf.io.fromMemory(artifacts));
      await model.load();
      for (const run of [() => describeGraph(model), () => rewriteGraph(model)]) {
        expect(run).to.throw(HadaNormError, message);
      }
      model.dispose();
    });
  }
});

/** A tiny model whose first weight has another name. */
function renamed(name: string): tf.io.ModelArtifacts {
  const artifacts = tinyArtifacts({ hiddenSize: 16 });
  const former = artifacts.weightSpecs!.find(({ dtype }) => dtype === 'float32')!.name;
  const { node } = artifacts.modelTopology as { node: { name: string; input?: string[] }[] };
  const now = (text: string) => (text === former ? name : text);
  return {
    ...artifacts,
    weightSpecs: artifacts.weightSpecs!.map((spec) => ({ ...spec, name: now(spec.name) })),
    modelTopology: {
      ...artifacts.modelTopology,
      node: node.map((def) => ({
        ...def,
        name: now(def.name),
        ...(def.input === undefined ? {} : { input: def.input.map(now) }),
      })),
    },
  };
}

/** With the checksum of the graph right; those of the weights' data are. */
function resealed(saved: tf.io.ModelArtifacts): tf.io.ModelArtifacts {
  const { modelTopology, weightSpecs, signature } = saved;
  const { modelInitializer, initializerSignature } = saved;
  const parts = [modelTopology, weightSpecs, signature, modelInitializer, initializerSignature];
  const topology = crc32(new TextEncoder().encode(JSON.stringify(parts)));
  put(saved.userDefinedMetadata!.hadanorm as Json, { topology });
  return saved;
}
