/**
 * Keeps the process from ending for want of work, until the returned function is called. For somebody who waits for what
 * no open socket announces, such as a change of the interfaces.
 */
export function keepProcessAlive(): () => void {
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  return () => clearInterval(timer)
}
