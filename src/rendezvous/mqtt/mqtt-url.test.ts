import { expect, test } from 'vitest'
import { parseMqttUrl } from './mqtt-url.ts'

test.each([
  ['mqtt://broker.example.org', { protocol: 'mqtt', host: 'broker.example.org', port: 1883, path: '' }],
  ['mqtts://broker.example.org', { protocol: 'mqtts', port: 8883 }],
  ['ws://broker.example.org:9001', { protocol: 'ws', port: 9001, path: '/', label: 'ws://broker.example.org:9001/' }],
  [
    'wss://broker.example.org/mqtt?key=1',
    { port: 443, path: '/mqtt?key=1', label: 'wss://broker.example.org:443/mqtt' },
  ],
  ['mqtt://[2001:db8::1]:1884', { host: '2001:db8::1', port: 1884, label: 'mqtt://[2001:db8::1]:1884' }],
  ['mqtt://ada:t%3Aea@b.example', { username: 'ada', password: 't:ea', label: 'mqtt://b.example:1883' }],
  ['mqtt://ada:100%25%@b.example', { username: 'ada', password: '100%25%' }],
])('%s', (url, parts) => {
  expect(parseMqttUrl(url)).toMatchObject(parts)
})

test.each(['', 'broker.example.org', 'http://broker.example.org', 'mqtt://', 'mqtt:broker', 'ws://b.example/#x'])(
  '%j is no URL of a broker',
  url => {
    expect(() => parseMqttUrl(url)).toThrow(TypeError)
  },
)

test('what is wrong is shown without its password', () => {
  expect(() => parseMqttUrl('http://ada:tea@b.example')).toThrow(/not 'http:\/\/b\.example'/)
})
