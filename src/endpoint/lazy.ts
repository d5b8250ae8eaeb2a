/**
 * A part that is loaded when it is first used: a program that stays on its LAN does not carry what leads across the Internet,
 * which is a third of earshot.
 */
export class Lazy<Part> {
  readonly #load: () => Promise<Part>
  #part: Part | undefined

  constructor(load: () => Promise<Part>) {
    this.#load = load
  }

  async get(): Promise<Part> {
    this.#part ??= await this.#load()
    return this.#part
  }

  /** It is loaded already: in virtual time nothing may wait for a disk. */
  provide(part: Part): void {
    this.#part = part
  }
}
