import { linkOf, type Settings } from '../shared/settings.js';
import { byId } from './dom.js';

/** How long the button says that it was done (ms). */
const SAID_MS = 2500;

/**
 * Has the button copy a link to the settings; where the clipboard is closed the link is shown, to
 * be copied by hand.
 */
export function shareButton(settings: () => Settings): void {
  const button = byId<HTMLButtonElement>('share');
  const field = byId<HTMLInputElement>('link');
  const usual = button.textContent;
  button.addEventListener('click', async () => {
    const link = new URL(`#${linkOf(settings())}`, location.href).href;
    field.value = link;
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = usual;
      }, SAID_MS);
    } catch {
      field.hidden = false;
      field.select();
    }
  });
}
