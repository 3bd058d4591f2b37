/** How often what may be tried again is tried, 1 … 10. What is no such number is 1, with a warning. */
export function attempts(
  key: string,
  setting: string,
): { readonly count: number; readonly warnings: readonly string[] } {
  if (setting === '') return { count: 1, warnings: [] }
  if (/^([1-9]|10)$/.test(setting)) return { count: Number(setting), warnings: [] }
  return { count: 1, warnings: [`${key}: expected 1 to 10, got ${JSON.stringify(setting)}; 1 is used`] }
}
