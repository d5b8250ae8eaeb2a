/** Sizes and rates for people, in decimal units as disks and networks are sold. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** With three significant digits at most: `0 B`, `999 B`, `1.5 kB`, `12 MB`, `345 GB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (unit < UNITS.length - 1 && Math.round(amount) >= 1_000) {
    amount /= 1_000
    unit += 1
  }
  const digits = unit > 0 && amount < 10 ? 1 : 0
  return `${amount.toFixed(digits)} ${UNITS[unit]}`
}

/** The bytes of `text`, like `500MB`, `1.5 GB`, `64KiB` or `0`. Throws a RangeError which shows what would be right. */
export function parseBytes(text: string): number {
  const { amount, prefix, binary } =
    /^(?<amount>\d+(?:\.\d+)?) ?(?:(?<prefix>[kMGTP]?)(?<binary>i?)B)?$/i.exec(text)?.groups ?? {}
  if (amount === undefined || (binary && !prefix))
    throw new RangeError(`'${text}' is not a size; write it like 500MB, 1GB or 64KiB`)
  const power = ['', 'k', 'm', 'g', 't', 'p'].indexOf((prefix ?? '').toLowerCase())
  const bytes = Math.round(Number(amount) * (binary ? 1_024 : 1_000) ** power)
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`the size '${text}' is more than can be counted`)
  return bytes
}
