import { methodTitle } from '../shared/choices.js';
import type { Stage } from '../shared/protocol.js';
import type { Settings } from '../shared/settings.js';
import { byId } from './dom.js';

/** The stages of a run in their order, each with about the share of the time that it takes. */
function planOf({ source, calibration }: Settings): readonly (readonly [Stage, number])[] {
  const original = [
    ['download', 4],
    ['draw fp32', 12],
  ] as const;
  if (source === 'packed') {
    return [
      ['backend', 3],
      ['open small', 4],
      ...original,
      ['quantize rtn', 10],
      ['draw rtn', 6],
      ['check small', 4],
      ['draw small', 6],
      ['measure', 8],
    ];
  }
  return [
    ['backend', 3],
    ...original,
    ['calibrate', calibration === 'quick' ? 14 : 70],
    ['quantize rtn', 14],
    ['draw rtn', 6],
    ['quantize small', 50],
    ['check small', 4],
    ['draw small', 6],
  ];
}

/** How far a run is: a bar, words beside it, and for those who listen only what is new. */
export class ProgressView {
  private readonly bar = byId<HTMLProgressElement>('bar');
  private readonly label = byId('stage');
  private readonly status = byId('status');
  private readonly problem = byId('problem');
  private settings: Settings | null = null;
  private stage: Stage | null = null;

  /** Begins anew. */
  begin(settings: Settings): void {
    this.settings = settings;
    this.stage = null;
    this.bar.value = 0;
    this.problem.hidden = true;
    this.say('Starting.');
  }

  /** Shows the stage, and how much of it is done. */
  show(stage: Stage, share: number): void {
    const plan = planOf(this.settings!);
    const total = plan.reduce((sum, [, weight]) => sum + weight, 0);
    let done = 0;
    for (const [one, weight] of plan) {
      if (one === stage) {
        done += share * weight;
        break;
      }
      done += weight;
    }
    this.bar.value = Math.max(this.bar.value, done / total);
    const text = wordsOf(stage, this.settings!);
    const percent = document.createElement('span');
    percent.textContent = `${Math.floor(100 * this.bar.value)} %`;
    this.label.replaceChildren(`${text} …`, percent);
    if (stage !== this.stage) this.status.textContent = `${text}.`;
    this.stage = stage;
  }

  /** The end, in words; `full` where all was done. */
  end(text: string, full: boolean): void {
    if (full) this.bar.value = 1;
    this.say(text);
  }

  /** What went wrong, in words. */
  fail(message: string): void {
    this.say('Stopped by a problem.');
    this.problem.textContent = message;
    this.problem.hidden = false;
  }

  private say(text: string): void {
    this.label.textContent = text;
    this.status.textContent = text;
  }
}

function wordsOf(stage: Stage, { method, bits }: Settings): string {
  const title = methodTitle(method);
  switch (stage) {
    case 'backend':
      return 'Starting the backend';
    case 'download':
      return 'Loading the model';
    case 'draw fp32':
      return 'The original denoises';
    case 'calibrate':
      return 'Calibrating: the layers are watched while the original draws other pictures';
    case 'quantize rtn':
      return `Rounding to nearest at ${bits}`;
    case 'draw rtn':
      return 'The rounded model denoises';
    case 'quantize small':
      return `Quantizing at ${bits}: ${title}`;
    case 'open small':
      return 'Loading and checking the packed model';
    case 'check small':
      return 'Checking a few layers of the quantized model against their definition';
    case 'draw small':
      return 'The quantized model denoises';
    case 'measure':
      return 'Measuring every layer of both quantized models';
    default:
      return stage satisfies never;
  }
}
