import axe from 'axe-core';
import { expect } from 'chai';
import type { Page } from 'playwright-core';

/** Holds that axe finds nothing to say against a page as it stands. */
export async function expectAccessible(page: Page, state: string): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
  expect(found, `axe on the page, ${state}`).to.deep.equal([]);
}
