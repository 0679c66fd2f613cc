import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { tellRenamed, withRenamed } from '../../../ops/common/renamed.js';
import { hadaNormQuantize, InvalidArgumentError, quantizedMatMul } from '../../../src/index.js';
import { packed } from '../../harness/ops/quantizedMatMul.js';

interface Options {
  center?: string;
  centre?: string;
}

describe('Options under their former names', () => {
  let said: string[] = [];
  const { warn } = console;
  beforeEach(() => {
    said = [];
    console.warn = (line: string) => said.push(line);
  });
  afterEach(() => {
    console.warn = warn;
  });

  it('are taken, and told once for each op', () => {
    const options: Options = { centre: 'none' };
    expect(withRenamed('one', options, 'centre', 'center')).to.deep.equal({ center: 'none' });
    withRenamed('one', options, 'centre', 'center');
    withRenamed('two', options, 'centre', 'center');
    expect(said.map((line) => line.slice(0, 39))).to.deep.equal([
      'one: centre is called center now, and g',
      'two: centre is called center now, and g',
    ]);
  });

  it('are an error beside the new one', () => {
    const both: Options = { centre: 'none', center: 'none' };
    expect(() => withRenamed('three', both, 'centre', 'center')).to.throw(
      InvalidArgumentError,
      'three: centre must be absent beside center',
    );
  });

  it('options without one come back as they are', () => {
    const options: Options = { center: 'none' };
    expect(withRenamed('four', options, 'centre', 'center')).to.equal(options);
    expect(said).to.deep.equal([]);
  });

  it('hadaNormQuantize and quantizedMatMul give the same under either', () => {
    tellRenamed('HadaNormQuantize', 'centre', 'center');
    tf.tidy(() => {
      const x = tf.randomNormal([2, 3, 10]);
      const { quantized } = hadaNormQuantize(x, { center: 'none', blockSize: 0 });
      const former = hadaNormQuantize(x, { centre: 'none', blockSize: 0 });
      expect(former.quantized.codes.dataSync()).to.deep.equal(quantized.codes.dataSync());
      const result = hadaNormQuantize(x, { blockSize: 2 });
      expect(result.rest).to.equal(result.residual);
      expect(Object.keys(result)).not.to.include('rest');
      const { residual } = result;
      const weights = packed();
      const [present, old] = [{ residual: residual! }, { rest: residual! }];
      expect(quantizedMatMul(x, weights, old).dataSync()).to.deep.equal(
        quantizedMatMul(x, weights, present).dataSync(),
      );
    });
  });
});
