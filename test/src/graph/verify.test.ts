import { expect } from 'chai';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import {
  attr,
  boolAttr,
  dtypeAttr,
  numberAttr,
  numbersAttr,
  shapeAttr,
  stringAttr,
  stringsAttr,
} from '../../../src/graph/attrs.js';
import {
  canonical,
  type Graph,
  type GraphNode,
  makeNode,
  nodeOf,
  outputIndexOf,
} from '../../../src/graph/ir.js';
import { graphText } from '../../../src/graph/text.js';
import { topologicalOrder, verifyGraph } from '../../../src/graph/verify.js';
import { weightOf } from '../../../src/graph/weights.js';

describe('verifyGraph', () => {
  const x = makeNode('Placeholder', 'x', []);
  const y = makeNode('Relu', 'y', ['x']);
  const right = graph([x, y], ['y']);

  it('has nothing against a graph that is right', () => {
    verifyGraph(right, 'pass');
    verifyGraph(graph([], []), 'pass');
  });

  const weight = weightOf({ name: 'w', shape: [1], dtype: 'float32' }, new Float32Array(1));
  const broken: [string, Graph, string][] = [
    [
      'a node filed under another name',
      { ...right, nodes: new Map([...right.nodes, ['z', y]]) },
      'node "y" is filed under "z"',
    ],
    [
      'an input that is missing',
      graph([x, makeNode('Add', 'z', ['x', 'gone:1'])], ['z']),
      'input "gone:1" of node "z" (Add) does not exist',
    ],
    [
      'a control input that is missing',
      graph([x, makeNode('Relu', 'z', ['x'], {}, ['gone'])], ['z']),
      'input "gone" of node "z" (Relu) does not exist',
    ],
    [
      'an op without what it reads',
      graph([x, makeNode('Mul', 'z', ['x'])], ['z']),
      'node "z" (Mul) has 1 of the 2 inputs that it needs',
    ],
    [
      'an op of the package without what it reads',
      graph([x, makeNode('ScaledDotProductAttention', 'z', ['x'])], ['z']),
      'node "z" (ScaledDotProductAttention) has 1 of the 3 inputs that it needs',
    ],
    ['an output that is missing', graph([x, y], ['z']), 'output "z" does not exist'],
    [
      'a model’s input that is missing',
      { ...right, inputs: ['x', 'gone'] },
      'input "gone" of the model does not exist',
    ],
    [
      'a weight filed under another name',
      { ...right, weights: new Map([['v', weight]]) },
      'weight "w" is filed under "v"',
    ],
    [
      'a node that reads itself',
      graph([makeNode('Relu', 'z', ['z'])], ['z']),
      'node "z" waits for itself',
    ],
    [
      'a cycle of three',
      graph(
        [makeNode('Relu', 'a', ['c']), makeNode('Relu', 'b', ['a']), makeNode('Relu', 'c', ['b'])],
        [],
      ),
      'waits for itself',
    ],
    [
      'a cycle by a control input',
      graph([makeNode('Relu', 'a', [], {}, ['b']), makeNode('Relu', 'b', ['a'])], []),
      'waits for itself',
    ],
    [
      'a cycle past a loop',
      graph(
        [
          makeNode('Merge', 'merge', ['next', 'a']),
          makeNode('NextIteration', 'next', ['merge']),
          makeNode('Relu', 'a', ['merge']),
        ],
        [],
      ),
      'waits for itself',
    ],
  ];
  for (const [what, given, problem] of broken) {
    it(`finds ${what}`, () => {
      expect(() => verifyGraph(given, 'somePass'))
        .to.throw(HadaNormError, `somePass: the graph is not valid: `)
        .with.property('message')
        .that.contains(problem);
    });
  }

  it('a loop through NextIteration is no cycle', () => {
    const loop = [
      makeNode('Enter', 'enter', ['x']),
      makeNode('Merge', 'merge', ['enter', 'next']),
      makeNode('Switch', 'switch', ['merge', 'x']),
      makeNode('Relu', 'body', ['switch:1']),
      makeNode('NextIteration', 'next', ['body']),
      makeNode('Exit', 'exit', ['switch']),
    ];
    const given = graph([x, ...loop], ['exit']);
    verifyGraph(given, 'pass');
    expect(topologicalOrder(given)).to.have.lengthOf(7);
  });

  it('nodes come after what they wait for, deeper than any call stack', () => {
    const depth = 50_000;
    const chain = Array.from({ length: depth }, (_, i) =>
      makeNode('Relu', `n${i}`, [i + 1 < depth ? `n${i + 1}` : 'x'], {}, i > 0 ? ['x'] : []),
    );
    const given = graph([...chain, x], ['n0']);
    verifyGraph(given, 'pass');
    const order = new Map(topologicalOrder(given).map(({ name }, i) => [name, i]));
    expect(order.size).to.equal(depth + 1);
    for (const node of given.nodes.values()) {
      for (const input of [...node.inputs.map(nodeOf), ...node.controls]) {
        if (order.get(input)! >= order.get(node.name)!) expect.fail(`${node.name} before ${input}`);
      }
    }
  });
});

describe('Names in a graph', () => {
  for (const [ref, node, output, spelling] of [
    ['a', 'a', 0, 'a'],
    ['a:0', 'a', 0, 'a'],
    ['a:12', 'a', 12, 'a:12'],
    ['^a', 'a', 0, 'a'],
    ['scope/a_1:2', 'scope/a_1', 2, 'scope/a_1:2'],
  ] as const) {
    it(`${ref} is output ${output} of ${node}`, () => {
      expect([nodeOf(ref), outputIndexOf(ref), canonical(ref)]).to.deep.equal([
        node,
        output,
        spelling,
      ]);
    });
  }

  it('a node that a pass makes lists its control inputs last, as NodeDefs do', () => {
    const made = makeNode('Add', 'sum', ['a', 'b:1'], { T: attr.type('float32') }, ['c', 'd']);
    expect(made.def).to.deep.equal({
      name: 'sum',
      op: 'Add',
      input: ['a', 'b:1', '^c', '^d'],
      attr: { T: { type: 'DT_FLOAT' } },
    });
    expect([made.inputs, made.controls]).to.deep.equal([
      ['a', 'b:1'],
      ['c', 'd'],
    ]);
  });
});

describe('Attributes', () => {
  it('strings are read as base64 and as bytes, alone and in lists', () => {
    expect(stringAttr({ a: { s: 'TkhXQw==' } }, 'a')).to.equal('NHWC');
    expect(stringAttr({ a: { s: [78, 72, 87, 67] } }, 'a')).to.equal('NHWC');
    expect(stringAttr({ a: { s: Uint8Array.of(78, 72) } }, 'a')).to.equal('NH');
    expect(stringsAttr({ a: { list: { s: ['Qg==', [66]] } } }, 'a')).to.deep.equal(['B', 'B']);
    expect(stringAttr({}, 'a', 'none')).to.equal('none');
    expect(stringsAttr({ a: { list: {} } }, 'a')).to.deep.equal([]);
  });

  it('a string that is neither gets a typed error', () => {
    expect(() => stringAttr({ a: { s: '%' } }, 'a')).to.throw(HadaNormError, 'is not base64: "%"');
    expect(() => stringAttr({ a: { s: 7 } }, 'a')).to.throw(HadaNormError, 'attribute holds 7');
  });

  it('integers are read as text and as numbers', () => {
    expect(numberAttr({ a: { i: '-7' } }, 'a', 1)).to.equal(-7);
    expect(numberAttr({ a: { i: 0 } }, 'a', 1)).to.equal(0);
    expect(numberAttr({ a: { f: 0.5 } }, 'a', 1)).to.equal(0.5);
    expect(numberAttr({}, 'a', 1)).to.equal(1);
    expect(numbersAttr({ a: { list: { i: ['1', 2] } } }, 'a')).to.deep.equal([1, 2]);
  });

  it('dtypes are read by name and by number, as tfjs reads them', () => {
    const pairs: [string, number, string][] = [
      ['DT_FLOAT', 1, 'float32'],
      ['DT_DOUBLE', 2, 'float32'],
      ['DT_INT32', 3, 'int32'],
      ['DT_UINT8', 4, 'int32'],
      ['DT_INT8', 6, 'int32'],
      ['DT_STRING', 7, 'string'],
      ['DT_COMPLEX64', 8, 'complex64'],
      ['DT_INT64', 9, 'int32'],
      ['DT_BOOL', 10, 'bool'],
      ['DT_HALF', 19, 'float32'],
    ];
    for (const [name, number, dtype] of pairs) {
      for (const type of [name, number]) expect(dtypeAttr({ T: { type } }, 'T')).to.equal(dtype);
    }
    expect(dtypeAttr({ T: { type: 'DT_RESOURCE' } }, 'T')).to.equal(null);
    expect(dtypeAttr({}, 'T')).to.equal(null);
  });

  it('shapes are read with sizes as text and numbers, of unknown rank, and of none', () => {
    const shape = { dim: [{ size: '-1' }, { size: 3 }, {}] };
    expect(shapeAttr({ a: { shape } }, 'a')).to.deep.equal([-1, 3, 0]);
    expect(shapeAttr({ a: { shape: { unknownRank: true } } }, 'a')).to.equal(null);
    expect(shapeAttr({ a: { shape: {} } }, 'a')).to.deep.equal([]);
    expect(shapeAttr({}, 'a')).to.equal(null);
  });

  it('what is written is read again', () => {
    const attrs = {
      b: attr.bool(true),
      i: attr.int(-(2 ** 31)),
      f: attr.float(0.1),
      s: attr.string('perGroup'),
      l: attr.strings(['a', '']),
      n: attr.floats([1, 2]),
      T: attr.type('bool'),
    };
    expect([
      boolAttr(attrs, 'b'),
      numberAttr(attrs, 'i', 0),
      numberAttr(attrs, 'f', 0),
      stringAttr(attrs, 's'),
      stringsAttr(attrs, 'l'),
      attrs.n,
      dtypeAttr(attrs, 'T'),
    ]).to.deep.equal([
      true,
      -(2 ** 31),
      0.1,
      'perGroup',
      ['a', ''],
      { list: { f: [1, 2] } },
      'bool',
    ]);
  });
});

describe('A graph as text', () => {
  it('shows nodes, refs, control inputs, attributes, weights and outputs', () => {
    const spec = { name: 'w', shape: [2, 3], dtype: 'float32' as const };
    const quantization = { dtype: 'uint8', scale: 1, min: 0 } as const;
    const weights = [spec, { ...spec, name: 'v', quantization }].map(
      (of) => [of.name, weightOf(of, new Float32Array(6))] as const,
    );
    const nodes = [
      makeNode('Const', 'w', [], { dtype: attr.type('float32') }),
      makeNode('Const', 'v', []),
      makeNode('MatMul', 'y', ['w', 'v:1'], { b: attr.bool(true), a: attr.int(2) }, ['w']),
    ];
    expect(graphText({ ...graph(nodes, ['y']), weights: new Map(weights) })).to.equal(
      'w = Const(): float32[2,3]\nv = Const(): float32[2,3] as uint8\n' +
        'y = MatMul(w, v:1, ^w) {a: 2, b: true}\nreturn y\n',
    );
  });

  it('says the same for either encoding of strings, dtypes, numbers and lists', () => {
    const forms = [
      {
        s: { s: 'QQ==' },
        t: { type: 'DT_HALF' },
        i: { i: '3' },
        l: { list: { s: ['QQ==', 'Qg=='] } },
        d: { list: { type: ['DT_FLOAT', 'DT_INT32'] } },
        n: { list: { i: ['1', '2'] } },
        p: { shape: { dim: [{ size: '-1' }] } },
        q: { list: { shape: [{ dim: [{ size: '4' }] }] } },
        u: { shape: { unknownRank: true } },
        e: { list: {} },
      },
      {
        s: { s: [65] },
        t: { type: 19 },
        i: { i: 3 },
        l: { list: { s: [[65], [66]], i: [], f: [] } },
        d: { list: { s: [], type: [1, 3] } },
        n: { list: { s: [], i: [1, 2] } },
        p: { shape: { dim: [{ size: -1 }] } },
        q: { list: { shape: [{ dim: [{ size: 4 }] }] } },
        u: { shape: { unknownRank: true } },
        e: { list: { i: [] } },
      },
    ];
    const texts = forms.map((attrs) => graphText(graph([makeNode('Op', 'n', [], attrs)], ['n'])));
    expect(texts[0]).to.equal(
      'n = Op() {d: [float32, int32], e: [], i: 3, l: ["A", "B"], n: [1, 2], p: [-1], q: [[4]], ' +
        's: "A", t: float32, u: […]}\nreturn n\n',
    );
    expect(texts[1]).to.equal(texts[0]);
  });
});

function graph(nodes: readonly GraphNode[], outputs: readonly string[]): Graph {
  const named = new Map(nodes.map((node) => [node.name, node]));
  return { nodes: named, weights: new Map(), outputs, inputs: [], artifacts: {} };
}
