import { expect, test } from 'vitest'
import { findingLines, type ShownFinding } from './finding-view.ts'
import { styleFor } from './style.ts'

const PLAIN = styleFor({}, {})
const FINDING: ShownFinding = {
  check: 'multicast',
  subject: 'eth0 IPv4',
  verdict: 'problem',
  message: 'it does not come back to this machine',
  hint: 'Allow it in the firewall.',
}

test('verdict, what it is about, what was found, and how to mend it', () => {
  expect(findingLines(FINDING, PLAIN, Number.POSITIVE_INFINITY)).toEqual([
    'problem  mDNS eth0 IPv4            it does not come back to this machine',
    '                                   → Allow it in the firewall.',
  ])
})

test('a terminal that is narrow gets shorter lines, one that is very narrow does it itself', () => {
  const lines = findingLines(FINDING, PLAIN, 60)
  expect(lines.map(line => line.length <= 60)).not.toContain(false)
  expect(lines).toHaveLength(4)
  expect(findingLines(FINDING, PLAIN, 40)).toHaveLength(2)
})

test('a long subject has a line of its own', () => {
  const lines = findingLines({ ...FINDING, subject: 'wss://broker.example.org/mqtt' }, PLAIN, 200)
  expect(lines[0]).toBe('problem  mDNS wss://broker.example.org/mqtt')
  expect(lines[1]).toBe('                                   it does not come back to this machine')
})

test('what others wrote cannot paint', () => {
  const finding = { ...FINDING, subject: 'a\u001b[2J', message: 'b\u202e', hint: 'c\n' }
  const shown = findingLines(finding, PLAIN, 100).join('|')
  expect(['\u001b', '\u202e', '\n'].filter(each => shown.includes(each))).toEqual([])
})

test('on a terminal verdicts have colours', () => {
  const style = styleFor({ isTTY: true }, {})
  const first = (verdict: ShownFinding['verdict']) => findingLines({ ...FINDING, verdict }, style, 100)[0]
  expect([first('ok'), first('note'), first('problem')].map(line => line?.slice(0, 5))).toEqual(
    ['32', '33', '31'].map(colour => `\u001b[${colour}m`),
  )
})
