/** Medians and quantiles of small samples. */

/** The value below which the share `q` of the samples lies, interpolated; `undefined` of none. */
export function quantile(samples, q) {
  if (samples.length === 0) return undefined
  const sorted = [...samples].sort((a, b) => a - b)
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below)
}

export function median(samples) {
  return quantile(samples, 0.5)
}
