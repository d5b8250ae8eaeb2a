/**
 * Makes the garbage collector come sooner while much is moved. Buffers are outside its heap, and it comes only when they have
 * grown by 64 MB, whatever became of them; on Node 24 and later that, and what moves until it is done, leaves a program with
 * 90 MB of garbage. There is no call to tell it, but a buffer that is never touched tells it just that: it counts, and takes
 * no memory. Costs about a tenth more CPU time in bulk transfers there.
 */

const NEEDS_PRESSURE = Number.parseInt(process.versions.node, 10) >= 24
/** So much is moved for one such buffer of the same size. Few large ones do what many small ones do, and cost the system less. */
const STEP_BYTES = 8_388_608
const UNTOUCHED = { maxByteLength: STEP_BYTES }

let movedBytes = 0

/** So many bytes of garbage were made, by us or by who sends or reads. Never throws. */
export function onGarbage(bytes: number): void {
  if (!NEEDS_PRESSURE) return
  movedBytes += bytes
  if (movedBytes < STEP_BYTES) return
  movedBytes = 0
  makeUntouchedBuffer()
}

/** A buffer that may grow is reserved by the system page by page, when it is written to. */
function makeUntouchedBuffer(): void {
  const Resizable = ArrayBuffer as unknown as new (length: number, options: typeof UNTOUCHED) => ArrayBuffer
  try {
    new Resizable(STEP_BYTES, UNTOUCHED)
  } catch {
    // No address space is left. Before it says so, the collector has run, which is what was wanted.
  }
}
