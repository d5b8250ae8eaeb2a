/**
 * The systems compared. An adapter has
 *
 * - `prepare()`: what both workers need to know beforehand (keys), as one value that can be sent between processes;
 * - `open(handlers, { role, keys })`: an endpoint that listens on 127.0.0.1. Handlers, all optional:
 *   `onMessage(peer, bytes)`, `onQuestion(bytes)` returning the answer, `onBytes(bytes)` for what comes through streams.
 *   What finds peers by itself (`lookAround`) also
 *   calls `onPeer(peer)`; what has files of its own takes them into the folder `inbox`.
 *
 * An endpoint has `address`, `dial(address)` → peer, `send(peer, bytes)` → a promise when flow control says to wait,
 * `ask(peer, bytes)` → promise of the answer, `openStream(peer)` → `{ write(bytes) }` with such a promise, too, where there are
 * such `sendFile(peer, path)`, `hangUp(peer)`, `close()` and
 * `connections()`, how many there are now.
 */
export const SYSTEMS = ['tcp', 'tls', 'earshot']

/** Loaded on demand: a worker holds only the system that it measures. */
export async function loadAdapter(system) {
  return (await import(`./${system}.js`))[system]
}
