/** Two or three rooms across the Internet, in networks that `npm run test:lab` does not walk: mapped ports, IPv6, carriers, LANs. */

import { afterEach, expect, test } from 'vitest'
import { BROKER, InternetRoom, joinAll, STUN, TURN } from './internet-room.ts'
import { Lab } from './lab.ts'

let lab: Lab | undefined
afterEach(() => lab?.close())

function labOf(spec: string, ...services: readonly string[]): Lab {
  lab = new Lab(spec)
  for (const service of services) lab.natlab('service', service)
  return lab
}

/** The external ports that a router says it has mapped. */
function mappedPorts({ run }: Pick<Lab, 'run'>, host: string, router: string): readonly number[] {
  const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'
  const source = `
    const ports = []
    for (let index = 0; ; index++) {
      const answer = await fetch('http://${router}:5000/ctl/IPConn', {
        method: 'POST',
        headers: { SOAPAction: '"${SERVICE}#GetGenericPortMappingEntry"', 'Content-Type': 'text/xml' },
        body: '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
          '<u:GetGenericPortMappingEntry xmlns:u="${SERVICE}"><NewPortMappingIndex>' + index +
          '</NewPortMappingIndex></u:GetGenericPortMappingEntry></s:Body></s:Envelope>',
      })
      const text = await answer.text()
      const port = /<NewExternalPort>(\\d+)</.exec(text)?.[1]
      if (port) ports.push(Number(port))
      // SpecifiedArrayIndexInvalid: there are no more.
      else if (/<errorCode>713</.test(text)) break
      else throw new Error(text)
    }
    console.log(JSON.stringify(ports))`
  return JSON.parse(run(host, process.execPath, '--input-type=module', '-e', source)) as number[]
}

test('behind symmetric NATs, one of which maps ports by UPnP: direct, and the mappings are gone after close()', async () => {
  const lab = labOf('site a symmetric upnp; site b symmetric', 'mosquitto', 'coturn')
  const ask = () => mappedPorts({ run: (...args) => lab.run(...args) }, 'a1', '192.168.1.1')
  const [a, b] = await joinAll(
    new InternetRoom(lab, 'a1', { ...BROKER, ...STUN }),
    new InternetRoom(lab, 'b1', { ...BROKER, ...STUN }),
  )
  const [, { remote }] = await Promise.all([a.path(b, 'direct'), b.path(a, 'direct')])
  await a.tell(b, 'hello')
  await b.tell(a, 'hello')
  expect(ask().map(port => `192.0.3.20:${port}`)).toContain(remote)
  await a.close()
  expect(ask()).toEqual([])
})

test('in IPv6 networks with firewalls, behind symmetric NATs: direct, with a broker and nothing else', async () => {
  const lab = labOf('site a symmetric ipv6; site b symmetric ipv6', 'mosquitto')
  const [a, b] = await joinAll(new InternetRoom(lab, 'a1', BROKER), new InternetRoom(lab, 'b1', BROKER))
  const [path] = await Promise.all([a.path(b, 'direct'), b.path(a, 'direct')])
  expect(path.remote).toMatch(/^\[2001:db8:/)
  await a.tell(b, 'hello')
  await b.tell(a, 'hello')
})

test('behind a carrier: as the kinds promise', async () => {
  const sites = [
    'site c port-restricted',
    'site a restricted via=c',
    'site d restricted via=c',
    'site b port-restricted',
  ]
  const lab = labOf(sites.join('; '), 'mosquitto', 'coturn')
  const internet = { ...BROKER, ...STUN, ...TURN }
  const [a, d, b] = await joinAll(
    new InternetRoom(lab, 'a1', internet),
    new InternetRoom(lab, 'd1', internet),
    new InternetRoom(lab, 'b1', internet),
  )
  await Promise.all([a.path(b, 'direct'), b.path(a, 'direct'), d.path(b, 'direct'), b.path(d, 'direct')])
  // Two customers of one carrier that does not turn packets round.
  await Promise.all([a.path(d, 'relay'), d.path(a, 'relay')])
  await a.tell(d, 'hello')
  await d.tell(a, 'hello')
})

test('in one LAN: it ends there, whether they see each other there or not', async () => {
  const lab = labOf('site home port-restricted hosts=ada,bob,cyd,dan', 'mosquitto', 'coturn')
  const internet = { ...BROKER, ...STUN, ...TURN }
  const seeing = await joinAll(
    ...['ada', 'bob'].map(host => new InternetRoom(lab, host, internet, { discovery: ['mdns', 'beacon'] })),
  )
  const unseen = await joinAll(...['cyd', 'dan'].map(host => new InternetRoom(lab, host, internet)))
  const pairs = [seeing, unseen].flatMap(([a, b]) => [[a!, b!] as const, [b!, a!] as const])
  await Promise.all(pairs.map(([one, other]) => one.path(other, 'lan')))
  // What began elsewhere has ended by then, or is not used any more.
  for (const [one, other] of pairs) await one.tell(other, 'hello')
  expect(pairs.map(([one, other]) => one.kindTo(other))).toEqual(pairs.map(() => 'lan'))
})
