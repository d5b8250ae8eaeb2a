/**
 * Answer questions: a sensor that tells what it measures. `ask-all.js` asks it.
 *
 *   npm run build
 *   node examples/thermometer.js Balcony        Ctrl-C ends
 */

import { join } from 'earshot'

const [name = 'thermometer'] = process.argv.slice(2)
const room = await join('example-sensors', { name, info: { measures: ['temperature'] } })
process.once('SIGINT', () => room.close())

room.answer('temperature', ({ unit = 'celsius' } = {}, { from }) => {
  console.log(`${from.name} asks for ${unit}`)
  const celsius = Math.round(measure() * 10) / 10
  if (unit === 'celsius') return celsius
  if (unit === 'fahrenheit') return celsius * 1.8 + 32
  // Reaches the asker as the code 'answer-failed' with this message as the reason.
  throw new Error(`cannot measure in ${unit}`)
})

console.log(`${name} is ready`)

function measure() {
  return 18 + 6 * Math.random()
}
