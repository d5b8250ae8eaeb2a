/** `earshot broker`: a small MQTT broker, where peers of different networks meet. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import { type BrokerOptions, type BrokerUser, startBroker } from '../../broker.ts'
import type { EarshotError } from '../../errors.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { errorEvent } from '../error-report.ts'
import { details } from '../help.ts'
import { printableText } from '../printable.ts'
import { untilAborted } from '../until-aborted.ts'

const EXAMPLES = `
Peers that share a secret, or know each other's id, find each other here from different networks. The broker cannot read
what they say, and learns neither their ids nor the room. It must be reachable for all of them: run it on a machine with a
public address, or forward the port to it.

Examples:
  $ earshot broker                                     on port 1883, at all addresses of this machine
  $ earshot broker --ws-port 9001                      websockets, too
  $ earshot broker --host 127.0.0.1                    for programs on this machine only
  $ EARSHOT_BROKER_USER=ada:tea earshot broker         lets in only who knows user and password
  $ earshot broker --json`

interface Options {
  readonly host?: string
  readonly port: number
  readonly wsPort?: number
  readonly user?: BrokerUser
  readonly anyTopic?: true
}

export function addBroker(program: Command, run: RunCommand): void {
  program
    .command('broker')
    .description('run a broker where peers of different networks meet')
    .addOption(
      new Option('-p, --port <port>', 'the TCP port, 0 for any free one').default(1883).argParser(portArgument),
    )
    .addOption(new Option('--ws-port <port>', 'a port for websockets, too').argParser(portArgument))
    .addOption(new Option('--host <address>', 'the address to listen at').default(undefined, 'all of this machine'))
    .addOption(
      new Option('--user <name:password>', 'let in only who knows both')
        .env('EARSHOT_BROKER_USER')
        .argParser(userArgument),
    )
    .addOption(new Option('--any-topic', 'serve other programs than earshot, too'))
    .addHelpText('after', details(EXAMPLES))
    .action((options: Options, command: Command) => run(command, context => serve(context, options)))
}

async function serve({ output, interrupt }: CommandContext, options: Options): Promise<void> {
  const onWarning = (error: EarshotError): void => {
    output.event('warning', errorEvent(error))
    output.note(printableText(error.message))
  }
  await using broker = await startBroker({ ...brokerOptions(options), onWarning })
  const { urls } = broker
  output.event('ready', { urls })
  for (const url of urls) output.line(url)
  output.note('peers can meet here; Ctrl-C ends')
  await untilAborted(interrupt.signal)
}

function brokerOptions({ host, port, wsPort, user, anyTopic }: Options): BrokerOptions {
  return {
    port,
    ...(host !== undefined && { host }),
    ...(wsPort !== undefined && { webSocketPort: wsPort }),
    ...(user !== undefined && { user }),
    ...(anyTopic && { anyTopic }),
  }
}

function portArgument(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new InvalidArgumentError(`'${text}' is not a port from 0 to 65535`)
  return port
}

function userArgument(text: string): BrokerUser {
  const [name = '', ...password] = text.split(':')
  if (name === '' || password.join(':') === '') throw new InvalidArgumentError('it is written as name:password')
  return { name, password: password.join(':') }
}
