/** Whether a text has no half of a surrogate pair in it: only such a text can be told in UTF-8. */
export function isWellFormed(text: string): boolean {
  // ES2024, present since Node 20.
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}
