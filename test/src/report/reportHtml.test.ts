import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { SCRIPT, SCRIPT_HASH } from '../../../src/report/htmlScript.js';
import { loadVega } from '../../../src/report/htmlVegaGlobal.js';
import { outlierRatio, worstChannels } from '../../../src/report/plotHistogram.js';
import { recommendRules } from '../../../src/report/recipe.js';
import type { LinearReport } from '../../../src/report/report.js';
import { reportHtml } from '../../../src/report/reportHtml.js';
import { anyReport } from '../../harness/report/anyReport.js';
import { syntheticReport, withLinears } from '../../harness/report/syntheticReport.js';

const BLOCKS = 3;
const REPORT = syntheticReport({ blocks: BLOCKS, timesteps: [0, 500, 999] });
const HOSTILE =
  '</title></style><script>alert(1)</script>' + `<img src=x onerror='alert(1)'>" onload="x`;

describe('A report as a page', () => {
  let page: Document;
  before(async () => {
    page = parse(await reportHtml(REPORT, { title: 'DiT in W4A4' }));
  });

  it('has the title, and the headline figures', () => {
    expect(page.title).to.equal('DiT in W4A4');
    expect(page.querySelector('h1')?.textContent).to.equal('DiT in W4A4');
    const figures = [...page.querySelectorAll('dd.figure')].map((figure) => figure.textContent);
    expect(figures).to.have.length(4);
    expect(figures[0]).to.match(/^\d+\.\d× smaller$/);
    expect(figures[1]).to.equal(`${REPORT.totals.sqnr!.output.toFixed(1)} dB`);
    expect(figures[3]).to.equal('12 of 15');
  });

  it('has a mark for each method of each linear, in a figure for each role', () => {
    const plots = figuresOf(page, 'by layer and method');
    expect(plots.map((plot) => plot.querySelector('h3')?.textContent)).to.deep.equal([
      'attention.qkv',
      'attention.out',
      'mlp.in',
      'mlp.out',
    ]);
    for (const plot of plots) {
      expect(plot.querySelectorAll('.mark-symbol path')).to.have.length(BLOCKS * 5);
      expect(texts(plot)).to.include.members(['0', '1', '2', 'output SQNR (dB)']);
    }
    const legend = page.querySelectorAll('ul[aria-label="Methods"] li');
    expect([...legend].map((item) => item.textContent)).to.include('Round to nearest');
  });

  it('has histograms of the linears with the largest outliers, worst first', () => {
    const names = figuresOf(page, 'Channels').map((plot) => plot.querySelector('h3')?.textContent);
    const worst = REPORT.linears.filter(({ channels }) => channels !== null);
    worst.sort((a, b) => outlierRatio(b.channels!.before) - outlierRatio(a.channels!.before));
    expect(names).to.deep.equal(worst.slice(0, 6).map(({ name }) => name));
    expect(worstChannels(REPORT.linears, 2)).to.have.length(2);
  });

  it('has one histogram for linears that read one tensor', async () => {
    const { channels } = REPORT.linears.find((one) => one.channels !== null)!;
    const given = REPORT.linears.filter((one) => one.channels !== null).length;
    const linears = REPORT.linears.map((one) => (one.channels ? { ...one, channels } : one));
    const shown = figuresOf(parse(await reportHtml(withLinears(REPORT, linears))), 'Channels');
    expect(shown).to.have.length(1);
    expect(shown[0]!.textContent).to.include(`and of ${given - 1} more that read the same`);
  });

  it('has a cell for each timestep of each linear', () => {
    for (const plot of figuresOf(page, 'by layer and timestep')) {
      expect(plot.querySelectorAll('.mark-rect path')).to.have.length(BLOCKS * 3);
      expect(texts(plot)).to.include.members(['timestep', '500', '999']);
    }
  });

  it('says in words what each plot shows', () => {
    const plots = [...page.querySelectorAll('figure svg')];
    expect(plots).to.have.length(4 + 6 + 4);
    for (const plot of plots) {
      expect(plot.getAttribute('role')).to.equal('img');
      expect(plot.getAttribute('aria-label')).to.match(/linears? with role|Histogram of/);
      expect(plot.querySelector('title')?.textContent).to.not.equal('');
    }
  });

  it('has a table with a row for each linear and headings for every cell', () => {
    const rows = [...page.querySelectorAll('tbody tr')];
    expect(rows.map((row) => row.querySelector('th')?.textContent)).to.deep.equal(
      worstFirst(REPORT.linears).map(({ name }) => name),
    );
    const [groups, names] = [...page.querySelectorAll('thead tr')];
    const columns = 1 + names!.querySelectorAll('th[scope="col"]').length;
    expect(width(groups!)).to.equal(columns);
    for (const row of [...rows, ...page.querySelectorAll('tfoot tr')]) {
      expect(width(row)).to.equal(columns);
    }
  });

  it('says each reason once, by a number at the linears that it is of', () => {
    const reasons = [...page.querySelectorAll('.reasons li')].map(({ textContent }) => textContent);
    expect(reasons).to.have.members([...new Set(REPORT.linears.map(({ reason }) => reason))]);
    const rows = [...page.querySelectorAll('tbody tr')];
    worstFirst(REPORT.linears).forEach(({ reason }, i) => {
      const mark = rows[i]!.querySelector('sup')!;
      expect(reasons[Number(mark.textContent) - 1]).to.equal(reason);
      expect(mark.getAttribute('title')).to.equal(reason);
    });
  });

  it('has the rules for the worst linears, as recommendRules gives them', () => {
    const text = page.querySelector('.rules')!.textContent!;
    const lines = text.split('\n').slice(1, -1);
    const minSqnr = REPORT.totals.sqnr!.output;
    const { rules } = recommendRules(REPORT, { minSqnr });
    expect(rules).to.not.be.empty;
    expect(lines.map((line) => JSON.parse(line.replace(/,$/, '')))).to.deep.equal(rules);
  });

  it('has one script, which the policy knows, and nothing in it loads anything', () => {
    expectInert(page);
    const hash = createHash('sha256').update(SCRIPT).digest('base64');
    expect(SCRIPT_HASH).to.equal(hash);
    const policy = page.querySelector('meta[http-equiv]')!.getAttribute('content');
    expect(policy).to.include(`default-src 'none'`).and.include(`script-src 'sha256-${hash}'`);
  });

  it('is sorted by a click on a heading, and copies its rules', async () => {
    const own = parse(await reportHtml(REPORT));
    const copied: string[] = [];
    const navigator = { clipboard: { writeText: async (text: string) => copied.push(text) } };
    new Function('document', 'navigator', SCRIPT)(own, navigator);
    const column = (at: number) =>
      [...own.querySelectorAll('.sortable tbody tr')].map((row) => row.children[at]!.textContent!);
    const heading = (text: string) =>
      [...own.querySelectorAll('.sortable th')].find((one) =>
        one.textContent!.replace('\u00ad', '').includes(text),
      )!;
    const click = (text: string) => heading(text).querySelector('button')!.click();
    click('linear');
    expect(column(0)).to.deep.equal(REPORT.linears.map(({ name }) => name).sort());
    expect(heading('linear').getAttribute('aria-sort')).to.equal('ascending');
    click('before');
    click('before');
    const bytes = REPORT.linears.map((linear) => linear.bytes.before).sort((a, b) => b - a);
    const at = column(0).map((name) => REPORT.linears.find((one) => one.name === name)!);
    expect(at.map((linear) => linear.bytes.before)).to.deep.equal(bytes);
    expect(heading('linear').getAttribute('aria-sort')).to.equal(null);
    own.querySelector<HTMLButtonElement>('.copy')!.click();
    expect(copied).to.deep.equal([own.querySelector('.rules')!.textContent]);
  });

  it('is harmless whatever linears, reasons and titles are called', async () => {
    const linears = REPORT.linears.map((linear) => ({ ...linear, name: HOSTILE, reason: HOSTILE }));
    const text = await reportHtml(withLinears(REPORT, linears), { title: HOSTILE });
    const hostile = parse(text);
    expectInert(hostile);
    expect(text.replace(`<script>${SCRIPT}</script>`, '')).to.not.match(/<(script|img)/);
    expect(hostile.title).to.equal(HOSTILE);
    expect(hostile.querySelectorAll('tbody th')[4]?.textContent).to.equal(HOSTILE);
  });

  it('says how to get what is missing', async () => {
    const text = await reportHtml(syntheticReport({ blocks: 1, calibrated: false }));
    expect(text).to.include('There is no calibration data: calibrate the model');
    expect(text).to.include('calibrate with the timestep of each sample');
    expect(parse(text).querySelectorAll('figure')).to.have.length(0);
  });

  it('has a row for what each linear was chosen from, the way that was taken in bold', async () => {
    const treatments = [
      { center: 'none', scale: 'none', rotate: true },
      { center: 'none', scale: 'balanced', rotate: false },
      { center: 'dynamic', scale: 'balanced', rotate: true },
    ] as const;
    const ways = treatments.map((parts, i) => {
      return { method: 'hadanorm', ...parts, output: 20.04 + i } as const;
    });
    const chosen: LinearReport = { ...REPORT.linears[1]!, parts: treatments[1], ways };
    const other: LinearReport = { ...REPORT.linears[2]!, ways: ways.slice(2) };
    const some = parse(await reportHtml(withLinears(REPORT, [chosen, other])));
    const table = some.querySelector('[aria-label="Table of what was tried"]')!;
    const rows = [...table.querySelectorAll('tr')].map((row) =>
      [...row.querySelectorAll('th, td')].map((cell) => cell.textContent),
    );
    expect(rows).to.deep.equal([
      ['linear', 'rotate', 'balance', 'center, balance, rotate'],
      [chosen.name, '20.0', '21.0', '22.0'],
      [other.name, '–', '–', '22.0'],
    ]);
    const bold = [...table.querySelectorAll('strong')].map(({ textContent }) => textContent);
    expect(bold).to.deep.equal(['21.0']);
    expect(page.querySelector('[aria-label="Table of what was tried"]')).to.equal(null);
  });

  it('marks ∞ at the edge of a plot', async () => {
    const infinite = { activations: 9, weights: 9, output: Number.POSITIVE_INFINITY };
    const linear: LinearReport = { ...REPORT.linears[1]!, sqnr: infinite };
    const [plot] = figuresOf(parse(await reportHtml(withLinears(REPORT, [linear]))), 'method');
    expect(texts(plot!)).to.include('∞');
    expect(plot!.querySelectorAll('.mark-symbol path')).to.have.length(4);
  });

  it('names a linear that gave NaN as the worst', async () => {
    const unknown = { activations: 9, weights: 9, output: Number.NaN };
    const last: LinearReport = { ...REPORT.linears[2]!, name: 'poisoned', sqnr: unknown };
    const text = await reportHtml(withLinears(REPORT, [REPORT.linears[1]!, last]));
    const cards = [...parse(text).querySelectorAll('.cards div')].map((card) => card.textContent);
    expect(cards.find((card) => card?.includes('Worst linear'))).to.include('poisoned');
  });

  it('is drawn of any report, without a word on the console', async () => {
    const { warn, error } = console;
    const words: unknown[] = [];
    console.warn = console.error = (...said: unknown[]) => words.push(said);
    try {
      await fc.assert(
        fc.asyncProperty(anyReport, async (report) => {
          const any = parse(await reportHtml(report));
          const tried = report.linears.filter(({ ways }) => ways !== undefined);
          const rows = report.linears.length + tried.length;
          expect(any.querySelectorAll('tbody tr')).to.have.length(rows);
          expect(any.body.innerHTML).to.not.match(/NaN|undefined/);
          expectInert(any);
        }),
        { numRuns: 25 },
      );
    } finally {
      Object.assign(console, { warn, error });
    }
    expect(words).to.deep.equal([]);
  });

  it('refuses options that there are none of', async () => {
    for (const options of [{ title: 3 }, { theme: 'dark' }]) {
      const error = await reportHtml(REPORT, options as never).catch((reason) => reason);
      expect(error).to.be.instanceOf(InvalidArgumentError);
    }
  });

  it('with script tags takes the globals of vega, or says which tags to add', async () => {
    const globals = globalThis as { vega?: unknown; vegaLite?: unknown };
    globals.vega = {};
    const error = await loadVega().catch((reason) => reason);
    expect(error).to.be.instanceOf(HadaNormError);
    expect(error.message).to.match(
      /^reportHtml: there is no global vegaLite\. Add .*npm\/vega-lite@6/,
    );
    globals.vegaLite = {};
    const { vega, vegaLite } = await loadVega();
    expect([vega, vegaLite]).to.deep.equal([globals.vega, globals.vegaLite]);
    delete globals.vega;
    delete globals.vegaLite;
  });
});

function parse(text: string): Document {
  return parseHTML(text).document;
}

/** The figures of the section whose heading has these words. */
function figuresOf(page: Document, words: string): Element[] {
  const heading = [...page.querySelectorAll('h2')].find((one) => one.textContent?.includes(words));
  let next = heading?.nextElementSibling;
  while (next && next.className !== 'plots') next = next.nextElementSibling;
  return [...(next?.querySelectorAll('figure') ?? [])];
}

function texts(plot: Element): (string | null)[] {
  return [...plot.querySelectorAll('svg text')].map((text) => text.textContent);
}

/** As the table has them: without calibration last. */
function worstFirst(linears: readonly LinearReport[]): LinearReport[] {
  return linears.toSorted((a, b) => (a.sqnr?.output ?? 1e9) - (b.sqnr?.output ?? 1e9));
}

/** Columns that a row of the table spans. */
function width(row: Element): number {
  const cells = [...row.querySelectorAll('th, td')];
  return cells.reduce((sum, cell) => sum + Number(cell.getAttribute('colspan') ?? 1), 0);
}

function expectInert(page: Document): void {
  const scripts = [...page.querySelectorAll('script')].map(({ textContent }) => textContent);
  expect(scripts).to.deep.equal([SCRIPT]);
  const loading = 'link, img, iframe, object, embed, image, use, base, form, audio, video';
  expect([...page.querySelectorAll(loading)].map((element) => element.outerHTML)).to.deep.equal([]);
  for (const element of page.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      expect(name).to.not.match(/^(on.*|src|srcset|href|xlink:href|action|data)$/);
      if (!name.startsWith('xmlns') && name !== 'aria-label')
        expect(value).to.not.match(/url\(|:\/\//);
    }
  }
  expect(page.querySelector('style')?.textContent).to.not.match(/@import|url\(/);
}
