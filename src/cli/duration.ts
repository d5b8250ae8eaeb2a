/** Durations as people write them on a command line: `500ms`, `5s`, `2m`, `1h`. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Longest duration taken: what a timer of Node can wait (2^31 - 1 ms, almost 25 days) cut to whole days. */
const MAX_DURATION_MS = 24 * 24 * 3_600_000

/** The milliseconds of `text`. Throws a RangeError which names the text and shows what would be right. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (match === null) throw new RangeError(`'${text}' is not a duration; write it like 500ms, 5s, 2m or 1h`)
  const ms = Number(match[1]) * UNIT_MS[match[2]!]!
  if (ms <= 0 || ms > MAX_DURATION_MS) throw new RangeError(`the duration '${text}' is not between 1ms and 24 days`)
  return ms
}

/** `ms` for people, with three significant digits at most: `0.42 ms`, `12 ms`, `1.5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} m ${Math.round((ms % 60_000) / 1_000)} s`
}
