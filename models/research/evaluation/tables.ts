import type { TextTable } from '../../../src/cli/textTable.js';
import { mean } from '../../../src/math/decibels.js';
import { groupBy } from '../../../src/math/groups.js';
import {
  BACKEND_TEXTS,
  decibels,
  inOrder,
  NONE,
  percent,
  type TitledTable,
  times,
} from './cells.js';
import { BASELINE } from './configurations.js';
import { alike, differenceText, meanDifference, verdictOf } from './differences.js';
import type { PairedRow } from './rows.js';

/**
 * Parts (a) to (c) of one model: pictures, then linears and velocity, over all and by role and
 * step; for each protocol apart.
 */
export function pairedTables(rows: readonly PairedRow[]): TitledTable[] {
  const groups = groupBy(inOrder(rows), protocolOf);
  return [...groups].flatMap(([title, own]) => [
    pictureTable(`(c) Pictures, ${title}`, own),
    linearTable(`(a) SQNR of the linears, dB; ${title}`, own),
    velocityTable(`(b) SQNR of the velocity, dB; ${title}`, own),
  ]);
}

/** Which pictures rows are of. */
export function protocolOf({ samples, steps, seed, backend }: PairedRow): string {
  return `${samples} samples, ${steps} steps, seed ${seed}, ${BACKEND_TEXTS[backend]}`;
}

/**
 * HadaNorm by its preset against QuaRot + GPTQ, and against QuaRot with the same branch and rules:
 * a line for each model, bits and protocol.
 */
export function answerTable(rows: readonly PairedRow[]): TextTable {
  const hadanorm = rows.filter(({ configuration }) => configuration === 'hadanorm');
  const own = [...groupBy(hadanorm, ({ model }) => model).values()].flatMap(inOrder);
  const cells = own.map((row) => {
    const { model, bits, backend, samples, size, pictures } = row;
    const others = [BASELINE, 'hadamard-preset' as const].flatMap((name) => {
      const other = alike(row, rows, name);
      return [other === undefined ? NONE : times(other.size), ...difference(row, other)];
    });
    const figures = [`${samples}`, times(size), decibels(mean(pictures)), ...others];
    return [model, bits ?? NONE, BACKEND_TEXTS[backend], ...figures];
  });
  const head = ['model', 'bits', 'on', 'pictures', 'HadaNorm, bytes', 'mean, dB'];
  const others = ['QuaRot + GPTQ', 'QuaRot, same branch'].flatMap((name) => [
    `${name}: bytes`,
    'HadaNorm is, dB',
    '',
  ]);
  return { head: [...head, ...others], rows: cells, texts: 3 };
}

/** Part (c), as the console shows it too: differences are to `BASELINE`, of the same pictures. */
export function pictureTable(title: string, rows: readonly PairedRow[]): TitledTable {
  const cells = inOrder(rows).map((row) => [
    row.bits ?? NONE,
    row.configuration,
    times(row.size),
    decibels(mean(row.pictures)),
    decibels(row.psnr),
    ...(row.configuration === BASELINE
      ? [NONE, NONE]
      : difference(row, alike(row, rows, BASELINE))),
    decibels(Math.min(...row.pictures)),
    row.featureDistance.toFixed(3),
    percent(row.sameClass),
    row.sameAttributes === null ? NONE : percent(row.sameAttributes),
    `${percent(row.classAccuracy)} (fp32 ${percent(row.originalAccuracy)})`,
  ]);
  const head = [
    'bits',
    'configuration',
    'bytes',
    'mean of pictures, dB',
    'PSNR of all, dB',
    `mean to \`${BASELINE}\`, dB`,
    '',
    'worst',
    'feature distance',
    'same class',
    'same attributes',
    'class asked for',
  ];
  return { title, head, rows: cells, texts: 2 };
}

/** How much higher the first one's mean is, and what its interval says. */
function difference(row: PairedRow, other: PairedRow | undefined): [string, string] {
  if (other === undefined) return [NONE, NONE];
  const estimate = meanDifference(row, other);
  return [differenceText(estimate), verdictOf(estimate)];
}

function linearTable(title: string, rows: readonly PairedRow[]): TitledTable {
  const roles = [...new Set(rows.flatMap(({ linears }) => Object.keys(linears.roles)))];
  return {
    title,
    head: ['bits', 'configuration', 'mean', 'least', ...roles],
    rows: rows.map(({ bits, configuration, linears }) => [
      bits ?? NONE,
      configuration,
      decibels(linears.mean),
      decibels(linears.least),
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
      'configuration',
      'mean',
      ...Array.from({ length: steps }, (_, i) => `t = ${Number((i / steps).toFixed(3))}`),
    ],
    rows: rows.map(({ bits, configuration, velocity }) => [
      bits ?? NONE,
      configuration,
      decibels(velocity.mean),
      ...velocity.steps.map(decibels),
    ]),
    texts: 2,
  };
}
