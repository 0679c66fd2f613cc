/** The demo page: settings, a worker that does the work, and what it tells. */
import type { Message } from '../shared/protocol.js';
import { linkOf, readLink, type Settings } from '../shared/settings.js';
import { ColumnsView } from './columns.js';
import { byId } from './dom.js';
import { DownloadsView } from './downloads.js';
import { FiguresView } from './figures.js';
import { SettingsForm } from './form.js';
import { showLayers } from './layers.js';
import { ProgressView } from './progress.js';
import { Session } from './session.js';
import { shareButton } from './share.js';

const results = byId('results');
const startButton = byId<HTMLButtonElement>('start');
const cancelButton = byId<HTMLButtonElement>('cancel');
const columns = new ColumnsView();
const figures = new FiguresView();
const progress = new ProgressView();
const downloads = new DownloadsView();
/** Whether what is shown is of a run; until then it follows the settings. */
let shown = false;
/** The settings of the run that goes on, or the last one. */
let current: Settings | null = null;
let running = false;

const form = new SettingsForm(changed);
const session = new Session({
  message: take,
  gone: (_, problem) =>
    problem === null ? ended('cancelled') : failed(`The worker stopped: ${problem}.`),
});

openLink();
window.addEventListener('hashchange', openLink);
shareButton(() => form.read().settings);
byId('settings').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!running) start();
});
cancelButton.addEventListener('click', cancel);
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape' && !cancelButton.disabled) cancel();
});
results.dataset.state = 'ready';

/** Shows what the address says. */
function openLink(): void {
  const { settings, notes } = readLink(location.hash);
  form.write(settings, new URLSearchParams(location.hash.replace(/^#/, '')).has('backend'));
  form.note(notes);
  preview(settings);
}

function changed(): void {
  const { settings, notes } = form.read();
  if (notes.length > 0) return;
  history.replaceState(null, '', `#${linkOf(settings)}`);
  preview(settings);
}

/** The noise that all begin at. */
function preview(settings: Settings): void {
  if (shown) return;
  columns.reset(settings);
  figures.reset(settings);
}

function start(): void {
  const { settings, notes } = form.read();
  if (notes.length > 0) return;
  performance.clearMarks();
  performance.clearMeasures();
  performance.mark('start');
  shown = true;
  current = settings;
  running = true;
  columns.reset(settings);
  columns.wait();
  figures.reset(settings);
  progress.begin(settings);
  downloads.clear();
  showLayers(null);
  startButton.disabled = true;
  cancelButton.disabled = false;
  delete results.dataset.firstPictureMs;
  results.dataset.state = 'running';
  // on a narrow screen the pictures are below the form
  if (results.getBoundingClientRect().top > innerHeight / 2) results.scrollIntoView();
  // Start cannot have it any longer
  cancelButton.focus({ preventScroll: true });
  session.start(settings, settings.source === 'packed' ? form.files() : []);
}

function cancel(): void {
  cancelButton.disabled = true;
  progress.end('Stopping …', false);
  session.cancel();
}

function take(message: Message): void {
  switch (message.kind) {
    case 'ready':
      form.showBackends(message.backends);
      results.dataset.backends = message.backends
        .filter(({ available }) => available)
        .map(({ name }) => name)
        .join(' ');
      return;
    case 'engine':
      byId('engine').textContent = `Run on ${message.text}.`;
      return;
    case 'stage':
      if (!cancelButton.disabled) progress.show(message.stage, message.share);
      return;
    case 'frame':
      columns.show(message);
      if (message.step === message.steps) timeFirstPicture();
      return;
    case 'figures':
      figures.add(message.column, message.figures);
      return;
    case 'slower':
      figures.explain(message.column, message.reason);
      return;
    case 'plots':
      showLayers(message.plots);
      return;
    case 'packed':
      downloads.addModel(message.files);
      return;
    case 'report':
      downloads.saveReport(message.html);
      return;
    case 'end':
      results.dataset.tensors = `${message.memory.numTensors}`;
      if (message.outcome.kind === 'failed') failed(message.outcome.message);
      else void ended(message.outcome.kind);
      return;
    default:
      message satisfies never;
  }
}

/** The time from the click to the first finished picture, for whoever measures. */
function timeFirstPicture(): void {
  if (results.dataset.firstPictureMs !== undefined) return;
  performance.mark('first picture');
  const { duration } = performance.measure('to the first picture', 'start', 'first picture');
  results.dataset.firstPictureMs = `${Math.round(duration)}`;
}

async function ended(how: 'done' | 'cancelled'): Promise<void> {
  if (how === 'done') {
    if (current?.source === 'quantize') downloads.addReport(() => session.askReport());
    downloads.addPictures(await columns.png());
    progress.end('Done: the same noise, three models.', true);
  } else {
    progress.end('Cancelled.', false);
  }
  idle(how);
}

function failed(message: string): void {
  progress.fail(message);
  idle('failed');
}

function idle(state: string): void {
  running = false;
  startButton.disabled = false;
  // back to where it came from, unless it has been moved meanwhile
  const { activeElement } = document;
  const lost = activeElement === document.body || activeElement === cancelButton;
  cancelButton.disabled = true;
  if (lost) startButton.focus({ preventScroll: true });
  results.dataset.state = state;
}
