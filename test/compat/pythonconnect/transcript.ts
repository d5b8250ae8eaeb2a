/** Recorded transcripts of the real program (test/vectors/pythonconnect-*.hex), a packet a line. */

import { readFileSync } from 'node:fs'

export interface RecordedPacket {
  /** Milliseconds since the first packet. */
  readonly at: number
  /** `A` is 10.77.0.1, `B` is .2. */
  readonly from: 'A' | 'B'
  readonly protocol: 'udp' | 'tcp'
  readonly kind: 'SYN' | 'SYN-ACK' | 'DATA' | 'DGRAM'
  readonly bytes: Uint8Array
}

const LINE = /^\s*(?<at>[\d.]+) (?<from>[AB]):\d+ > \S+ (?<protocol>udp|tcp) (?<kind>[A-Z-]+)(?: (?<hex>[0-9a-f]+))?/

export function readTranscript(name: string): readonly RecordedPacket[] {
  const text = readFileSync(new URL(`../../vectors/pythonconnect-${name}.hex`, import.meta.url), 'utf8')
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('##'))
  return lines.map(line => {
    const { at, from, protocol, kind, hex = '' } = LINE.exec(line)!.groups!
    return { at: Number(at), from, protocol, kind, bytes: Uint8Array.from(Buffer.from(hex, 'hex')) } as RecordedPacket
  })
}
