import type { CreateRule } from './rule.ts'

const beginLength = 6

/** No secret is read in anything that was recorded, as it is or as it is often written. */
export const noSecretIsRecorded: CreateRule = (report) => {
  /** By what they begin with, so that a text is searched for few beginnings and not for every secret. */
  const secrets = new Map<string, Set<string>>()
  /** Ends of traces: a secret may come in two pieces. */
  const tails = new Map<string, string>()
  let longest = 0
  const look = (where: string, text: string): void => {
    for (const [begin, forms] of secrets) {
      if (!text.includes(begin)) continue
      for (const form of forms) {
        if (!text.includes(form)) continue
        report('secret recorded', `in ${where}`)
        return
      }
    }
  }
  return {
    see(record) {
      switch (record.kind) {
        case 'secret':
          for (const form of formsOf(record.text)) {
            const begin = form.slice(0, beginLength)
            secrets.set(begin, (secrets.get(begin) ?? new Set()).add(form))
            longest = Math.max(longest, form.length)
          }
          return
        case 'recorded':
          return look(record.where, record.text)
        case 'wait_told':
          return look(`what ${record.job} was told`, record.text)
        case 'trace': {
          const key = `the trace of ${record.job} (${record.attempt})`
          const text = (tails.get(key) ?? '') + Buffer.from(record.bytes).toString('latin1')
          tails.set(key, longest > 1 ? text.slice(1 - longest) : '')
          return look(key, text)
        }
      }
    },
  }
}

function formsOf(secret: string): string[] {
  const escaped = JSON.stringify(secret).slice(1, -1)
  const bytes = Buffer.from(secret)
  const forms = [
    secret,
    escaped,
    encodeURIComponent(secret),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('latin1'),
  ]
  return forms.filter((form) => form !== '')
}
