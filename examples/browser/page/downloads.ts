import { formatBytes } from '../../../src/report/format.js';
import type { PackedFile } from '../shared/protocol.js';
import { byId, element, saveLink } from './dom.js';

/** What a run gives to save. */
export class DownloadsView {
  private readonly card = byId('downloads');
  private readonly list = byId('downloads-list');

  /** Takes all back. */
  clear(): void {
    for (const link of this.list.querySelectorAll('a')) URL.revokeObjectURL(link.href);
    this.list.replaceChildren();
    byId('downloads-hint').textContent = '';
    this.card.hidden = true;
  }

  /** The pictures as one PNG. */
  addPictures(png: Blob): void {
    this.add(saveLink('pictures.png', png, 'Pictures (PNG)'));
  }

  /** The packed model's files. */
  addModel(files: readonly PackedFile[]): void {
    for (const { name, bytes } of files) {
      const content = new Blob([bytes], { type: 'application/octet-stream' });
      this.add(saveLink(name, content, `${name} (${formatBytes(bytes.length)})`));
    }
    const how = 'here again, or with loadQuantized, or with tf.loadGraphModel and the plugin';
    const hint = `The packed model is model.json and its shards: load it ${how}.`;
    byId('downloads-hint').textContent = hint;
  }

  /** A button that asks for the report. */
  addReport(ask: () => void): void {
    const button = element('button', { type: 'button' }, 'Report (HTML)');
    button.addEventListener('click', ask);
    this.add(button);
  }

  /** Saves the report that was asked for. */
  saveReport(html: string): void {
    const link = saveLink('report.html', new Blob([html], { type: 'text/html' }), '');
    link.click();
    // the browser has the content by then
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  private add(item: HTMLElement): void {
    this.list.append(item);
    this.card.hidden = false;
  }
}
