/**
 * `npm run methods -- avatars S XL`: output SQNR of every method on the project's models, on data
 * that calibration did not see, as tables in Markdown. Without arguments: avatars-nano.
 */
import type { RewriteOptions } from '../../src/index.js';
import {
  meanOutput,
  measureMethod,
  roleMeans,
  SUBJECTS,
  type Subject,
  type SubjectName,
  setFastestBackend,
  shareAtLeast,
  subject,
  transformedRatio,
} from '../harness/models/methods.js';

const METHODS = ['rtn', 'smoothquant', 'hadamard', 'centered', 'hadanorm', 'auto'] as const;
const SETTINGS: readonly (readonly [string, RewriteOptions])[] = [
  ['W4A8, nearest', { weights: { rounding: 'nearest' }, activations: { bits: 8 } }],
  ['W4A4, nearest', { weights: { rounding: 'nearest' }, activations: { bits: 4 } }],
  ['W4A8, GPTQ', { weights: { rounding: 'gptq' }, activations: { bits: 8 } }],
  ['W4A4, GPTQ', { weights: { rounding: 'gptq' }, activations: { bits: 4 } }],
];

const names = process.argv.slice(2) as SubjectName[];
for (const name of names) {
  if (!SUBJECTS.includes(name)) throw new Error(`${name} is none of ${SUBJECTS.join(', ')}`);
}
await setFastestBackend();
for (const name of names.length === 0 ? (['avatars-nano'] as const) : names) {
  const model = await subject(name);
  for (const [title, options] of SETTINGS) await compare(model, title, options);
  await ablation(model);
}

async function compare(model: Subject, title: string, options: RewriteOptions): Promise<void> {
  const results = [];
  for (const method of METHODS) results.push(await measureMethod(model, { ...options, method }));
  const hadanorm = results[METHODS.indexOf('hadanorm')]!;
  const roles = [...roleMeans(hadanorm).keys()];
  console.log(`\n${model.name}, ${title}: output SQNR, dB\n`);
  row(['method', 'mean', ...roles, 'hadanorm at least as good', 'size of the linears']);
  row(['---', ...roles.map(() => '---:'), '---:', '---:', '---:']);
  for (const result of results) {
    const means = roleMeans(result);
    row([
      result.method,
      meanOutput(result).toFixed(2),
      ...roles.map((role) => means.get(role)!.toFixed(2)),
      `${(100 * shareAtLeast(hadanorm, result)).toFixed(0)} %`,
      `${transformedRatio(result).toFixed(3)} ×`,
    ]);
  }
}

/** HadaNorm with one of its parts changed. */
async function ablation(model: Subject): Promise<void> {
  const changes: readonly (readonly [string, RewriteOptions])[] = [
    ['as it is', {}],
    ['scale: std', { scale: 'std' }],
    ['scale: none', { scale: 'none' }],
    ['meanRank: 0', { meanRank: 0 }],
    ['meanRank: 16', { meanRank: 16 }],
    ['center: static', { center: 'static' }],
    ['signs: false', { signs: false }],
    ['rotate: true', { rotate: true }],
    ['lowRank: 16', { lowRank: 16 }],
  ];
  console.log(`\n${model.name}, HadaNorm with GPTQ: mean output SQNR, dB\n`);
  row(['', 'W4A8', 'W4A4', 'size of the linears']);
  row(['---', '---:', '---:', '---:']);
  for (const [title, change] of changes) {
    const a8 = await measureMethod(model, { ...change, activations: { bits: 8 } });
    const a4 = await measureMethod(model, { ...change, activations: { bits: 4 } });
    const size = `${transformedRatio(a8).toFixed(3)} ×`;
    row([title, meanOutput(a8).toFixed(2), meanOutput(a4).toFixed(2), size]);
  }
}

function row(cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}
