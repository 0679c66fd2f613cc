import { readFileSync } from 'node:fs';
import { fillPart, parseTemplate } from '../../../src/cli/template.js';
import { markdownTable } from '../../../src/cli/textTable.js';
import { STRESS_DEFAULTS } from '../../stress.js';
import { FIRST_ROUND } from './firstRound.js';
import type { PathologiesFile } from './results.js';
import { ablationTable, beforeAfter, kindsByTime, layersOverall, scalesByTime } from './tables.js';

const TEMPLATE = parseTemplate(readFileSync(new URL('docs.template.md', import.meta.url), 'utf8'));

/** The text of docs/pathologies.md, from what `npm run pathologies -- --json FILE` wrote. */
export function pathologiesDocs(files: readonly PathologiesFile[]): string {
  const shipped = files.filter(({ weights }) => weights === 'shipped');
  const trained = shipped.filter(({ model }) => model !== 'avatars-nano-stress');
  const stress = shipped.find(({ model }) => model === 'avatars-nano-stress');
  const nano = shipped.find(({ model }) => model === 'avatars-nano');
  const given = files.filter(({ weights }) => weights === 'given');
  const page = fillPart(TEMPLATE, 'page', {
    commands: files.map(({ command }) => command).join('\n'),
    models: trained.map(modelSection).join('\n\n'),
    stress: stress !== undefined && nano !== undefined ? stressSection(nano, stress) : '',
    firstRound: given.length === 0 ? '' : firstRoundSection(given),
  });
  return `${page}\n`;
}

function modelSection({ model, statistics, ablation }: PathologiesFile): string {
  return fillPart(TEMPLATE, 'model', {
    model,
    kindsByTime: markdownTable(kindsByTime(statistics)),
    layers: markdownTable(layersOverall(statistics)),
    scalesByTime: markdownTable(scalesByTime(statistics)),
    ablation: markdownTable(ablationTable(ablation)),
  });
}

function stressSection(nano: PathologiesFile, stress: PathologiesFile): string {
  const { channels, valueFactor, valueMean, modulationFactor } = STRESS_DEFAULTS;
  return fillPart(TEMPLATE, 'stress', {
    channels: `${channels}`,
    valueFactor: `${valueFactor}`,
    valueMean: `${valueMean}`,
    modulationFactor: `${modulationFactor}`,
    beforeAfter: markdownTable(beforeAfter(nano.statistics, stress.statistics)),
    ablation: markdownTable(ablationTable(stress.ablation)),
  });
}

function firstRoundSection(given: readonly PathologiesFile[]): string {
  const off = given.flatMap(({ model, ablation }) =>
    ablation.flatMap((cells, i) =>
      cells.flatMap((value, j) => {
        const other = FIRST_ROUND[model]?.[i]?.[j] ?? null;
        return other === null ? [] : [Math.abs(value - other)];
      }),
    ),
  );
  const models = given.map(({ model, ablation }) =>
    fillPart(TEMPLATE, 'firstRoundModel', {
      model,
      ablation: markdownTable(ablationTable(ablation, FIRST_ROUND[model])),
    }),
  );
  return fillPart(TEMPLATE, 'firstRound', {
    count: `${off.length}`,
    max: Math.max(...off).toFixed(2),
    models: models.join('\n\n'),
  });
}
