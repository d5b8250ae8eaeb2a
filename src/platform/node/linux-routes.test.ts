import { endianness } from 'node:os'
import { describe, expect, test } from 'vitest'
import { ipv4Gateways, ipv6Gateways } from './linux-routes.ts'

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'

/** As the kernel of this machine would print it. */
function hex(address: string): string {
  const bytes = address.split('.').map(byte => Number(byte).toString(16).padStart(2, '0').toUpperCase())
  return (endianness() === 'LE' ? bytes.reverse() : bytes).join('')
}

function row(name: string, destination: string, gateway: string, flags: string, metric: number, mask: string): string {
  return `${name}\t${hex(destination)}\t${hex(gateway)}\t${flags}\t0\t0\t${metric}\t${hex(mask)}\t0\t0\t0`
}

describe('the IPv4 routes of Linux', () => {
  test('lead to the gateways of the default routes, the smallest metric first', () => {
    const text = [
      HEAD,
      row('wlan0', '0.0.0.0', '10.0.0.138', '0003', 600, '0.0.0.0'),
      row('eth0', '0.0.0.0', '192.168.1.1', '0003', 100, '0.0.0.0'),
      row('eth0', '192.168.1.0', '0.0.0.0', '0001', 100, '255.255.255.0'),
      row('eth0', '10.8.0.0', '192.168.1.2', '0003', 0, '255.255.0.0'),
    ].join('\n')

    expect(ipv4Gateways(`${text}\n`)).toEqual([
      { address: '192.168.1.1', family: 'ipv4', interface: 'eth0' },
      { address: '10.0.0.138', family: 'ipv4', interface: 'wlan0' },
    ])
  })

  test('half of everything is not everything, a route without gateway has none, one that is down leads nowhere', () => {
    const text = [
      row('tun0', '0.0.0.0', '10.8.0.1', '0003', 0, '128.0.0.0'),
      row('ppp0', '0.0.0.0', '0.0.0.0', '0001', 0, '0.0.0.0'),
      row('eth0', '0.0.0.0', '192.168.1.1', '0002', 0, '0.0.0.0'),
    ].join('\n')

    expect(ipv4Gateways(text)).toEqual([])
  })

  test.each(['', HEAD, 'nonsense', 'eth0\t00000000\tXYZ\t0003\t0\t0\t0\t00000000'])('%j leads nowhere', text => {
    expect(ipv4Gateways(text)).toEqual([])
  })
})

describe('the IPv6 routes of Linux', () => {
  const NONE = '0'.repeat(32)

  test('lead to link-local gateways with their zone, and to others without', () => {
    const text = [
      `${NONE} 00 ${NONE} 00 fe800000000000000000000000000001 00000400 00000003 00000000 00450003     eth0`,
      `${NONE} 00 ${NONE} 00 20010db8000000000000000000000001 00000064 00000001 00000000 00000003     eth1`,
      `20010db8000000010000000000000000 40 ${NONE} 00 ${NONE} 00000100 00000001 00000000 00000001     eth0`,
      `${NONE} 00 ${NONE} 00 ${NONE} ffffffff 00000001 00000000 00200200       lo`,
    ].join('\n')

    expect(ipv6Gateways(text)).toEqual([
      { address: '2001:db8::1', family: 'ipv6', interface: 'eth1' },
      { address: 'fe80::1%eth0', family: 'ipv6', interface: 'eth0' },
    ])
  })

  test.each(['', 'nonsense', `${NONE} 00 ${NONE} 00 short 0 0 0 00000003 eth0`])('%j leads nowhere', text => {
    expect(ipv6Gateways(text)).toEqual([])
  })
})
