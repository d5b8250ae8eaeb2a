/** Which of our records answer a question, and which ones spare the asker the next question (RFC 6762 sections 6, 7.1; RFC 6763 section 12). */

import { nameKey } from './domain-name.ts'
import { answers, type Question, type ResourceRecord, recordKey } from './record.ts'

/** A known answer suppresses ours if at least half of our TTL is left in it (section 7.1). */
export function suppressedBy(known: readonly ResourceRecord[], own: readonly ResourceRecord[]): Set<string> {
  const ttls = new Map(own.map(record => [recordKey(record), record.ttl]))
  const keys = known.flatMap(record => {
    const key = recordKey(record)
    const ttl = ttls.get(key)
    return ttl !== undefined && record.ttl >= ttl / 2 ? [key] : []
  })
  return new Set(keys)
}

/** Our answers to one question. Of a name that is ours, also the answer that the type does not exist (section 6.1). */
export function selectAnswers(own: readonly ResourceRecord[], question: Question): ResourceRecord[] {
  const found = own.filter(record => answers(record, question) && (record.type !== 'NSEC' || question.type === 'NSEC'))
  return found.length > 0 ? found : own.filter(record => record.type === 'NSEC' && hasName(record, question.name))
}

/** What the asker would have to ask next: SRV and TXT of an instance, the addresses of a host. */
export function additionalsFor(selected: readonly ResourceRecord[], own: readonly ResourceRecord[]): ResourceRecord[] {
  const included = new Set(selected.map(recordKey))
  const additionals: ResourceRecord[] = []
  const queue = [...selected]
  for (let record = queue.shift(); record !== undefined; record = queue.shift()) {
    for (const next of own.filter(candidate => follows(candidate, record))) {
      const key = recordKey(next)
      if (included.has(key)) continue
      included.add(key)
      additionals.push(next)
      queue.push(next)
    }
  }
  return additionals
}

function follows(candidate: ResourceRecord, record: ResourceRecord): boolean {
  switch (record.type) {
    case 'PTR':
      return (candidate.type === 'SRV' || candidate.type === 'TXT') && hasName(candidate, record.data)
    case 'SRV':
      return isAddressOrNsec(candidate) && hasName(candidate, record.data.target)
    case 'A':
    case 'AAAA':
      return isAddressOrNsec(candidate) && hasName(candidate, record.name)
    default:
      return false
  }
}

function isAddressOrNsec({ type }: ResourceRecord): boolean {
  return type === 'A' || type === 'AAAA' || type === 'NSEC'
}

function hasName(record: ResourceRecord, name: string): boolean {
  return nameKey(record.name) === nameKey(name)
}
