/** The real peerpy, of a checkout: one process on a host of the lab, told what to do by JSON lines. Nothing of it is kept here. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Where a checkout of github.com/Rubilmax/peerpy is, if anywhere. */
export const PEERPY_CHECKOUT: string | undefined = process.env['PEERPY_CHECKOUT']

const PROGRAM = `
import sys, json, threading, time
sys.path.insert(0, sys.argv[1])
from peerpy import Peer

lock = threading.Lock()
def tell(**event):
    with lock:
        print(json.dumps(event), flush=True)
def plain(value):
    if isinstance(value, (bytes, bytearray)): return {'$bytes': value.hex()}
    if isinstance(value, tuple): return {'$tuple': [plain(x) for x in value]}
    if isinstance(value, set): return {'$set': sorted(plain(x) for x in value)}
    if isinstance(value, list): return [plain(x) for x in value]
    if isinstance(value, dict): return {str(k): plain(v) for k, v in value.items()}
    return value
def built(value):
    if isinstance(value, list): return [built(x) for x in value]
    if not isinstance(value, dict): return value
    if '$bytes' in value: return bytes.fromhex(value['$bytes'])
    if '$tuple' in value: return tuple(built(x) for x in value['$tuple'])
    if '$set' in value: return set(built(x) for x in value['$set'])
    return {k: built(v) for k, v in value.items()}

admits = True
def on_data(conn, value):
    tell(event='data', peer=conn.target_name, data=plain(value))
    if options.get('echo'): conn.send(value)
def on_close(conn):
    tell(event='close', peer=conn.target_name)
def on_offer(peer, conn):
    tell(event='offer', peer=conn.target_name, dataType=conn.data_type, strict=conn.strict, stream=conn.stream)
    time.sleep(options.get('offerDelay', 0))
    if admits: conn.set_handler('data', on_data); conn.set_handler('close', on_close)
    return admits
def on_connection(peer, conn):
    tell(event='connection', peer=conn.target_name)

options = json.loads(sys.argv[3])
handlers = dict(listen=lambda p: tell(event='listening', address=p.address_name), offer=on_offer, connection=on_connection, stop=lambda p: tell(event='stop'))
peer = Peer(sys.argv[2], timeout=options.get('timeout', 1), handlers=handlers, invisible=options.get('invisible', False), max_connections=options.get('maxConnections', 0))
peer.start()
for line in sys.stdin:
    c = json.loads(line)
    op = c['op']
    try:
        if op == 'connect':
            conn = peer.connect(c['address'], data_type=c.get('dataType', 'json'), strict=c.get('strict', True), handlers=dict(data=on_data, close=on_close), **c.get('more', {}))
            tell(event='connected', ok=bool(conn))
        elif op == 'send': tell(event='sent', ok=peer.connections[c['to']].send(built(c['data'])))
        elif op == 'broadcast': peer.broadcast(built(c['data']))
        elif op == 'close': peer.connections[c['to']].close()
        elif op == 'threads': tell(event='threads', accepting=peer.server_thread.is_alive())
        elif op == 'admit': admits = c['value']
        elif op == 'invisible': peer.invisible = c['value']
        elif op == 'peers': tell(event='peers', value=sorted(peer.get_local_peers()))
        elif op == 'connections': tell(event='connections', value=sorted(peer.connections))
    except Exception as error:
        tell(event='failed', op=op, error=repr(error))
`

export interface PeerpyProgramOptions {
  /** Seconds. @default 1 */
  readonly timeout?: number
  readonly invisible?: boolean
  readonly maxConnections?: number
  /** Seconds that it thinks about each offer. */
  readonly offerDelay?: number
  /** Sends back what it gets. */
  readonly echo?: boolean
}

export type PeerpyProgramEvent = Readonly<Record<string, unknown>> & { readonly event: string }

export class PeerpyProgram {
  readonly events: PeerpyProgramEvent[] = []
  /** What Python wrote about exceptions of its threads. */
  stderr = ''
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting = new Set<() => void>()
  #hasEnded = false
  #seen = 0

  /** `prefix` enters the host: `['ip', 'netns', 'exec', …]`. */
  constructor(prefix: readonly string[], address: string, options: PeerpyProgramOptions = {}) {
    const args = [...prefix, 'python3', '-u', '-c', PROGRAM, PEERPY_CHECKOUT ?? '', address, JSON.stringify(options)]
    this.#child = spawn(args[0]!, args.slice(1))
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.on('data', text => {
      this.stderr += text
    })
    createInterface({ input: this.#child.stdout }).on('line', line => {
      this.events.push(JSON.parse(line))
      for (const check of this.#waiting) check()
    })
    this.#child.on('close', () => {
      this.#hasEnded = true
      for (const check of this.#waiting) check()
    })
  }

  tell(op: string, more: Readonly<Record<string, unknown>> = {}): void {
    this.#child.stdin.write(`${JSON.stringify({ op, ...more })}\n`)
  }

  /** The next event of that name, after the one that was waited for last. */
  next(event: string): Promise<PeerpyProgramEvent> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const index = this.events.findIndex((each, i) => i >= this.#seen && each.event === event)
        if (index < 0 && !this.#hasEnded) return
        this.#waiting.delete(check)
        if (index < 0) reject(new Error(`peerpy ended: ${JSON.stringify(this.events)}\n${this.stderr}`))
        else {
          this.#seen = index + 1
          resolve(this.events[index]!)
        }
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** At once: its threads do not notice that it is to end. */
  stop(): void {
    this.#child.kill('SIGKILL')
  }
}
