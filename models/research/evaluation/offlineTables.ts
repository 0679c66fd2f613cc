import { groupBy } from '../../../src/math/groups.js';
import { thousandths } from './bars.js';
import type { Estimate } from './bootstrap.js';
import { BACKEND_TEXTS, inOrder, NONE, percent, type TitledTable } from './cells.js';
import type { OfflineRow } from './rows.js';

/** Part (d) of one model. KID is in thousandths. */
export function offlineTables(rows: readonly OfflineRow[]): TitledTable[] {
  const protocol = ({ steps, seed, backend, count, replicates }: OfflineRow) => {
    const how = `${steps} steps, seed ${seed}, ${replicates} resamplings`;
    return `${count} samples, ${how}, ${BACKEND_TEXTS[backend]}`;
  };
  const floors = rows.filter(({ configuration }) => configuration === 'real');
  const own = inOrder(rows.filter(({ configuration }) => configuration !== 'real'));
  return [...groupBy(own, protocol)].map(([title, group]) => {
    const [{ steps, seed, backend }] = group as [OfflineRow];
    const floor = floors
      .filter((row) => row.steps === steps && row.seed === seed && row.backend === backend)
      .slice(0, 1);
    return {
      title: `(d), ${title}`,
      head: [
        'bits',
        'configuration',
        'FID to real',
        'KID to real · 10³',
        'FID to fp32',
        'KID to fp32 · 10³',
        'class asked for',
      ],
      rows: [...floor, ...group].map(offlineCells),
      texts: 2,
    };
  });
}

function offlineCells(row: OfflineRow): string[] {
  const { configuration, bits, real, original, classAccuracy } = row;
  const names = { real: 'real, held out (floor)', fp32: 'fp32' } as Record<string, string>;
  return [
    bits ?? NONE,
    names[configuration] ?? configuration,
    estimate(real.fid, (value) => value.toFixed(3)),
    estimate(real.kid, thousandths),
    original === null ? NONE : estimate(original.fid, (value) => value.toFixed(3)),
    original === null ? NONE : estimate(original.kid, thousandths),
    classAccuracy === null ? NONE : percent(classAccuracy),
  ];
}

function estimate({ value, low, high }: Estimate, format: (value: number) => string): string {
  return `${format(value)} [${format(low)}, ${format(high)}]`;
}
