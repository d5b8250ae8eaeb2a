/** `earshot chat [ROOM]`: talk line by line, on a terminal or through pipes. */

import type { Command } from 'commander'
import { chatInRoom } from '../chat-session.ts'
import type { RunCommand } from '../command-context.ts'
import { details } from '../help.ts'
import { visitRoom } from '../visit-room.ts'

const EXAMPLES = `
On a terminal, Ctrl-D leaves. Through pipes, lines from stdin wait until somebody is here; stdout has the lines of the
others as 'name: text'; at the end of stdin everything is sent, and the chat is left. Lines that are left then wait for
somebody as long as --timeout says (default here: 30s).

Examples:
  $ earshot chat
  $ earshot chat kitchen --name Ada
  $ earshot chat --peer 192.168.0.2:4112
  $ make 2>&1 | tail -1 | earshot chat
  $ sleep 60 | earshot chat --json`

export function addChat(program: Command, run: RunCommand): void {
  program
    .command('chat')
    .description('talk to everybody in a room')
    .argument('[room]', 'the room, instead of --room')
    .addHelpText('after', details(EXAMPLES))
    .action((room: string | undefined, _options: unknown, command: Command) =>
      run(command, given => {
        const context = { ...given, settings: { ...given.settings, room: room ?? given.settings.room } }
        return visitRoom(context, { visible: true }, joined => chatInRoom(context, joined))
      }),
    )
}
