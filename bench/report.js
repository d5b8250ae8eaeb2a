/** Turns the samples of all rounds into one result a metric, and the results into a table. */

import { median, quantile } from './statistics.js'

/**
 * `rounds`: one `{ tcp: samples, tls: samples, … }` a round of this workload, without the systems that failed in it.
 * `ratio` is the median of the rounds' ratios earshot / tls, whether a time, a size or a rate.
 */
export function summarize(workload, rounds) {
  return workload.metrics.map(metric => {
    const systems = {}
    for (const system of new Set(rounds.flatMap(round => Object.keys(round)))) {
      const samples = rounds.flatMap(round => (round[system] === undefined ? [] : [round[system][metric.of]]))
      const perRound = samples.map(values => quantile(values, metric.quantile))
      systems[system] = {
        value: metric.pooled ? quantile(samples.flat(), metric.quantile) : median(perRound),
        low: Math.min(...perRound),
        high: Math.max(...perRound),
        rounds: perRound,
      }
    }
    const ratios = rounds.flatMap(({ earshot, tls }) =>
      earshot && tls ? [quantile(earshot[metric.of], metric.quantile) / quantile(tls[metric.of], metric.quantile)] : [],
    )
    const ratio = median(ratios)
    const { key, label, unit, better, owed, owedAtMost } = metric
    const result = { key, label, unit, better, systems, ratio, owed, owedAtMost }
    return { ...result, verdict: verdict(result) }
  })
}

function verdict({ better, systems, ratio, owed, owedAtMost }) {
  if (owedAtMost !== undefined && systems.earshot) return systems.earshot.value <= owedAtMost ? 'ok' : 'missed'
  if (owed === undefined || ratio === undefined) return undefined
  return (better === 'less' ? ratio <= owed : ratio >= owed) ? 'ok' : 'missed'
}

/** A Markdown table: median and spread over the rounds of each system, the ratio, what is owed, and whether it is kept. */
export function table(results, systems) {
  const header = ['work', 'unit', ...systems, 'earshot / tls', 'owed', '']
  const rows = results.map(result => [
    result.label,
    result.unit,
    ...systems.map(system => cell(result.systems[system])),
    result.ratio === undefined ? '–' : figure(result.ratio),
    owedText(result),
    result.verdict ?? '',
  ])
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map(row => row[column].length)))
  const line = cells => `| ${cells.map((text, column) => text.padEnd(widths[column])).join(' | ')} |`
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function owedText({ better, unit, owed, owedAtMost }) {
  if (owedAtMost !== undefined) return `<= ${owedAtMost} ${unit}`
  if (owed === undefined) return '–'
  return `${better === 'less' ? '<=' : '>='} ${owed.toFixed(1)}`
}

function cell(system) {
  if (system === undefined) return '–'
  return `${figure(system.value)} (${figure(system.low)}–${figure(system.high)})`
}

/** Three significant digits, rates of a thousand and more in full with separators. */
function figure(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}
