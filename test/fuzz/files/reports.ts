import {
  parseReport,
  type QuantizationReport,
  type Recipe,
  recommendRules,
  reportJson,
} from '../../../src/index.js';
import { reportHtml, reportTable } from '../../../src/report.js';
import { syntheticReport } from '../../harness/report/syntheticReport.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { found, type Outcome, RIGHT, thrown } from '../base/outcome.js';
import { Random } from '../base/random.js';
import { mutateBytes } from '../mutate/bytes.js';
import { mutateJson } from '../mutate/json.js';
import { hostileValue } from '../mutate/values.js';

/** Reports: as objects and as the text of their file. */
export const reportsKind: Kind = {
  name: 'reports',
  share: 90,
  prepare: async () => {
    const bases = [
      syntheticReport({ blocks: 1, timesteps: [100, 900] }),
      syntheticReport({ blocks: 1, calibrated: false }),
    ];
    return (seeds) => reportCase(bases, seeds);
  },
};

type Use = (report: QuantizationReport) => unknown;

const USES: Readonly<Record<string, Use>> = {
  table: (report) => reportTable(report),
  'table by role': (report) => reportTable(report, { by: 'role' }),
  html: (report) => reportHtml(report),
  json: (report) => reportJson(report),
  rules: (report) => recommendRules(report, { minSqnr: 20 }),
  file: (report) => reportJson(parseReport(reportJson(report))),
};

function reportCase(
  bases: readonly QuantizationReport[],
  [first, ...mutations]: readonly number[],
): FuzzCase {
  const random = new Random(first!);
  const base = random.pick(bases);
  if (random.chance(0.3)) return textCase(base, mutations);
  const report = structuredClone(base) as QuantizationReport;
  const use = random.pick(Object.keys(USES));
  const changes = mutations.map((seed) =>
    mutateJson(new Random(seed), report as unknown as Record<string, unknown>, hostileValue),
  );
  return {
    text: `${use}: ${changes.join('; ')}`,
    run: () => outcomeOf(use, () => USES[use]!(report)),
  };
}

/** The file's text, changed as JSON or as bytes. */
function textCase(base: QuantizationReport, mutations: readonly number[]): FuzzCase {
  let bytes = new TextEncoder().encode(reportJson(base));
  const changes = mutations.map((seed) => {
    const random = new Random(seed);
    const next = random.chance(0.5) ? mutateBytes(random, bytes) : mutateText(random, bytes);
    bytes = next.bytes;
    return next.text;
  });
  const text = new TextDecoder().decode(bytes);
  return {
    text: `parseReport: ${changes.join('; ')}`,
    run: () => outcomeOf('parseReport', () => reportTable(parseReport(text))),
  };
}

function mutateText(random: Random, bytes: Uint8Array<ArrayBuffer>) {
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes));
    const text = mutateJson(random, json, hostileValue);
    return { bytes: new TextEncoder().encode(JSON.stringify(json)), text };
  } catch {
    return { bytes, text: 'not as JSON' };
  }
}

/** What comes out is right where it is a text, and no page runs what a name says. */
async function outcomeOf(use: string, run: () => unknown): Promise<Outcome> {
  try {
    const made = await run();
    if (use === 'rules') {
      return Array.isArray((made as Recipe).rules) ? RIGHT : found('wrong', 'no rules');
    }
    if (typeof made !== 'string' || made === '') return found('wrong', 'no text');
    const script = use === 'html' && /<b id=fuzz>|<img src=x/.test(made);
    return script ? found('wrong', 'a name becomes an element of the page') : RIGHT;
  } catch (error) {
    return thrown(error);
  }
}
