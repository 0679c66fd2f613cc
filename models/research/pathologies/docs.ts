import { markdownTable } from '../../../src/cli/textTable.js';
import { STRESS_DEFAULTS } from '../../stress.js';
import { FIRST_ROUND } from './firstRound.js';
import type { PathologiesFile } from './results.js';
import { ablationTable, beforeAfter, kindsByTime, layersOverall, scalesByTime } from './tables.js';

/** The text of docs/pathologies.md, from what `npm run pathologies -- --json FILE` wrote. */
export function pathologiesDocs(files: readonly PathologiesFile[]): string {
  const shipped = files.filter(({ weights }) => weights === 'shipped');
  const trained = shipped.filter(({ model }) => model !== 'avatars-nano-stress');
  const stress = shipped.find(({ model }) => model === 'avatars-nano-stress');
  const nano = shipped.find(({ model }) => model === 'avatars-nano');
  const given = files.filter(({ weights }) => weights === 'given');
  return [
    '# What makes these models hard to quantize',
    ...introduction(files),
    ...trained.flatMap(modelSection),
    ...(stress !== undefined && nano !== undefined ? stressSection(nano, stress) : []),
    ...(given.length === 0 ? [] : firstRoundSection(given)),
    '',
  ].join('\n\n');
}

function introduction(files: readonly PathologiesFile[]): string[] {
  const commands = files.map(({ command }) => command);
  return [
    'Written by `npm run pathologies -- --docs FILE …` from what these wrote:',
    ['```sh', ...commands, '```'].join('\n'),
    `The inputs of the linears of the blocks, for 8 pictures that were kept from training at 5 times: x_t = t x + (1 − t) z, z noise. By statistic:`,
    [
      '- **|μ| / σ**: a channel’s mean over the tokens of one sample, over its standard deviation; the median over channels and samples. Centering takes it out.',
      '- **The mean’s share of the energy**: tokens · Σ μ² / Σ x².',
      '- **Channel ratio**: the largest magnitude of the largest channel over that of the median channel. Scaling and rotation take it out.',
      '- **Kurtosis** of all values together; a normal distribution has 3. Rotation brings it near that.',
      '- **adaLN |1 + scale|**: what the modulation multiplies channels by, over channels and samples.',
    ].join('\n'),
    'The ablations are mean output SQNR in dB (X W, without the bias) of every linear of the blocks, measured through the rewritten graphs on the same 8 pictures and 5 times, calibrated on 32 others. Quantizers are plain, to show what each part does: activations per token, asymmetric, from least to largest; weights per output channel, symmetric, up to the largest; both rounded to nearest; no random signs. Where tokens are centered, their mean’s product is by the original weights: every sample’s mean is moved to the calibration’s, whose product the plugin stores by the original weights, so that only the centered tokens meet the rounded ones. The last row is the plugin as it stores the rest of the mean, its product by the original weights in 8 directions, in 8 bits, and by the rounded weights in the others. What the plugin does by default (groups of 64, clipping, GPTQ, signs) is in [the README](../README.md#accuracy-and-speed).',
  ];
}

function modelSection({ model, statistics, ablation }: PathologiesFile): string[] {
  return [
    `## ${model}`,
    markdownTable(kindsByTime(statistics)),
    'By layer, over all times (the command prints every layer at every time):',
    markdownTable(layersOverall(statistics)),
    markdownTable(scalesByTime(statistics)),
    'What each part does about it:',
    markdownTable(ablationTable(ablation)),
  ];
}

function stressSection(nano: PathologiesFile, stress: PathologiesFile): string[] {
  const { channels, valueFactor, valueMean, modulationFactor } = STRESS_DEFAULTS;
  return [
    '## avatars-nano-stress: synthetic outliers',
    `\`loadTrained('avatars-nano-stress')\` is avatars-nano with outliers like those of large models put in by an exact reparametrisation ([models/stress.ts](../models/stress.ts)): the same function, **synthetic** activations. In each block ${channels} channels of V are multiplied by ${valueFactor} (and attn.proj divided), ${channels} get a mean of ${valueMean} (and the bias of attn.proj takes it back), and ${channels} channels of each adaLN modulation are multiplied by ${modulationFactor} (and attn.qkv and mlp.fc1 divided). A test holds its output to that of avatars-nano within 1e-6 of the largest.`,
    'Before and after:',
    markdownTable(beforeAfter(nano.statistics, stress.statistics)),
    '|μ| / σ is a median over channels, which a few of them do not move; scaling every channel as HadaNorm does takes the factors back, which is why it loses nothing here:',
    markdownTable(ablationTable(stress.ablation)),
  ];
}

function firstRoundSection(given: readonly PathologiesFile[]): string[] {
  const off = given.flatMap(({ model, ablation }) =>
    ablation.flatMap((cells, i) =>
      cells.flatMap((value, j) => {
        const other = FIRST_ROUND[model]?.[i]?.[j] ?? null;
        return other === null ? [] : [Math.abs(value - other)];
      }),
    ),
  );
  const max = Math.max(...off).toFixed(2);
  return [
    '## Against the first training',
    `The models were trained twice. The first training’s table was measured in PyTorch on its weights, with the same quantizers, on 8 other pictures and by code of its own. Here is the plugin on the same weights: ours (theirs, the difference). Of ${off.length} figures the one furthest off is ${max} dB away; theirs were written down to a tenth of a dB.`,
    ...given.flatMap(({ model, ablation }) => [
      `### ${model}, the first training’s weights`,
      markdownTable(ablationTable(ablation, FIRST_ROUND[model])),
    ]),
  ];
}
