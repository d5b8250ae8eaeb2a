/** Everything that one end of a stage is sent, byte for byte. */

import type { RecordReceiver } from '../../src/session/secure-connection.ts'
import type { End } from './stage.ts'

export class RecordLog implements RecordReceiver {
  readonly records: Uint8Array[] = []

  constructor({ connection }: End) {
    connection.receive(this)
  }

  /** The records since the last call, as hexadecimal digits without gaps between them. */
  take(): string {
    return Buffer.concat(this.records.splice(0)).toString('hex')
  }

  onRecord(plaintext: Uint8Array): void {
    this.records.push(plaintext)
  }

  onWritable(): void {}

  onClosed(): void {}
}
