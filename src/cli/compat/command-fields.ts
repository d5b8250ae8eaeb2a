/** Fields of a command of a JSON bridge: checked where they are used, with the name in the complaint. */

import { UsageError } from '../exit-code.ts'
import { toJsonText } from '../json-value.ts'

/** One line of input: an object, its fields unchecked. */
export type BridgeCommand = Readonly<Record<string, unknown>>

export function textField(command: BridgeCommand, name: string): string {
  const value = command[name]
  if (typeof value !== 'string') throw new UsageError(`${name} must be a text, not ${toJsonText(value)}`)
  return value
}

export function booleanField(command: BridgeCommand, name: string): boolean {
  const value = command[name]
  if (typeof value !== 'boolean') throw new UsageError(`${name} must be true or false, not ${toJsonText(value)}`)
  return value
}

/** Undefined where it is left out. */
export function optionalField<T>(
  command: BridgeCommand,
  name: string,
  read: (command: BridgeCommand, name: string) => T,
): T | undefined {
  return command[name] === undefined ? undefined : read(command, name)
}

export function numberField(command: BridgeCommand, name: string): number {
  const value = command[name]
  if (typeof value !== 'number') throw new UsageError(`${name} must be a number, not ${toJsonText(value)}`)
  return value
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Base64 (RFC 4648 section 4), padded. */
export function base64Field(command: BridgeCommand, name: string): Uint8Array {
  const text = textField(command, name)
  if (!BASE64.test(text)) throw new UsageError(`${name} must be base64 with its padding, not ${toJsonText(text)}`)
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/** `data`, any JSON, or `bytes` in base64: what a command sends. */
export function payloadOf(command: BridgeCommand): unknown {
  if (command['bytes'] !== undefined && command['data'] !== undefined)
    throw new UsageError('a command sends data or bytes, not both')
  if (command['bytes'] !== undefined) return base64Field(command, 'bytes')
  if (command['data'] === undefined) throw new UsageError('data is missing, or bytes')
  return command['data']
}
