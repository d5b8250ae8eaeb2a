/** `earshot compat peerpy`: a peer among those of the Python program peerpy. */

import { type Command, InvalidArgumentError } from 'commander'
import { type DataType, type PeerpyConnection, PeerpyPeer, type PeerpyPeerOptions } from '../../compat/peerpy.ts'
import { EarshotError } from '../../errors.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { countArgument } from '../settings.ts'
import { type BridgeCommand, booleanField, numberField, optionalField, payloadOf, textField } from './command-fields.ts'
import { JsonBridge } from './json-bridge.ts'

const DETAILS = `
Commands on stdin:
  {"op":"discover"}
  {"op":"connect","address":"192.168.0.2:51002","dataType":"json"|"bytes"|"raw","strict":true}
  {"op":"send","to":"192.168.0.2:51002","data":…}   or "bytes":"base64"
  {"op":"broadcast","data":…}                       to all that are connected
  {"op":"admit","value":false}                      the answer to all further offers
  {"op":"disconnect","to":"192.168.0.2:51002"}
  {"op":"close"}
Events on stdout: listening, found, offer, peer, message, gone, error.

Examples:
  $ earshot compat peerpy --listen 51001 --json
  $ earshot compat peerpy --listen 192.168.0.5:51001 --invisible --json`

interface PeerpyOptions {
  readonly listen?: Pick<PeerpyPeerOptions, 'host' | 'port'>
  readonly invisible?: boolean
  readonly maxConnections?: number
  readonly maxMessage?: number
}

export function addPeerpy(group: Command, run: RunCommand): void {
  group
    .command('peerpy')
    .description('be a peer of peerpy (Rubilmax/peerpy), by JSON lines')
    .option('-l, --listen <[address:]port>', 'where to listen (default: any free port)', listenArgument)
    .option('--invisible', 'do not answer those who look for peers')
    .option('--max-connections <number>', 'then callers wait for a place', countArgument)
    .option('--max-message <bytes>', 'longest message sent; the program mostly fails at more than 8192', countArgument)
    .addHelpText('after', details(DETAILS))
    .action((options: PeerpyOptions, command: Command) => run(command, context => bridge(context, options)))
}

async function bridge(context: CommandContext, options: PeerpyOptions): Promise<void> {
  const peer = await listen(context, options)
  try {
    const session = new PeerpySession(peer)
    const json = new JsonBridge(context, {
      operations: session.operations,
      errorCodes: { refused: 'denied' },
    })
    session.tellTo(json)
    await json.run()
  } finally {
    await peer.close()
  }
}

/** What the library says about a wrong argument is about what the user typed. */
async function listen({ settings, interrupt }: CommandContext, options: PeerpyOptions): Promise<PeerpyPeer> {
  const { timeoutMs, interfaces } = settings
  try {
    return await PeerpyPeer.listen({
      ...options.listen,
      ...(options.maxConnections !== undefined && { maxConnections: options.maxConnections }),
      ...(options.maxMessage !== undefined && { maxMessageBytes: options.maxMessage }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(interfaces.length > 0 && { interfaces: { include: interfaces } }),
      invisible: options.invisible ?? false,
      signal: interrupt.signal,
    })
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

class PeerpySession {
  readonly operations = {
    discover: (): Promise<void> => this.#discover(),
    connect: (command: BridgeCommand): Promise<unknown> => this.#connect(command),
    send: (command: BridgeCommand): Promise<void> => this.#send(command),
    broadcast: (command: BridgeCommand): Promise<void> => this.#broadcast(command),
    admit: (command: BridgeCommand): void => this.#admit(command),
    disconnect: (command: BridgeCommand): Promise<void> => this.#disconnect(command),
  }
  readonly #peer: PeerpyPeer
  /** By address: what is sent there meanwhile waits. */
  readonly #connecting = new Map<string, Promise<unknown>>()
  #bridge: JsonBridge | undefined

  constructor(peer: PeerpyPeer) {
    this.#peer = peer
  }

  tellTo(bridge: JsonBridge): void {
    const peer = this.#peer
    this.#bridge = bridge
    peer.on('listen', ({ address }) => bridge.tell('listening', { address }))
    peer.on('offer', ({ id, dataType, strict }) => bridge.tell('offer', { id, dataType, strict }))
    peer.on('connection', ({ id, dataType, strict }) => bridge.tell('peer', { id, dataType, strict }))
    peer.on('data', ({ data, from }) => bridge.tell('message', { from: from.id, ...payloadFields(data) }))
    peer.on('close', ({ connection }) => bridge.tell('gone', { id: connection.id }))
    peer.on('warning', error => bridge.tellError(error))
  }

  async #discover(): Promise<void> {
    for await (const address of this.#peer.discover()) this.#bridge?.tell('found', { address })
  }

  async #connect(command: BridgeCommand): Promise<unknown> {
    const address = textField(command, 'address')
    const connecting = this.#peer.connect(address, {
      dataType: (optionalField(command, 'dataType', textField) ?? 'json') as DataType,
      strict: optionalField(command, 'strict', booleanField) ?? true,
      stream: optionalField(command, 'stream', booleanField) ?? false,
      ...optionalNumber(command, 'streamSizeBytes'),
      ...optionalNumber(command, 'timeoutMs'),
    })
    const settled = connecting.then(
      () => {},
      () => {},
    )
    this.#connecting.set(address, settled)
    await settled
    if (this.#connecting.get(address) === settled) this.#connecting.delete(address)
    return connecting
  }

  async #send(command: BridgeCommand): Promise<void> {
    const payload = payloadOf(command)
    const connection = await this.#connectionOf(command)
    await connection.send(payload)
  }

  async #broadcast(command: BridgeCommand): Promise<void> {
    const deliveries = await this.#peer.broadcast(payloadOf(command))
    for (const delivery of deliveries) if (!delivery.ok) this.#bridge?.tellError(delivery.error)
  }

  #admit(command: BridgeCommand): void {
    const value = booleanField(command, 'value')
    this.#peer.admit = () => value
  }

  async #disconnect(command: BridgeCommand): Promise<void> {
    const connection = await this.#connectionOf(command)
    await connection.close()
  }

  async #connectionOf(command: BridgeCommand): Promise<PeerpyConnection> {
    const to = textField(command, 'to')
    await this.#connecting.get(to)
    const connection = this.#peer.connection(to)
    if (connection === undefined) throw new EarshotError('unknown-peer', `there is no connection with ${to}`)
    return connection
  }
}

function payloadFields(data: unknown): Readonly<Record<string, unknown>> {
  return data instanceof Uint8Array ? { bytes: Buffer.from(data).toString('base64') } : { data }
}

function optionalNumber<Name extends string>(command: BridgeCommand, name: Name): { readonly [key in Name]?: number } {
  const value = optionalField(command, name, numberField)
  return (value === undefined ? {} : { [name]: value }) as { readonly [key in Name]?: number }
}

/** `51002`, or `192.168.0.5:51002`. */
function listenArgument(text: string): Pick<PeerpyPeerOptions, 'host' | 'port'> {
  const [, host, digits = ''] = /^(?:([\d.]+):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === '' || port > 65_535)
    throw new InvalidArgumentError(`'${text}' is not a port, nor an address and a port`)
  return host === undefined ? { port } : { host, port }
}
