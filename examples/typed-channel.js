/**
 * A channel with a schema: what does not fit is refused where it is sent, and dropped where it arrives. Any Standard
 * Schema does; this one is of Zod (npm install zod).
 *
 *   npm run build
 *   node examples/typed-channel.js black        and in another terminal:
 *   node examples/typed-channel.js white
 */

import { join } from 'earshot'
import { z } from 'zod'

const [name = 'black'] = process.argv.slice(2)
const room = await join('example-board', { name })
process.once('SIGINT', () => room.close())

const moves = room.channel('moves', { schema: z.object({ column: z.number().int(), row: z.number().int() }) })

moves.on('message', ({ data: { column, row }, from }) => console.log(`${from.name} plays ${column}/${row}`))

const opponent = await room.once('peer')
await moves.send({ column: 3, row: 4 }, { to: opponent, receipt: true })
await moves.send({ column: 'three', row: 4 }).catch(error => console.log(`refused: ${error.code}`))
