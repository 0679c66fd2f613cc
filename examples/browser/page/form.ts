import {
  BACKENDS,
  type BackendName,
  BITS,
  MODELS,
  type ModelName,
  OFFERED_METHODS,
  offered,
  SOLVERS,
} from '../shared/choices.js';
import { preferredBackend } from '../shared/preferred.js';
import type { BackendState } from '../shared/protocol.js';
import { DEFAULTS, type ReadLink, readSettings, type Settings } from '../shared/settings.js';
import { byId, element } from './dom.js';

/** The settings as a form. */
export class SettingsForm {
  private readonly form = byId<HTMLFormElement>('settings');
  private readonly notes = byId('notes');
  /** Whether the backend is somebody's choice. */
  private chosen = false;

  /** @param onChange Called when something in it was changed by hand. */
  constructor(onChange: () => void) {
    this.fill('model', MODELS);
    this.fill('method', OFFERED_METHODS);
    this.fill('solver', SOLVERS);
    this.fill(
      'bits',
      BITS.map((name) => ({ name, title: name })),
    );
    byId('backends').append(...BACKENDS.map(({ name, title }) => backendChoice(name, title)));
    byId('dice').addEventListener('click', () => {
      this.field('seed').value = `${crypto.getRandomValues(new Uint32Array(1))[0]! % 1_000_000}`;
      this.changed(onChange);
    });
    this.form.addEventListener('input', ({ target }) => {
      if (target instanceof HTMLInputElement && target.name === 'backend') this.chosen = true;
      this.changed(onChange);
    });
    this.write(DEFAULTS);
  }

  /** What is set; with notes on what does not fit, which the form shows too. */
  read(): ReadLink {
    const values = new FormData(this.form);
    const read = readSettings({ get: (name) => values.get(name) as string | null });
    for (const field of this.form.elements) field.removeAttribute('aria-invalid');
    for (const note of read.notes) {
      const field = this.form.elements.namedItem(note.split(' ')[0]!);
      if (field instanceof HTMLElement) field.setAttribute('aria-invalid', 'true');
    }
    this.note(read.notes);
    return read;
  }

  /**
   * Shows settings.
   * @param chosen Whether somebody chose the backend: else it is the best that the browser has.
   */
  write(settings: Settings, chosen = false): void {
    this.chosen ||= chosen;
    this.field('model').value = settings.model;
    this.showClasses(settings.model);
    for (const [name, value] of Object.entries(settings)) {
      const field = this.form.elements.namedItem(name);
      if (field instanceof RadioNodeList || isField(field)) field.value = `${value}`;
    }
    const folded = ['steps', 'solver', 'guidance', 'check'] as const;
    const usual = folded.every((name) => settings[name] === DEFAULTS[name]);
    if (!usual) this.form.querySelector('details')!.open = true;
    this.showSource();
  }

  /** Says, in words, what was not taken as it was given. */
  note(notes: readonly string[]): void {
    this.notes.textContent = notes.map((note) => `${note}.`).join(' ');
    this.notes.hidden = notes.length === 0;
  }

  /** The files of a packed model that were picked. */
  files(): readonly File[] {
    return [...(byId<HTMLInputElement>('files').files ?? [])];
  }

  /** Disables the backends that are not here, with the reason, and chooses one for who has not. */
  showBackends(states: readonly BackendState[]): void {
    if (!this.chosen) this.choose(preferredBackend(states));
    this.chosen = true;
    for (const { name, available, note } of states) {
      const input = this.backendInput(name);
      input.disabled = !available;
      byId(`backend-${name}`).textContent = note;
      if (available || !input.checked) continue;
      const other = states.find((state) => state.available)!;
      this.choose(other.name);
      this.note([`backend ${name} is not to be had here (${note}): ${other.name} is used`]);
    }
  }

  private choose(name: BackendName): void {
    this.backendInput(name).checked = true;
  }

  private backendInput(name: BackendName): HTMLInputElement {
    return this.form.querySelector<HTMLInputElement>(`input[value="${name}"]`)!;
  }

  private changed(onChange: () => void): void {
    const { model } = this.read().settings;
    if (byId('classes-of').dataset.model !== model) this.showClasses(model);
    this.showSource();
    onChange();
  }

  /** The classes of a model; the choice stays where the model has it too. */
  private showClasses(model: ModelName): void {
    const select = this.field('label');
    const { value } = select;
    const options = offered(model).classes.map((name, i) => ({ name: `${i}`, title: name }));
    this.fill('label', [{ name: 'all', title: 'All different' }, ...options]);
    if (options.some(({ name }) => name === value)) select.value = value;
    byId('classes-of').dataset.model = model;
  }

  /** Shows only the fields that go with where the quantized model comes from. */
  private showSource(): void {
    const source = (this.form.elements.namedItem('source') as RadioNodeList).value;
    for (const part of this.form.querySelectorAll<HTMLElement>('[data-source]')) {
      part.hidden = part.dataset.source !== source;
    }
    const packed = source === 'packed';
    const bits = this.field('bits').value;
    const [, weights, activations] = /^W(\d)A(\d)$/.exec(bits) ?? [];
    const meaning = `${bits}: weights in ${weights} bits, activations in ${activations}.`;
    byId('bits-hint').textContent = packed ? `Of plain rounding. ${meaning}` : meaning;
  }

  private fill(
    name: string,
    options: readonly { readonly name: string; readonly title: string }[],
  ): void {
    const made = options.map(({ name: value, title }) => element('option', { value }, title));
    this.field(name).replaceChildren(...made);
  }

  private field(name: string): HTMLSelectElement | HTMLInputElement {
    return this.form.elements.namedItem(name) as HTMLSelectElement | HTMLInputElement;
  }
}

function backendChoice(name: string, title: string): HTMLElement {
  const note = `backend-${name}`;
  const input = element('input', { type: 'radio', name: 'backend', value: name });
  input.setAttribute('aria-describedby', note);
  return element('label', {}, input, element('span', {}, title), element('small', { id: note }));
}

function isField(
  field: Element | RadioNodeList | null,
): field is HTMLInputElement | HTMLSelectElement {
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement;
}
