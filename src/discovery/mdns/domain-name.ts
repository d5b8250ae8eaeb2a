/**
 * Domain names as text (RFC 1035 section 5.1): labels joined by dots; a dot or backslash inside a label is escaped by a
 * backslash, so that the service instance "Dr. Ada" is `Dr\. Ada._http._tcp.local`. Names compare without regard to the
 * case of ASCII letters, and of those only (RFC 6762 section 16).
 */

const encoder = new TextEncoder()

/** A name of 255 bytes on the wire, length bytes and the root label included (RFC 1035 section 2.3.4). */
const MAX_WIRE_BYTES = 255
const MAX_LABEL_BYTES = 63

/** The labels, unescaped, the leftmost first. A dot at the end is taken for the root and adds none. */
export function splitName(name: string): string[] {
  if (!name.includes('\\')) return name.split('.').filter((label, i, all) => label !== '' || i < all.length - 1)
  const labels: string[] = []
  let label = ''
  for (let i = 0; i < name.length; i++) {
    const character = name[i]!
    if (character === '\\' && i + 1 < name.length) {
      label += name[++i]!
    } else if (character === '.') {
      labels.push(label)
      label = ''
    } else {
      label += character
    }
  }
  if (label !== '') labels.push(label)
  return labels
}

/** The counterpart of `splitName`. */
export function joinLabels(labels: readonly string[]): string {
  return labels.map(label => (/[.\\]/.test(label) ? label.replace(/[.\\]/g, '\\$&') : label)).join('.')
}

/** What two spellings of one name have in common. */
export function nameKey(name: string): string {
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, upper => upper.toLowerCase()) : name
}

/**
 * A line break of any kind. RFC 6763 section 4.1.1 forbids most of them in names; `dns-packet` takes dots beside one for
 * the end of the name; and no terminal shows them well. So no name here has one.
 */
export const LINE_BREAK: RegExp = /[\n\r\u2028\u2029]/

/** True where the name can stand in a message: labels of 1 to 63 bytes, at most 255 bytes in all, no line breaks. */
export function isEncodableName(name: string): boolean {
  if (LINE_BREAK.test(name)) return false
  let bytes = 1
  for (const label of splitName(name)) {
    const length = encoder.encode(label).length
    if (length === 0 || length > MAX_LABEL_BYTES) return false
    bytes += length + 1
  }
  return bytes <= MAX_WIRE_BYTES
}
