/** `text` in at most `maxBytes` bytes of UTF-8, cut at a character's border. */
export function boundText(text: string, maxBytes: number): string {
  const { read } = encoder.encodeInto(text, new Uint8Array(maxBytes))
  return read === text.length ? text : text.slice(0, read)
}

const encoder = new TextEncoder()
