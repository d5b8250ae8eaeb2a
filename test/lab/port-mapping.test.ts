/** Real routers: miniupnpd, which speaks UPnP-IGD, NAT-PMP and PCP, in front of a symmetric NAT. */

import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab, type Program } from './lab.ts'

/** Says what reaches its ports, maps them, and removes the mappings when a datagram says so. */
function mappingProgram(protocols: readonly string[]): string {
  return `
    import { createSocket } from 'node:dgram'
    import { createServer } from 'node:net'
    import { mapPort } from 'earshot/nat'
    const tell = value => console.log(JSON.stringify(value))
    const tcp = createServer(socket => {
      tell({ heard: 'tcp' })
      socket.on('error', () => {}).end('welcome')
    }).listen(4112)
    const udp = createSocket('udp4')
    udp.on('message', async message => {
      tell({ heard: 'udp' })
      if (String(message) !== 'close') return
      await Promise.all(mappings.map(mapping => mapping.close()))
      tell({ closed: true, states: mappings.map(({ state }) => state) })
      tcp.close()
      udp.close()
    })
    udp.bind(4112)
    const startedAt = performance.now()
    const options = { internalPort: 4112, lifetimeMs: 600_000, protocols: ${JSON.stringify(protocols)} }
    let mappings = []
    try {
      mappings = await Promise.all([mapPort({ protocol: 'udp', ...options }), mapPort({ protocol: 'tcp', ...options })])
      tell({
        took: performance.now() - startedAt,
        mapped: mappings.map(({ via, external, internalAddress, gateway, isBehindAnotherNat, lifetimeMs }) => (
          { via, external, internalAddress, gateway, isBehindAnotherNat, lifetimeMs }
        )),
      })
    } catch ({ code, message, hint, attempts }) {
      tell({ failed: code, message, hint, attempts })
      udp.close()
      tcp.close()
    }`.replaceAll("'earshot/nat'", "'DIST/nat.js'")
}

interface Mapped {
  readonly took: number
  readonly mapped: readonly {
    readonly via: string
    readonly external: { readonly address: string; readonly port: number }
    readonly internalAddress: string
    readonly gateway: string
    readonly isBehindAnotherNat: boolean
    readonly lifetimeMs: number
  }[]
}

const isMapped = (value: { mapped?: unknown; failed?: unknown }) =>
  value.mapped !== undefined || value.failed !== undefined

/** From outside: a datagram and a connection to those ports; prints whether the connection stood. */
function knockingProgram({ mapped }: Mapped, word: string): string {
  const [udp, tcp] = mapped.map(({ external }) => external)
  return `
    import { createSocket } from 'node:dgram'
    import { connect } from 'node:net'
    const tell = value => console.log(JSON.stringify(value))
    const udp = createSocket('udp4')
    udp.send('${word}', ${udp!.port}, '${udp!.address}', () => udp.close())
    const socket = connect({ host: '${tcp!.address}', port: ${tcp!.port}, timeout: 1_000 })
    const end = connected => {
      tell({ connected })
      socket.destroy()
    }
    socket.once('data', () => end(true)).once('timeout', () => end(false)).once('error', () => end(false))`
}

describe('a router that maps ports', () => {
  let lab: Lab
  beforeAll(() => {
    lab = new Lab(
      'site a symmetric upnp; site b symmetric upnp=igd; site c symmetric upnp=natpmp; site isp full-cone; site d port-restricted via=isp upnp; site e symmetric; host p',
    )
  })
  afterAll(() => lab.close())

  function rules(site: string): string {
    return lab.run(`${site}-gw`, 'nft', 'list', 'ruleset')
  }

  async function mapAndKnock(site: string, protocols: readonly string[]): Promise<Mapped> {
    const program: Program = lab.start(`${site}1`, mappingProgram(protocols))
    const mapped = await program.until<Mapped>(isMapped)
    expect(mapped.mapped).toHaveLength(2)
    expect(rules(site)).toContain('dnat')

    const outside = lab.start('p', knockingProgram(mapped, 'hello'))
    expect(await outside.until(() => true)).toEqual({ connected: true })
    await program.until<{ heard?: string }>(({ heard }) => heard === 'udp')
    await program.until<{ heard?: string }>(({ heard }) => heard === 'tcp')

    lab.start('p', knockingProgram(mapped, 'close'))
    await program.until<{ closed?: boolean }>(({ closed }) => closed === true)
    // With its sockets closed and its mappings gone, nothing keeps the process.
    await expect(program.until(() => false)).rejects.toThrow('the program ended')
    const after = lab.start('p', knockingProgram(mapped, 'gone'))
    expect(await after.until(() => true)).toEqual({ connected: false })
    expect(rules(site)).not.toContain('dnat')
    return mapped
  }

  test.each([
    ['pcp', 'a'],
    ['nat-pmp', 'a'],
    ['upnp-igd', 'a'],
    ['upnp-igd', 'b'],
    ['pcp', 'c'],
  ])('by %s at site %s: reached from outside through a symmetric NAT, gone after close', async (protocol, site) => {
    const { mapped } = await mapAndKnock(site, [protocol])

    for (const mapping of mapped) {
      expect(mapping).toMatchObject({ via: protocol, isBehindAnotherNat: false, external: { port: 4_112 } })
      expect(mapping.external.address).toMatch(/^192\.0\.3\./)
      expect(mapping.internalAddress).toMatch(/^192\.168\.\d+\.10$/)
      expect(mapping.lifetimeMs).toBe(600_000)
    }
  })

  test('in whatever way answers first, within a second', async () => {
    const { took } = await mapAndKnock('a', ['pcp', 'nat-pmp', 'upnp-igd'])

    expect(took).toBeLessThan(1_000)
  })

  test('a router that forgot its mappings announces itself, and has them again within seconds', async () => {
    const program = lab.start('a1', mappingProgram(['pcp']))
    const { mapped } = await program.until<Mapped>(isMapped)
    const folder = `/run/natlab/${lab.name}`
    const restart = [
      `kill $(cat ${folder}/a-gw-miniupnpd.pid)`,
      'while ss -Hlun sport = :5351 | grep -q . ; do :; done',
      'nft flush chain inet natlab upnp_prerouting',
      `rm -f ${folder}/a-gw-upnp.leases`,
      `miniupnpd -d -f ${folder}/a-gw-miniupnpd.conf -P ${folder}/a-gw-miniupnpd.pid >/dev/null 2>&1 &`,
    ]
    lab.run('a-gw', 'sh', '-c', restart.join('\n'))
    expect(rules('a')).not.toContain('dnat')

    const { address, port } = mapped[0]!.external
    const outside = lab.start(
      'p',
      `import { createSocket } from 'node:dgram'
       const udp = createSocket('udp4')
       setInterval(() => udp.send('hello', ${port}, '${address}'), 100)`,
    )
    await program.until<{ heard?: string }>(({ heard }) => heard === 'udp')
    outside.stop()
    program.stop()
  })

  test('behind a carrier: the router says no, and why is told', async () => {
    const program = lab.start('d1', mappingProgram(['pcp', 'nat-pmp', 'upnp-igd']))
    const failed = await program.until<{ failed?: string; hint: string }>(isMapped)

    expect(failed.failed).toBe('refused')
    expect(failed.hint).toBeTruthy()
  })

  test('without a port mapping protocol: unreachable, within seconds', async () => {
    const program = lab.start('e1', mappingProgram(['pcp', 'nat-pmp', 'upnp-igd']))
    const failed = await program.until<{ failed?: string; attempts: { code: string }[] }>(isMapped)

    expect(failed.failed).toBe('unreachable')
    expect(failed.attempts).toHaveLength(3)
  })
})

describe('a router with an IPv6 firewall', () => {
  let lab: Lab
  beforeAll(() => {
    lab = new Lab('site f symmetric ipv6 upnp; host p ipv6')
    // The laboratory's router leaves IPv6 out.
    const folder = `/run/natlab/${lab.name}`
    const config = `${folder}/ipv6.conf`
    const changes = 's/^ipv6_disable=yes/ipv6_disable=no/; /^deny /d'
    writeFileSync(config, lab.run('f-gw', 'sed', changes, `${folder}/f-gw-miniupnpd.conf`))
    const restart = [
      `kill $(cat ${folder}/f-gw-miniupnpd.pid)`,
      `while ss -Hlun sport = :5351 | grep -q . ; do :; done`,
      `miniupnpd -d -f ${config} -P ${folder}/ipv6.pid >/dev/null 2>&1 &`,
      `until ss -Hlun sport = :5351 | grep -q . && ss -Hlun sport = :1900 | grep -q . ; do :; done`,
    ]
    lab.run('f-gw', 'sh', '-c', restart.join('\n'))
  })
  afterAll(() => lab.close())

  test.each(['pcp', 'upnp-igd'])(
    '%s: a pinhole is opened, passes packets from outside, and is closed',
    async protocol => {
      const pinholes = () => lab.run('f-gw', 'nft', 'list', 'chain', 'inet', 'natlab', 'upnp_forward')
      const program = lab.start(
        'f1',
        `
      import { createSocket } from 'node:dgram'
      import { mapPort } from 'DIST/nat.js'
      const tell = value => console.log(JSON.stringify(value))
      const udp = createSocket('udp6')
      udp.on('message', async () => {
        await mapping.close()
        udp.close()
        tell({ closed: mapping.state })
      })
      udp.bind(4112)
      const mapping = await mapPort({ protocol: 'udp', internalPort: 4112, family: 'ipv6', protocols: ['${protocol}'] })
      tell({ via: mapping.via, external: mapping.external, isBehindAnotherNat: mapping.isBehindAnotherNat })`,
      )
      const mapping = await program.until<{ via: string; external: { address: string; port: number } }>(() => true)
      expect(mapping).toMatchObject({ via: protocol, external: { port: 4_112 }, isBehindAnotherNat: false })
      expect(mapping.external.address).toMatch(/^2001:db8:/)
      expect(pinholes()).toContain('dport 4112')

      const knock = `
      import { createSocket } from 'node:dgram'
      const udp = createSocket('udp6')
      udp.send('hello', 4112, '${mapping.external.address}', () => udp.close())`
      lab.start('p', knock)
      expect(await program.until<{ closed?: string }>(({ closed }) => closed !== undefined)).toEqual({
        closed: 'closed',
      })
      expect(pinholes()).not.toContain('dport 4112')
    },
  )
})
