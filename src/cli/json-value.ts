/**
 * Any value of a message as JSON, for `--json` and for programs run by `earshot answer`. What JSON cannot say becomes the
 * nearest that it can: bytes an object with their base64, a Map its entries, a Set its members, a BigInt its digits, a
 * Date its ISO 8601 text, and undefined, NaN and the infinities null.
 */

/** One line of JSON text. */
export function toJsonText(value: unknown): string {
  return JSON.stringify(plain(value)) ?? 'null'
}

/** What people and pipes get to see of a value: a text as it is, everything else as JSON. */
export function toText(value: unknown): string {
  return typeof value === 'string' ? value : toJsonText(value)
}

/** `text` as JSON where it is JSON, otherwise the text itself. */
export function fromText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (ArrayBuffer.isView(value)) return { bytes: base64(value) }
  if (value instanceof Map) return [...value].map(plain)
  if (value instanceof Set) return [...value].map(plain)
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

function base64({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}
