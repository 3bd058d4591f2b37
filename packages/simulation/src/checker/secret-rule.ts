import type { CreateRule } from './rule.ts'

/** No secret is read in anything that was recorded, as it is or as it is often written. */
export const noSecretIsRecorded: CreateRule = (report) => {
  const secrets = new Set<string>()
  /** Ends of traces: a secret may come in two pieces. */
  const tails = new Map<string, string>()
  let longest = 0
  const look = (where: string, text: string): void => {
    for (const secret of secrets)
      if (text.includes(secret)) {
        report('secret recorded', `in ${where}`)
        return
      }
  }
  return {
    see(record) {
      switch (record.kind) {
        case 'secret':
          for (const form of formsOf(record.text)) {
            secrets.add(form)
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
  const forms = [secret, escaped, encodeURIComponent(secret), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('latin1')]
  return forms.filter((form) => form !== '')
}
