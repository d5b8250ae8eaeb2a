/** Recorded transcripts of other programs: read, and played as one of their sides on the simulated network. */

import { readFileSync } from 'node:fs'
import type { Clock } from '../../src/platform/clock.ts'

export interface TranscriptLine {
  /** Since the first packet. */
  readonly ms: number
  readonly from: { readonly host: string; readonly port: number }
  readonly to: { readonly host: string; readonly port: number }
  readonly protocol: 'tcp' | 'udp'
  readonly kind: 'SYN' | 'SYN-ACK' | 'FIN' | 'RST' | 'DATA' | 'DGRAM'
  readonly bytes: Uint8Array
}

/** Addresses of the hosts in transcripts. */
export const ADDRESSES: Readonly<Record<string, string>> = { A: '10.77.0.1', B: '10.77.0.2', C: '10.77.0.3' }

const LINE =
  /^ *(?<ms>[\d.]+) (?<from>[\w.]+):(?<fromPort>\d+) > (?<to>[\w.]+):(?<toPort>\d+) (?<protocol>tcp|udp) (?<kind>[A-Z-]+)(?: (?<hex>[0-9a-f]+))?(?: #.*)?$/

export function readTranscript(name: string): readonly TranscriptLine[] {
  const text = readFileSync(new URL(`../vectors/compat/${name}.hex`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('##'))
    .map(line => {
      const fields = LINE.exec(line)?.groups
      if (fields === undefined) throw new Error(`not a line of a transcript: ${line}`)
      return {
        ms: Number(fields['ms']),
        from: { host: fields['from']!, port: Number(fields['fromPort']) },
        to: { host: fields['to']!, port: Number(fields['toPort']) },
        protocol: fields['protocol'] as TranscriptLine['protocol'],
        kind: fields['kind'] as TranscriptLine['kind'],
        bytes: new Uint8Array(Buffer.from(fields['hex'] ?? '', 'hex')),
      }
    })
}

/** The segments that one side sent. */
export function segmentsOf(lines: readonly TranscriptLine[], host: string): readonly Uint8Array[] {
  return lines.filter(({ from, kind }) => from.host === host && kind === 'DATA').map(({ bytes }) => bytes)
}

/** Says each line of one side at its time. */
export function atTheirTimes(
  clock: Clock,
  lines: readonly TranscriptLine[],
  say: (line: TranscriptLine) => void,
): void {
  for (const line of lines) clock.setTimer(line.ms, () => say(line))
}

export function joined(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString('hex')
}
