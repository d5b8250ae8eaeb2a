/** Shows what does not work while the rest goes on. */

import type { Room } from '../index.ts'
import { errorEvent } from './error-report.ts'
import type { Output } from './output.ts'
import { printableText } from './printable.ts'

/** @param note where people get to see it. @default stderr */
export function showWarnings(
  room: Room,
  output: Output,
  note: (text: string) => void = text => output.note(text),
): void {
  room.on('warning', warning => {
    output.event('warning', errorEvent(warning))
    note(printableText(`warning: ${warning.message}`))
  })
}
