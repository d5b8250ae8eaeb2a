import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeDeviceDescription } from './device-description.ts'
import { deviceUrl } from './device-url.ts'
import { decodeSoapAnswer, encodeSoapAction } from './soap.ts'
import { childText, parseXml, type XmlElement } from './xml.ts'

const LOCATION = 'http://192.168.1.1:5000/desc/root.xml'
const encode = (text: string) => new TextEncoder().encode(text)

function describeServices(...services: readonly [type: string, controlUrl: string][]): Uint8Array {
  const list = services.map(
    ([type, url]) =>
      `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${url}</controlURL></service>`,
  )
  return encode(
    `<root><device><deviceList><device><serviceList>${list.join('')}</serviceList></device></deviceList></device></root>`,
  )
}

describe('a device description', () => {
  test('names the services that map ports, the better ones first, and their URLs', () => {
    const bytes = describeServices(
      ['WANPPPConnection:1', 'ppp'],
      ['Layer3Forwarding:1', '/x'],
      ['WANIPConnection:1', '/ctl?a=b'],
    )

    expect(decodeDeviceDescription(bytes, LOCATION, '192.168.1.1')).toEqual([
      {
        type: 'urn:schemas-upnp-org:service:WANIPConnection:1',
        control: { to: { address: '192.168.1.1', port: 5_000 }, path: '/ctl?a=b' },
      },
      {
        type: 'urn:schemas-upnp-org:service:WANPPPConnection:1',
        control: { to: { address: '192.168.1.1', port: 5_000 }, path: '/desc/ppp' },
      },
    ])
  })

  test.each([
    'http://10.0.0.1/ctl',
    'https://192.168.1.1/ctl',
    'http://a:b@192.168.1.1/ctl',
    'file:///etc/passwd',
    '//evil/x',
    'x'.repeat(1_100),
  ])('a control URL %s counts as not there', url => {
    expect(decodeDeviceDescription(describeServices(['WANIPConnection:1', url]), LOCATION, '192.168.1.1')).toEqual([])
  })

  test('is one or a protocol violation, whatever the bytes', () => {
    const token = fc.constantFrom(
      '<root>',
      '</root>',
      '<service>',
      '</service>',
      '<serviceType>',
      '</serviceType>',
      'urn:schemas-upnp-org:service:WANIPConnection:1',
      '<controlURL>',
      '</controlURL>',
      '/x',
      '<URLBase>',
      '</URLBase>',
    )
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.array(token).map(tokens => encode(tokens.join(''))),
      fc.array(token).map(tokens => encode(`<root>${tokens.join('')}</root>`)),
    )
    fc.assert(
      fc.property(bytes, source => {
        try {
          decodeDeviceDescription(source, LOCATION, '192.168.1.1')
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('a URL of a device', () => {
  test('has the zone that the device was seen with', () => {
    expect(deviceUrl('http://[fe80::1]/x', 'fe80::1%eth0')).toEqual({
      to: { address: 'fe80::1%eth0', port: 80 },
      path: '/x',
    })
  })

  test('may lead to another address that is known to be of the device', () => {
    const isItsAddress = (host: string) => host === '2001:db8::1'
    const url = 'http://[2001:db8::1]:5000/x'

    expect(deviceUrl(url, 'fe80::1%eth0', { isItsAddress }).to).toEqual({ address: '2001:db8::1', port: 5_000 })
    expect(() => deviceUrl('http://[2001:db8::2]/x', 'fe80::1%eth0', { isItsAddress })).toThrow('on another host')
  })

  test('never leads to another host, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl(),
          fc.string(),
          fc.ipV4().map(ip => `http://${ip}/`),
        ),
        url => {
          try {
            expect(deviceUrl(url, '192.168.1.1', { base: LOCATION }).to.address).toBe('192.168.1.1')
          } catch (error) {
            expect(error).toMatchObject({ code: 'protocol-violation' })
          }
        },
      ),
    )
  })
})

describe('SOAP', () => {
  const envelope = (content: string) => encode(`<s:Envelope xmlns:s="x"><s:Body>${content}</s:Body></s:Envelope>`)

  test('an action carries its arguments in order, escaped', () => {
    const root = parseXml(encodeSoapAction('urn:x:1', 'Add', { NewPort: 1, NewName: '<&>' }))
    const action = root.children[0]!.children[0]!

    expect([root.name, action.name, action.children.map(({ name }) => name)]).toEqual([
      'Envelope',
      'Add',
      ['NewPort', 'NewName'],
    ])
    expect(childText(action, 'NewName')).toBe('<&>')
  })

  test('an answer is a response or a fault', () => {
    const response = decodeSoapAnswer(
      envelope('<u:AddResponse><NewPort>5</NewPort></u:AddResponse>'),
      'Add',
    ) as XmlElement
    const fault =
      '<s:Fault><detail><UPnPError><errorCode>718</errorCode><errorDescription>Con\nflict</errorDescription></UPnPError></detail></s:Fault>'

    expect(childText(response, 'NewPort')).toBe('5')
    expect(decodeSoapAnswer(envelope(fault), 'Add')).toEqual({ errorCode: 718, description: 'Con flict' })
    expect(() => decodeSoapAnswer(envelope('<u:OtherResponse/>'), 'Add')).toThrow('neither a response nor a fault')
    expect(() => decodeSoapAnswer(encode('<a/>'), 'Add')).toThrow('neither a response nor a fault')
  })

  test('any bytes are one or a protocol violation', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.string().map(text => envelope(text)),
        ),
        bytes => {
          try {
            decodeSoapAnswer(bytes, 'Add')
          } catch (error) {
            expect(error).toMatchObject({ code: 'protocol-violation' })
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
