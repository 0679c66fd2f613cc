/**
 * The page's only script, which its policy knows by `SCRIPT_HASH`: nothing else runs, whatever
 * linears are called. Without it the table stands worst first, and a click selects the rules.
 */
export const SCRIPT = `
const units = { '': 1, '×': 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };
const valueOf = (text) => {
  const [, sign, number, unit] = /^([-−]?)(∞|[\\d.]+)\\s*(\\D*)$/.exec(text) ?? [];
  if (!(unit in units)) return text;
  return (sign ? -1 : 1) * (number === '∞' ? Infinity : Number(number) * units[unit]);
};
const order = (a, b) => typeof a === typeof b ? (a > b) - (a < b) : typeof a === 'string' ? 1 : -1;
for (const table of document.querySelectorAll('table.sortable')) {
  const headings = [...table.querySelectorAll('th[scope=col]')];
  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const down = heading.getAttribute('aria-sort') === 'ascending';
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = table.querySelector('tbody');
      const keyed = [...body.querySelectorAll('tr')].map((row) =>
        [valueOf(row.children[column].textContent.trim()), row]);
      keyed.sort(([a], [b]) => (down ? -1 : 1) * order(a, b));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
for (const rules of document.querySelectorAll('.rules')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'Copy the rules';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(rules.textContent);
    button.textContent = 'Copied';
  });
  rules.before(button);
}
`;

/** SHA-256 of `SCRIPT`, base64; a test says what it is where that was changed. */
export const SCRIPT_HASH = 'N6ftUe6WAg+eiqG0tRYlRh9dNRFAyygOd1xDka02/Rc=';
