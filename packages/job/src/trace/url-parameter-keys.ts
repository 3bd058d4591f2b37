/** Keys of URL parameters whose values are secrets whoever the job belongs to, in lower case. GitLab's own list. */
export const secretParameterKeys: readonly string[] = [
  'private_token',
  'authenticity_token',
  'rss_token',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
]

/** State of {@link urlParameterTable} inside the value of a secret parameter. */
export const insideSecretValue = 1

/**
 * A state machine over bytes that finds `?key=value` and `&key=value` in any case: the next state is
 * `table[state * 256 + byte]`, 0 the start. A key holds neither `?` nor `&`, so a mismatch starts from 0 again and no
 * failure links are needed. A value ends at `?`, `&`, a space or a control byte.
 */
export const urlParameterTable: Uint8Array = buildTable()

function buildTable(): Uint8Array {
  const afterSeparator = 2
  const separators = Array.from('?&', (character) => character.charCodeAt(0))
  const rows: Uint8Array[] = []
  const addRow = (): number => {
    const row = new Uint8Array(256)
    for (const separator of separators) row[separator] = afterSeparator
    return rows.push(row) - 1
  }
  for (let state = 0; state <= afterSeparator; state++) addRow()
  for (let byte = 0x21; byte < 256; byte++) {
    if (byte !== 0x7f && !separators.includes(byte)) rows[insideSecretValue]![byte] = insideSecretValue
  }
  for (const key of secretParameterKeys) {
    let state = afterSeparator
    for (const character of key) {
      const lower = character.charCodeAt(0)
      const next = rows[state]![lower] || addRow()
      rows[state]![lower] = next
      rows[state]![character.toUpperCase().charCodeAt(0)] = next
      state = next
    }
    rows[state]!['='.charCodeAt(0)] = insideSecretValue
  }
  return Buffer.concat(rows)
}
