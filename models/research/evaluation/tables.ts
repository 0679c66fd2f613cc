import type { TextTable } from '../../../src/cli/textTable.js';
import { mean } from '../../../src/math/decibels.js';
import { groupBy } from '../../../src/math/groups.js';
import { thousandths } from './bars.js';
import type { Estimate } from './bootstrap.js';
import { EVALUATED_METHODS, PLAN_DEFAULTS } from './plan.js';
import type { OfflineRow, PairedRow } from './rows.js';

/** A table with a heading. */
export interface TitledTable extends TextTable {
  readonly title: string;
  readonly texts: number;
}

/** Of a value that there is none of. */
const NONE = '–';

/**
 * Parts (a) to (c) of one model: overview, linears by role, velocity by step; for each rounding and
 * protocol apart.
 */
export function pairedTables(rows: readonly PairedRow[]): TitledTable[] {
  const groups = groupBy(
    inOrder(rows),
    ({ rounding, steps, seed, samples }) =>
      `${samples} samples, ${steps} steps, seed ${seed}${roundingNote(rounding)}`,
  );
  return [...groups].flatMap(([title, own]) => [
    overview(`(a)–(c), ${title}`, own),
    linearTable(`(a) SQNR of the linears by role, dB; ${title}`, own),
    velocityTable(`(b) SQNR of the velocity by step, dB; ${title}`, own),
  ]);
}

/** Part (d) of one model. KID is in thousandths. */
export function offlineTables(rows: readonly OfflineRow[]): TitledTable[] {
  const protocol = ({ steps, seed, count, replicates }: OfflineRow) =>
    `${count} samples, ${steps} steps, seed ${seed}, ${replicates} resamplings`;
  const floors = rows.filter(({ method }) => method === 'real');
  const own = inOrder(rows.filter(({ method }) => method !== 'real'));
  return [...groupBy(own, protocol)].map(([title, group]) => {
    const [{ steps, seed }] = group as [OfflineRow];
    const floor = floors.filter((row) => row.steps === steps && row.seed === seed).slice(0, 1);
    return {
      title: `(d), ${title}`,
      head: [
        'bits',
        'method',
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

/** The overview as the console shows it too. */
export function overview(title: string, rows: readonly PairedRow[]): TitledTable {
  const cells = inOrder(rows).map((row) => [
    row.bits ?? NONE,
    row.method,
    `${row.size.toFixed(3)} ×`,
    decibels(row.linears.mean),
    decibels(row.linears.least),
    decibels(row.velocity.mean),
    decibels(row.psnr),
    decibels(mean(row.pictures)),
    decibels(Math.min(...row.pictures)),
    row.featureDistance.toFixed(3),
    percent(row.sameClass),
    row.sameAttributes === null ? NONE : percent(row.sameAttributes),
    `${percent(row.classAccuracy)} (fp32 ${percent(row.originalAccuracy)})`,
  ]);
  const head = [
    'bits',
    'method',
    'size',
    '(a) linears, dB',
    'least',
    '(b) velocity, dB',
    '(c) PSNR, dB',
    'mean of pictures',
    'worst',
    'feature distance',
    'same class',
    'same attributes',
    'class asked for',
  ];
  return { title, head, rows: cells, texts: 2 };
}

function linearTable(title: string, rows: readonly PairedRow[]): TitledTable {
  const roles = [...new Set(rows.flatMap(({ linears }) => Object.keys(linears.roles)))];
  return {
    title,
    head: ['bits', 'method', ...roles],
    rows: rows.map(({ bits, method, linears }) => [
      bits ?? NONE,
      method,
      ...roles.map((role) => (role in linears.roles ? decibels(linears.roles[role]!) : NONE)),
    ]),
    texts: 2,
  };
}

function velocityTable(title: string, rows: readonly PairedRow[]): TitledTable {
  const [{ steps }] = rows as [PairedRow];
  return {
    title,
    head: [
      'bits',
      'method',
      ...Array.from({ length: steps }, (_, i) => `t = ${Number((i / steps).toFixed(3))}`),
    ],
    rows: rows.map(({ bits, method, velocity }) => [
      bits ?? NONE,
      method,
      ...velocity.steps.map(decibels),
    ]),
    texts: 2,
  };
}

function offlineCells(row: OfflineRow): string[] {
  const { method, bits, rounding, real, original, classAccuracy } = row;
  const names = { real: 'real, held out (floor)', fp32: 'fp32' } as Record<string, string>;
  return [
    bits ?? NONE,
    `${names[method] ?? method}${roundingNote(rounding)}`,
    estimate(real.fid, (value) => value.toFixed(3)),
    estimate(real.kid, thousandths),
    original === null ? NONE : estimate(original.fid, (value) => value.toFixed(3)),
    original === null ? NONE : estimate(original.kid, thousandths),
    classAccuracy === null ? NONE : percent(classAccuracy),
  ];
}

/** By bits, then method, as the defaults list them. */
function inOrder<T extends PairedRow | OfflineRow>(rows: readonly T[]): T[] {
  const place = (list: readonly string[], name: string | null) => {
    const at = list.indexOf(name ?? '');
    return at === -1 ? list.length : at;
  };
  const rank = ({ bits, method }: T) =>
    bits === null ? -1 : 100 * place(PLAN_DEFAULTS.bits, bits) + place(EVALUATED_METHODS, method);
  return [...rows].sort((a, b) => rank(a) - rank(b));
}

function roundingNote(rounding: string | null): string {
  return rounding === null || rounding === 'auto' ? '' : `, rounding ${rounding}`;
}

function estimate({ value, low, high }: Estimate, format: (value: number) => string): string {
  return `${format(value)} [${format(low)}, ${format(high)}]`;
}

function decibels(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '∞';
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
