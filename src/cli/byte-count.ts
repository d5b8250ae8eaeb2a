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
