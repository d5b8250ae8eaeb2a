/** The command line: which commands there are, and what they say about themselves. */

import { Command } from 'commander'
import type { RunCommand } from './command-context.ts'
import { addAnswer } from './commands/answer.ts'
import { addAsk } from './commands/ask.ts'
import { addBroker } from './commands/broker.ts'
import { addChat } from './commands/chat.ts'
import { addConnect } from './commands/connect.ts'
import { addDoctor } from './commands/doctor.ts'
import { addInterfaces } from './commands/interfaces.ts'
import { addNat } from './commands/nat.ts'
import { addPing } from './commands/ping.ts'
import { addPipe } from './commands/pipe.ts'
import { addReceive } from './commands/receive.ts'
import { addRelay } from './commands/relay.ts'
import { addSend } from './commands/send.ts'
import { addWho } from './commands/who.ts'
import { addCompat } from './compat/compat.ts'
import { details, HELP_LAYOUT, reportUsage } from './help.ts'
import { addSettings } from './settings.ts'

const DETAILS = `
Examples:
  $ earshot                          who is around, in every room
  $ earshot chat                     talk to everybody in the room 'lobby'
  $ earshot chat kitchen --name Ada  in another room, under another name
  $ earshot ask Ada weather          ask one peer a question
  $ earshot answer time -- date      answer questions by running a command
  $ earshot pipe Ada < film.mkv      stdin to where 'earshot pipe' waits
  $ earshot receive ~/Downloads      take files
  $ earshot send film.mkv --to Ada   send one
  $ earshot doctor                   what is wrong here, and how to mend it

Exit codes: 0 done, 1 failed, 2 bad usage, 3 nobody found, 4 refused, 130 interrupted.

Environment: NO_COLOR for plain text; EARSHOT_SECRET, EARSHOT_RENDEZVOUS, EARSHOT_STUN, EARSHOT_TURN (and EARSHOT_TURN_USER,
EARSHOT_TURN_PASSWORD) and EARSHOT_BROKER_USER instead of the options of these names; EARSHOT_DEBUG for stack traces.`

/** The program; parsing a command line runs its command through `run`. Errors of usage are thrown, not exited. */
export function createProgram(version: string, run: RunCommand): Command {
  const program = new Command('earshot')
    .description('Find the devices around you and talk to them directly: encrypted, no server, nothing to set up.')
    .usage('[command] [options]')
    .version(version)
    .exitOverride()
    .configureHelp(HELP_LAYOUT)
    .configureOutput({ outputError: (text, write) => write(reportUsage(text)) })
    .showSuggestionAfterError()
    .addHelpText('after', details(DETAILS))
  addSettings(program)
  addWho(program, run)
  addChat(program, run)
  addConnect(program, run)
  addAsk(program, run)
  addAnswer(program, run)
  addSend(program, run)
  addReceive(program, run)
  addPing(program, run)
  addPipe(program, run)
  addInterfaces(program, run)
  addNat(program, run)
  addDoctor(program, run)
  addCompat(program, run)
  addBroker(program, run)
  addRelay(program, run)
  return program
}
