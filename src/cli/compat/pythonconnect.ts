/** `earshot compat pythonconnect`: a node among the devices of pythonConnect, used by JSON lines. */

import type { Command } from 'commander'
import { PythonConnectNode, type PythonConnectOptions } from '../../compat/pythonconnect.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { warnOfMissingInterfaces } from '../missing-interfaces.ts'
import { durationArgument, type Settings } from '../settings.ts'
import { type BridgeCommand, numberField, optionalField, textField } from './command-fields.ts'
import { JsonBridge } from './json-bridge.ts'

const EXAMPLES = `
Commands:
  {"op":"send","to":"NAME"|["A","B"]|"all","data":"text"}
  {"op":"ask","to":"NAME"|["A","B"]|"all","question":"text","timeoutMs":2000}
  {"op":"answer","value":"text"}    the reply to every question from now on
  {"op":"close"}

Events: ready, peer {id}, gone {id}, message {from, data}, question {from, question}, answer {from, value}, error {code,
message}. The id of a device is its name; value is null where no answer came in time.

Examples:
  $ earshot compat pythonconnect --name desk --json`

/** The word for everybody in `to`; a device of this name is meant by `["all"]`. */
const EVERYBODY = 'all'

export function addPythonConnect(group: Command, run: RunCommand): void {
  group
    .command('pythonconnect')
    .description('join the devices of pythonConnect on this network')
    .option(
      '--pace <duration>',
      'time a device is given to read a frame before the next, for slow ones more (default: 20ms)',
      durationArgument,
    )
    .addHelpText('after', details(EXAMPLES))
    .action(({ pace }: { pace?: number }, command: Command) =>
      run(command, context => joinDevices(context, pace === undefined ? {} : { paceMs: pace })),
    )
}

async function joinDevices(context: CommandContext, options: PythonConnectOptions): Promise<void> {
  const { settings, interrupt } = context
  warnOfMissingInterfaces(context)
  await using node = await joinAs(settings, options)
  // Until there is one, questions are told and not answered.
  let reply: string | undefined
  const bridge = new JsonBridge(context, {
    operations: {
      send: command => send(node, command),
      ask: command => ask(node, bridge, command),
      answer: command => {
        reply = textField(command, 'value')
      },
    },
  })
  tellEvents(node, bridge, () => reply)
  bridge.tell('ready', { id: node.name })
  interrupt.signal.throwIfAborted()
  await bridge.run()
}

/** What the library says about a wrong argument is about what the user typed. */
async function joinAs({ name, interfaces }: Settings, options: PythonConnectOptions): Promise<PythonConnectNode> {
  try {
    return await PythonConnectNode.join({
      ...options,
      ...(name !== undefined && { name }),
      ...(interfaces.length > 0 && { interfaces: { include: interfaces } }),
    })
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

function tellEvents(node: PythonConnectNode, bridge: JsonBridge, reply: () => string | undefined): void {
  node.on('peer', ({ name }) => bridge.tell('peer', { id: name }))
  node.on('peer-gone', ({ peer }) => bridge.tell('gone', { id: peer.name }))
  node.on('message', ({ data, from }) => bridge.tell('message', { from: from.name, data }))
  node.on('warning', error => bridge.tellError(error))
  node.answer((question, { from }) => {
    bridge.tell('question', { from: from.name, question })
    return reply()
  })
}

async function send(node: PythonConnectNode, command: BridgeCommand): Promise<void> {
  const data = textField(command, 'data')
  const to = targets(command)
  await node.send(data, to === EVERYBODY ? {} : { to })
}

async function ask(node: PythonConnectNode, bridge: JsonBridge, command: BridgeCommand): Promise<void> {
  const question = textField(command, 'question')
  const timeoutMs = optionalField(command, 'timeoutMs', numberField)
  const to = targets(command)
  const names = to === EVERYBODY ? node.peers.map(({ name }) => name) : to
  const answers = await node.ask(names, question, timeoutMs === undefined ? {} : { timeoutMs })
  for (const [from, value] of answers) bridge.tell('answer', { from, value })
}

function targets(command: BridgeCommand): string | readonly string[] {
  const { to } = command
  if (typeof to === 'string' || (Array.isArray(to) && to.every(name => typeof name === 'string'))) return to
  throw new UsageError(`to must be a name, an array of names, or "${EVERYBODY}"`)
}
