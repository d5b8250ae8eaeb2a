/** How far a transfer is, as one line. */

import { formatBytes } from './byte-count.ts'
import { cutToWidth, textWidth } from './text-width.ts'

export interface Progress {
  readonly doneBytes: number
  readonly totalBytes: number
  readonly bytesPerSecond: number
}

/** The name has at most this share of the terminal. */
const LABEL_SHARE = 0.4
const MAX_BAR_WIDTH = 40
/** A bar of fewer columns tells nothing. */
const MIN_BAR_WIDTH = 10

/** `film.mkv to bob  [=====>     ]   45 %   12 MB/s   0:42 left`, in at most `columns` columns. */
export function progressBar(label: string, progress: Progress, columns: number): string {
  const share = shareOf(progress)
  const figures = [
    `${Math.floor(share * 100)} %`.padStart(5),
    `${formatBytes(progress.bytesPerSecond)}/s`.padStart(9),
    timeLeft(progress).padStart(12),
  ].join(' ')
  const room = columns - textWidth(figures) - 2
  const shown = cutToWidth(label, Math.max(8, Math.min(Math.floor(columns * LABEL_SHARE), room)))
  const barWidth = Math.min(MAX_BAR_WIDTH, room - textWidth(shown) - 3)
  const bar = barWidth >= MIN_BAR_WIDTH ? ` ${bracketed(share, barWidth - 2)}` : ''
  return cutToWidth(`${shown}${bar} ${figures}`, columns)
}

/** The same where lines are not redrawn: `film.mkv to bob: 45 % of 1.2 GB, 12 MB/s, 0:42 left`. */
export function progressSentence(label: string, progress: Progress): string {
  const percent = Math.floor(shareOf(progress) * 100)
  const { totalBytes, bytesPerSecond } = progress
  const left = timeLeft(progress)
  return `${label}: ${percent} % of ${formatBytes(totalBytes)}, ${formatBytes(bytesPerSecond)}/s${left && `, ${left}`}`
}

function shareOf({ doneBytes, totalBytes }: Progress): number {
  return totalBytes === 0 ? 0 : doneBytes / totalBytes
}

function bracketed(share: number, width: number): string {
  const filled = Math.round(share * width)
  const line = filled === 0 ? '' : `${'='.repeat(filled - 1)}${filled === width ? '=' : '>'}`
  return `[${line.padEnd(width)}]`
}

/** `0:42 left`, `1:02:03 left`; empty where nothing moves. */
function timeLeft({ doneBytes, totalBytes, bytesPerSecond }: Progress): string {
  if (bytesPerSecond <= 0) return ''
  const seconds = Math.ceil((totalBytes - doneBytes) / bytesPerSecond)
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60]
  if (hours >= 100) return 'days left'
  const rest = String(seconds % 60).padStart(2, '0')
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest} left` : `${minutes}:${rest} left`
}
