import type { GraphModel } from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type DescribedLinear,
  describeGraph,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { loadCheckpoint } from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { DISTINCT, outputOf, PUBLISHED, relative } from '../../harness/models/publishedCases.js';

/** ‖y − reference‖ / ‖reference‖. */
const BARS: Readonly<Record<string, number>> = { cpu: 1e-4, tensorflow: 1e-4 };
const OTHERS = 1e-3;

describeOnBackends('Published checkpoints', (backend) => {
  for (const [name, options] of Object.entries(PUBLISHED)) {
    describe(name, () => {
      const { inputs, expected } = publishedCase(name);
      let model: GraphModel;
      let exact: Float32Array;

      before(async () => {
        model = await loadCheckpoint(checkpointFiles(publishedFolder(name)), options);
        exact = await outputOf(model, publishedCase(name).inputs);
      });
      after(() => model.dispose());

      it('gives what PyTorch gives', () => {
        expect(relative(exact, expected)).to.be.below(BARS[backend] ?? OTHERS);
        expect(Object.keys(inputs)).to.have.members(model.inputs.map((input) => input.name));
      });

      async function rewritten(options: RewriteOptions): Promise<number> {
        const given = { method: 'hadamard', compare: false, ...options } as const;
        const { model: small } = rewriteGraph(model, given);
        const error = relative(await outputOf(small, publishedCase(name).inputs), exact);
        small.dispose();
        return error;
      }

      if (backend === 'cpu') {
        it('gives the same rewritten without quantization', async () => {
          const none = { bits: null };
          const off = { weights: none, activations: none, weightOnly: false } as const;
          expect(await rewritten(off)).to.be.below(1e-5);
        });
      }

      if (DISTINCT.includes(name)) {
        it('gives nearly the same at W4A8', async () => {
          const bits = { weights: { bits: 4 }, activations: { bits: 8 } };
          expect(await rewritten(bits)).to.be.within(1e-4, 0.2);
        });
      }
    });
  }
});

/** The role that the name of a published linear tells. */
function roleOf(name: string): string {
  const joint = /^transformer_blocks.*\/attn\//.test(name);
  const kind = joint ? 'jointAttention' : /attn2/.test(name) ? 'crossAttention' : 'attention';
  const roles: readonly [RegExp, string][] = [
    [/attn\d?\/(to|add)_([qkv])(_proj)?\//, `${kind}.${/_([qkv])/.exec(name)?.[1]}`],
    [/attn\/qkv/, 'attention.qkv'],
    [/to_out\/0|to_add_out|attn\/proj\/|single_.*proj_out/, `${kind}.out`],
    [/net\/0\/proj|mlp\/fc1|proj_mlp/, 'mlp.in'],
    [/net\/2|mlp\/fc2/, 'mlp.out'],
    [/emb\/|embedder|pos_embed|caption_projection/, 'embedding'],
    [/norm\d?(_context|_out)?\/linear|adaLN|proj_out_1|adaln_single\/linear/, 'modulation'],
    [/^proj_out(_2)?\/|final_layer\/linear/, 'final'],
  ];
  return roles.find(([pattern]) => pattern.test(name))?.[1] ?? 'none';
}

describe('Linears of published checkpoints', () => {
  for (const [name, options] of Object.entries(PUBLISHED)) {
    it(`${name}: each has its role`, async () => {
      const model = await loadCheckpoint(checkpointFiles(publishedFolder(name)), options);
      const { linears, others } = describeGraph(model);
      const kinds = linears.map((linear) => [linear.name, shown(name, linear)]);
      expect(Object.fromEntries(kinds)).to.deep.equal(
        Object.fromEntries(linears.map((linear) => [linear.name, roleOf(linear.name)])),
      );
      expect(others).to.be.empty;
      const matrices = Object.values(model.weights).filter(([weight]) => weight!.rank === 2);
      // tables that Gather reads, and the frequencies of sinusoids, are no linears
      const tables = { dit: 3, facebookDit: 2, pixartAlpha: 3, flux: 2 }[name] ?? 1;
      expect(linears.length).to.equal(matrices.length - tables);
      model.dispose();
    });
  }
});

/** A role as the name tells it, where the name tells less. */
function shown(model: string, { name, role }: DescribedLinear): string {
  // of latents alone, in PixArt's words for the cross attention
  if (model === 'sd35' && /attn2/.test(name)) return role.replace(/^attention/, 'crossAttention');
  // nothing stands between it and the last layer's norm
  const last = model === 'pixartSigma' && name.includes('timestep_embedder/linear_2');
  return last && role === 'modulation' ? 'embedding' : role;
}
