/** As `ls -l` shows it. */
export function modeText(mode: number): string {
  const type = { [0o040000]: 'd', [0o120000]: 'l' }[mode & 0o170000] ?? '-'
  const bits = Array.from('rwxrwxrwx', (letter, index) => (((mode >> (8 - index)) & 1) === 1 ? letter : '-'))
  return `${type}${bits.join('')}`
}
