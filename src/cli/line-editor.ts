/** A line of text being typed: what each key does to it. No terminal, no drawing (line-terminal.ts does that). */

/** A key as `readline.emitKeypressEvents` of Node reports it. */
export interface Key {
  readonly name?: string | undefined
  readonly ctrl?: boolean | undefined
  readonly meta?: boolean | undefined
}

/** What a key did beyond changing the line. */
export type KeyEffect = 'edited' | 'entered' | 'interrupt' | 'end' | 'ignored'

/** Lines that the arrow up brings back. */
const MAX_HISTORY = 100

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

export class LineEditor {
  #text = ''
  /** Index into the text, always between two graphemes. */
  #cursor = 0
  /** Earlier lines, the oldest first, and behind them the one being typed while history is shown. */
  readonly #history: string[] = []
  /** Index into the history, or its length while the typed line is shown. */
  #shown = 0
  #typed = ''

  get text(): string {
    return this.#text
  }

  get cursor(): number {
    return this.#cursor
  }

  press(characters: string | undefined, key: Key): KeyEffect {
    const edit = key.ctrl ? CTRL_KEYS[key.name ?? ''] : KEYS[key.name ?? '']
    if (edit !== undefined) return edit(this)
    if (characters === undefined || key.ctrl || key.meta || !/^\P{Cc}+$/u.test(characters)) return 'ignored'
    return this.insert(characters)
  }

  /** Takes the line that was entered: the editor is empty afterwards. */
  take(): string {
    const line = this.#text
    if (line !== '' && this.#history.at(-1) !== line) this.#history.push(line)
    if (this.#history.length > MAX_HISTORY) this.#history.shift()
    this.#shown = this.#history.length
    this.#replace('', 0)
    return line
  }

  insert(characters: string): KeyEffect {
    const { before, after } = this.#split()
    return this.#replace(before + characters + after, this.#cursor + characters.length)
  }

  moveTo(cursor: number): KeyEffect {
    this.#cursor = cursor
    return 'edited'
  }

  /** Removes what is between the cursor and `index`. */
  removeTo(index: number): KeyEffect {
    const from = Math.min(index, this.#cursor)
    const to = Math.max(index, this.#cursor)
    return this.#replace(this.#text.slice(0, from) + this.#text.slice(to), from)
  }

  /** Where the grapheme left of the cursor starts. */
  get left(): number {
    const { before } = this.#split()
    return this.#cursor - (lastGrapheme(before)?.length ?? 0)
  }

  /** Where the grapheme right of the cursor ends. */
  get right(): number {
    const { after } = this.#split()
    const [first] = graphemes.segment(after)
    return this.#cursor + (first?.segment.length ?? 0)
  }

  /** Where the word left of the cursor starts. */
  get wordLeft(): number {
    return this.#split().before.replace(/\S*\s*$/u, '').length
  }

  showHistory(step: -1 | 1): KeyEffect {
    const shown = this.#shown + step
    if (shown < 0 || shown > this.#history.length) return 'ignored'
    if (this.#shown === this.#history.length) this.#typed = this.#text
    this.#shown = shown
    const text = this.#history[shown] ?? this.#typed
    return this.#replace(text, text.length)
  }

  #replace(text: string, cursor: number): KeyEffect {
    this.#text = text
    this.#cursor = cursor
    return 'edited'
  }

  #split(): { before: string; after: string } {
    return { before: this.#text.slice(0, this.#cursor), after: this.#text.slice(this.#cursor) }
  }
}

type Edit = (line: LineEditor) => KeyEffect

const KEYS: Readonly<Record<string, Edit>> = {
  return: () => 'entered',
  enter: () => 'entered',
  backspace: line => line.removeTo(line.left),
  delete: line => line.removeTo(line.right),
  left: line => line.moveTo(line.left),
  right: line => line.moveTo(line.right),
  home: line => line.moveTo(0),
  end: line => line.moveTo(line.text.length),
  up: line => line.showHistory(-1),
  down: line => line.showHistory(1),
}

/** As in every shell (readline(3), Emacs mode). */
const CTRL_KEYS: Readonly<Record<string, Edit>> = {
  a: line => line.moveTo(0),
  b: line => line.moveTo(line.left),
  c: () => 'interrupt',
  d: line => (line.text === '' ? 'end' : line.removeTo(line.right)),
  e: line => line.moveTo(line.text.length),
  f: line => line.moveTo(line.right),
  h: line => line.removeTo(line.left),
  j: () => 'entered',
  k: line => line.removeTo(line.text.length),
  m: () => 'entered',
  n: line => line.showHistory(1),
  p: line => line.showHistory(-1),
  u: line => line.removeTo(0),
  w: line => line.removeTo(line.wordLeft),
}

function lastGrapheme(text: string): string | undefined {
  return [...graphemes.segment(text)].at(-1)?.segment
}
