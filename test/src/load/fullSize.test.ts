import { expect } from 'chai';
import type { Json } from '../../../ops/common/configs.js';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import type { Architecture } from '../../../src/load/models/architecture.js';
import { DIT } from '../../../src/load/models/dit.js';
import { FLUX } from '../../../src/load/models/flux.js';
import { PIXART } from '../../../src/load/models/pixart.js';
import { SD3 } from '../../../src/load/models/sd3.js';
import { Net } from '../../../src/load/net/net.js';
import { PRESETS } from '../../../src/rewrite/presets.js';
import { prepareRewrite } from '../../../src/rewrite/steps.js';

const SD35 = {
  num_layers: 38,
  num_attention_heads: 38,
  caption_projection_dim: 2432,
  pos_embed_max_size: 192,
  qk_norm: 'rms_norm',
};

/** Configs as they are published, parameters in billions, and what a group of linears may weigh. */
const MODELS: readonly [string, Architecture, Json, billions: number, groupMb: number][] = [
  ['DiT-XL/2', DIT, {}, 0.675, 50],
  ['PixArt', PIXART, { caption_channels: 4096 }, 0.611, 300],
  ['SD3.5 large', SD3, SD35, 8.06, 150],
  ['Flux dev', FLUX, { guidance_embeds: true }, 11.9, 300],
];

describe('Published models at full size, without their weights', () => {
  for (const [name, architecture, config, billions, groupMb] of MODELS) {
    it(`${name}: as many parameters as published, a role for each linear`, () => {
      const net = new Net('fullSize', new Map(), true);
      const sizes = { height: null, width: null, textTokens: null };
      const output = architecture.build(net, config, sizes);
      const numbers = net.needs.map(({ shape }) => shape.reduce((all, dim) => all * dim, 1));
      const parameters = numbers.reduce((sum, size) => sum + size, 0);
      expect(parameters / 1e9).to.be.closeTo(billions, 0.005 * billions);
      const { weights } = net.graph;
      const graph = graphFromArtifacts(net.graph.topology([output]), weights, 'fullSize');
      const { options } = PRESETS.W4A8;
      const { analysis, groups, builder } = prepareRewrite('fullSize', () => graph, options);
      expect(analysis.linears.filter(({ role }) => role === 'other')).to.be.empty;
      expect(analysis.others).to.be.empty;
      const megabytes = groups.map((group) =>
        group.reduce((sum, { placed: { linear } }) => sum + (4 * linear.d * linear.n) / 1e6, 0),
      );
      // what quantizeCheckpoint has in float32 at a time
      expect(Math.max(...megabytes)).to.be.below(groupMb);
      builder.dispose();
    });
  }
});
