import { expect } from 'chai';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { fillPart, parseTemplate } from '../../../src/cli/template.js';
import { HadaNormError } from '../../../src/index.js';

const TEXT = `# {{title}}

{{about}}

Of {{count}} cases, {{count}} pass.

<!-- part: case -->
## {{title}}

<!-- part: plain -->
No marks.
`;

describe('A template', () => {
  const template = parseTemplate(TEXT);

  it('has a part before the first heading of one, and those that are named', () => {
    expect([...template.keys()]).to.deep.equal(['page', 'case', 'plain']);
    expect(fillPart(template, 'plain')).to.equal('No marks.');
  });

  it('has its marks filled in wherever they stand, and its prose wrapped', () => {
    const values = { title: 'A', about: '| a |', count: '1'.repeat(45) };
    expect(fillPart(template, 'page', values)).to.equal(
      `# A\n\n| a |\n\nOf ${values.count} cases,\n${values.count} pass.`,
    );
  });

  it('loses a line that is a mark alone where that is empty', () => {
    const values = { title: 'A', about: '', count: '2' };
    expect(fillPart(template, 'page', values)).to.equal('# A\n\nOf 2 cases, 2 pass.');
  });

  it('takes what it is filled with as it is, marks and all', () => {
    const values = { title: '$& {{count}}', about: '$1', count: '2' };
    expect(fillPart(template, 'page', values)).to.include('# $& {{count}}\n\n$1\n\nOf 2');
  });

  for (const [what, part, values, message] of [
    ['a mark without a value', 'case', {}, 'values.title must be given for the mark {{title}}'],
    [
      'a value without a mark',
      'case',
      { title: 'A', note: 'B' },
      'values.note must be that of a mark of case (title), got one without a mark.',
    ],
    ['a value where there are no marks', 'plain', { a: '' }, 'a mark of plain (none)'],
    ['a part that is not there', 'cases', {}, 'part must be one of page, case, plain, got cases.'],
  ] as const) {
    it(`gives a typed error for ${what}`, () => {
      expect(() => fillPart(template, part, values)).to.throw(InvalidArgumentError, message);
    });
  }

  it('gives a typed error for two parts of one name', () => {
    const twice = '<!-- part: a -->\n<!-- part: a -->\n';
    expect(() => parseTemplate(twice)).to.throw(HadaNormError, 'two parts are called a');
  });
});
