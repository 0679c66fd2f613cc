import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { wrapMarkdown } from './markdown.js';

/**
 * The parts of a page by name, Markdown with marks such as `{{model}}`. What stands before the
 * first line `<!-- part: NAME -->` is the part 'page'.
 */
export type Template = ReadonlyMap<string, string>;

/** @throws HadaNormError where two parts have one name. */
export function parseTemplate(text: string): Template {
  const parts = new Map<string, string>();
  const [page, ...others] = text.split(/^<!-- part: (.+) -->$/m);
  parts.set('page', page!.trim());
  for (let i = 0; i < others.length; i += 2) {
    const name = others[i]!;
    if (parts.has(name)) {
      throw new HadaNormError('parseTemplate', `two parts are called ${name}: rename one.`);
    }
    parts.set(name, others[i + 1]!.trim());
  }
  return parts;
}

/**
 * A part with its marks filled in, prose wrapped. A line that is a mark alone goes where that is
 * filled with ''.
 *
 * @throws InvalidArgumentError for a part that is not there, a mark without a value, or a value
 * without a mark.
 */
export function fillPart(
  template: Template,
  part: string,
  values: Readonly<Record<string, string>> = {},
): string {
  const op = 'fillPart';
  const text = template.get(part);
  if (text === undefined) {
    throw new InvalidArgumentError(op, 'part', `one of ${[...template.keys()].join(', ')}`, part);
  }
  const marks = new Set([...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, mark]) => mark!));
  const unfilled = [...marks].find((mark) => values[mark] === undefined);
  if (unfilled !== undefined) {
    const wanted = `given for the mark {{${unfilled}}} of ${part}`;
    throw new InvalidArgumentError(op, `values.${unfilled}`, wanted, 'undefined');
  }
  const unknown = Object.keys(values).find((name) => !marks.has(name));
  if (unknown !== undefined) {
    const wanted = `that of a mark of ${part} (${[...marks].join(', ') || 'none'})`;
    throw new InvalidArgumentError(op, `values.${unknown}`, wanted, 'one without a mark');
  }
  const filled = text
    .replace(/^\{\{(\w+)\}\}$\n*/gm, (line, mark: string) => (values[mark] === '' ? '' : line))
    .replace(/\{\{(\w+)\}\}/g, (_, mark: string) => values[mark]!);
  return wrapMarkdown(filled.trim());
}
