/** What is going to happen, in order of virtual time; of two events at the same instant the older one comes first. */

export interface QueuedEvent {
  readonly at: number
  /** Counts up with every event added, which makes the order total. */
  readonly order: number
  isCancelled: boolean
}

/** Below this many cancelled events it is not worth sweeping them out. */
const SWEEP_FROM = 1_024

/** A binary heap. Cancelled events stay where they are until they come up, or until they are the greater part. */
export class EventQueue<Event extends QueuedEvent> {
  #heap: Event[] = []
  #cancelled = 0

  push(event: Event): void {
    this.#heap.push(event)
    this.#rise(this.#heap.length - 1)
  }

  /** The next event that is not cancelled. */
  peek(): Event | undefined {
    while (this.#heap[0]?.isCancelled) {
      this.#removeFirst()
      this.#cancelled--
    }
    return this.#heap[0]
  }

  /** Removes and returns what `peek` shows. */
  shift(): Event | undefined {
    const first = this.peek()
    if (first !== undefined) this.#removeFirst()
    return first
  }

  cancel(event: Event): void {
    event.isCancelled = true
    this.#cancelled++
    if (this.#cancelled > SWEEP_FROM && this.#cancelled > this.#heap.length / 2) this.#sweep()
  }

  #sweep(): void {
    // A sorted array is a heap.
    this.#heap = this.#heap.filter(event => !event.isCancelled).sort((a, b) => (isBefore(a, b) ? -1 : 1))
    this.#cancelled = 0
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #rise(index: number): void {
    const heap = this.#heap
    const event = heap[index]!
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = event
  }

  #sink(index: number): void {
    const heap = this.#heap
    const event = heap[index]!
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, event)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = event
  }
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
