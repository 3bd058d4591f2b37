import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Masker, type MaskRules } from './masker.ts'
import { defaultTokenPrefixes } from './token-prefixes.ts'

function maskChunks(
  chunks: readonly Buffer[],
  { secrets = [], tokenPrefixes = defaultTokenPrefixes }: Partial<MaskRules>,
): string {
  const output: Buffer[] = []
  const masker = new Masker({ secrets, tokenPrefixes }, (bytes) => output.push(Buffer.from(bytes)))
  for (const chunk of chunks) masker.write(chunk)
  masker.end()
  return Buffer.concat(output).toString()
}

/** Every way to cut the text in two gives the same, and so does one byte at a time. */
function maskEveryWay(text: string, rules: Partial<MaskRules>): string {
  const bytes = Buffer.from(text)
  const whole = maskChunks([bytes], rules)
  for (let cut = 1; cut < bytes.length; cut++)
    expect(maskChunks([bytes.subarray(0, cut), bytes.subarray(cut)], rules)).toBe(whole)
  expect(
    maskChunks(
      [...bytes].map((byte) => Buffer.from([byte])),
      rules,
    ),
  ).toBe(whole)
  return whole
}

describe('secrets', () => {
  it.each([
    ['that stand alone', ['sesame'], 'open sesame!', 'open [MASKED]!'],
    ['that overlap themselves', ['abcabcd12'], 'abcabcabcd12', 'abc[MASKED]'],
    ['that begin again within themselves', ['token-token-X'], 'token-token-token-X', 'token-[MASKED]'],
    ['that contain each other', ['abc', 'xxabcxx'], 'xxabcx xxabcxx abc', 'xx[MASKED]x [MASKED] [MASKED]'],
    ['that overlap one another, as one mask', ['abcd', 'cdef'], 'abcdef', '[MASKED]'],
    ['of which one is the end of another', ['bcd', 'abcx'], 'abcd', 'a[MASKED]'],
    ['that repeat, one mask each', ['abc'], 'abcabc', '[MASKED][MASKED]'],
    ['with line ends', ['two\nlines'], 'has two\nlines.', 'has [MASKED].'],
    ['beyond ASCII', ['pässwörd'], 'ein pässwörd ist pässwör', 'ein [MASKED] ist pässwör'],
    ['of one character', ['x'], 'axxb', 'a[MASKED][MASKED]b'],
  ])('%s', (_, secrets, text, expected) => {
    expect(maskEveryWay(text, { secrets })).toBe(expected)
  })
})

describe('tokens', () => {
  it.each([
    ['keep their prefix', 'commodo glpat-imperdiet in', 'commodo glpat-[MASKED] in'],
    ['end at the first byte that is in no token', 'esseglpat-imperdiet=_-. end', 'esseglpat-[MASKED] end'],
    ['may hold a prefix', 'glpat-impglpat-erdiet Lorem', 'glpat-[MASKED] Lorem'],
    [
      'of every kind',
      'glrt-a,glrtr-b,_gitlab_session=c;gltok-d',
      'glrt-[MASKED],glrtr-[MASKED],_gitlab_session=[MASKED];gltok-[MASKED]',
    ],
    ['are nothing without a rest', 'glpat- is a prefix, glpa-x is none', 'glpat- is a prefix, glpa-x is none'],
  ])('%s', (_, text, expected) => {
    expect(maskEveryWay(text, {})).toBe(expected)
  })

  it('are masked behind any number of prefixes', () => {
    const tokenPrefixes = Array.from({ length: 40 }, (_, index) => `mask${index}-`)
    const text = tokenPrefixes.map((prefix) => `${prefix}abc`).join(' ')
    expect(maskEveryWay(text, { tokenPrefixes })).toBe(tokenPrefixes.map((prefix) => `${prefix}[MASKED]`).join(' '))
  })

  it('are one mask together with a secret in them', () => {
    expect(maskEveryWay('glpat-abcdef ghi', { secrets: ['cdef g'] })).toBe('glpat-[MASKED]hi')
    expect(maskEveryWay('glpat-abcdef', { secrets: ['glpat-ab'] })).toBe('[MASKED]')
  })
})

describe('URL parameters', () => {
  it.each([
    ['GET /?private_token=abc HTTP', 'GET /?private_token=[MASKED] HTTP'],
    ['/?a=b&RSS_Token=abc&c=d', '/?a=b&RSS_Token=[MASKED]&c=d'],
    ['?authenticity_token=a?private_token=b\n', '?authenticity_token=[MASKED]?private_token=[MASKED]\n'],
    [
      '?X-Amz-Signature=a/b=c&x-amz-credential=d\t&x-amz-security-token=',
      '?X-Amz-Signature=[MASKED]&x-amz-credential=[MASKED]\t&x-amz-security-token=',
    ],
    [
      'private_token=abc ?private_tokens=abc ?my_private_token=x',
      'private_token=abc ?private_tokens=abc ?my_private_token=x',
    ],
    ['??private_token=abc', '??private_token=[MASKED]'],
  ])('%s', (text, expected) => {
    expect(maskEveryWay(text, {})).toBe(expected)
  })
})

describe('any text in any chunks', () => {
  const fragments = [
    'a',
    'b',
    'c',
    'ab',
    '-',
    ' ',
    '\n',
    '=',
    '?',
    '&',
    'ä',
    'gl',
    'pat-',
    'glpat-',
    '?private_',
    'TOKEN=',
    '&rss_token=',
    '🔑',
  ]
  const anyText = (maxLength: number) =>
    fc.array(fc.constantFrom(...fragments), { maxLength }).map((parts) => parts.join(''))
  const anySecret = (maxLength: number) => anyText(maxLength).filter((text) => text !== '')
  const anyPrefixes = fc.constantFrom(defaultTokenPrefixes, [], ['ab-'])
  const anyCuts = fc.array(fc.nat(400), { maxLength: 12 })

  function cutAt(text: string, cuts: readonly number[]): Buffer[] {
    const bytes = Buffer.from(text)
    const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length]
    return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
  }

  it('is masked as the whole would be by looking at every place', () => {
    fc.assert(
      fc.property(
        fc.array(anySecret(5), { maxLength: 6 }),
        anyPrefixes,
        anyText(60),
        anyCuts,
        (secrets, tokenPrefixes, text, cuts) => {
          const output = maskChunks(cutAt(text, cuts), { secrets, tokenPrefixes })
          expect(output).toBe(referenceMask(text, { secrets, tokenPrefixes }))
          for (const secret of secrets) expect(output).not.toContain(secret)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('is masked so too when the secrets are long, many and like one another', () => {
    const alphabet = fc
      .array(fc.constantFrom('a', 'b', 'ab', 'aab'), { minLength: 4, maxLength: 30 })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(
        fc.array(alphabet, { minLength: 5, maxLength: 40 }),
        anyPrefixes,
        fc.array(alphabet, { maxLength: 12 }),
        anyCuts,
        (secrets, tokenPrefixes, parts, cuts) => {
          const text = [...parts, secrets[0], ...parts, secrets[1], 'x', secrets[2]].join('')
          const output = maskChunks(cutAt(text, cuts), { secrets, tokenPrefixes })
          expect(output).toBe(referenceMask(text, { secrets, tokenPrefixes }))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('shows at once what cannot be part of a secret', () => {
    fc.assert(
      fc.property(fc.array(anySecret(5), { maxLength: 4 }), anyText(40), (secrets, text) => {
        let shown = ''
        const masker = new Masker({ secrets, tokenPrefixes: [] }, (bytes) => {
          shown += bytes.toString('latin1')
        })
        masker.write(Buffer.from(text))
        const visible = shown
        masker.end()
        const heldBack = shown.slice(visible.length)
        const longestBeginning = Math.max(
          0,
          ...secrets.map((secret) => {
            const bytes = Buffer.from(secret)
            for (let length = bytes.length; length > 0; length--)
              if (Buffer.from(text).subarray(-length).equals(bytes.subarray(0, length))) return length
            return 0
          }),
        )
        expect(heldBack.replaceAll('[MASKED]', '').length).toBeLessThanOrEqual(longestBeginning)
      }),
    )
  })
})

describe('a secret that is added later', () => {
  it('is masked from there on, in what is held back too', () => {
    const output: string[] = []
    const masker = new Masker({ secrets: ['abcdefgh'], tokenPrefixes: defaultTokenPrefixes }, (bytes) =>
      output.push(bytes.toString()),
    )
    masker.write(Buffer.from('late late abcdefg'))
    masker.addSecrets(['late', 'cde'])
    masker.write(Buffer.from('! late abcdefgh'))
    masker.end()
    expect(output.join('')).toBe('late late ab[MASKED]fg! [MASKED] [MASKED]')
  })

  it('loses no token and no parameter that has begun', () => {
    for (const text of ['glpat-abc def', '/?private_token=abc def']) {
      for (let cut = 0; cut <= text.length; cut++) {
        const output: string[] = []
        const masker = new Masker({ secrets: [], tokenPrefixes: defaultTokenPrefixes }, (bytes) =>
          output.push(bytes.toString()),
        )
        masker.write(Buffer.from(text.slice(0, cut)))
        masker.addSecrets(['zzz'])
        masker.write(Buffer.from(text.slice(cut)))
        masker.end()
        expect(output.join('')).toBe(text.replace('abc', '[MASKED]'))
      }
    }
  })
})

/** What the masker must give for the whole text: found by looking for everything at every place. */
function referenceMask(text: string, { secrets, tokenPrefixes }: MaskRules): string {
  // One character per byte, so that places are byte positions.
  const bytes = Buffer.from(text).toString('latin1')
  const spans: [start: number, end: number][] = []
  for (let at = 0; at < bytes.length; at++) {
    for (const secret of secrets.map((value) => Buffer.from(value).toString('latin1'))) {
      if (bytes.startsWith(secret, at)) spans.push([at, at + secret.length])
    }
    for (const prefix of tokenPrefixes) {
      if (!bytes.startsWith(prefix, at)) continue
      const start = at + prefix.length
      spans.push([start, start + /^[A-Za-z0-9._=-]*/.exec(bytes.slice(start))![0].length])
    }
    const parameter =
      /^[?&](?:private_token|authenticity_token|rss_token|x-amz-signature|x-amz-credential|x-amz-security-token)=/i.exec(
        bytes.slice(at),
      )
    if (!parameter) continue
    const start = at + parameter[0].length
    spans.push([start, start + /^[^?&\0-\x20\x7f]*/.exec(bytes.slice(start))![0].length])
  }
  let output = ''
  let shown = 0
  for (const [start, end] of spans.filter((span) => span[0] < span[1]).sort((a, b) => a[0] - b[0])) {
    if (start >= shown) output += `${bytes.slice(shown, start)}[MASKED]`
    shown = Math.max(shown, end)
  }
  return Buffer.from(output + bytes.slice(shown), 'latin1').toString()
}
