import { ApiRefusal } from './answers.ts'

/** What of an object is wanted: `true` all of it, otherwise by field. */
type Mask = true | Map<string, Mask>

/**
 * The parameter `fields`: `items(name,networkInterfaces/networkIP),nextPageToken`. Absent: everything. Thrown: one that
 * cannot be read.
 */
export function select(value: unknown, fields: string | null): unknown {
  return fields === null || fields === '*' ? value : cut(value, parse(fields))
}

function cut(value: unknown, mask: Mask): unknown {
  if (mask === true || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => cut(item, mask))
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      const wanted = mask.get(key) ?? mask.get('*')
      return wanted === undefined ? [] : [[key, cut(inner, wanted)]]
    }),
  )
}

function parse(fields: string): Mask {
  const tokens = fields.match(/[\w*]+|[(),/]/g) ?? []
  let at = 0
  const list = (): Map<string, Mask> => {
    const mask = new Map<string, Mask>()
    for (;;) {
      const [name, inner] = path()
      mask.set(name, inner)
      if (tokens[at] !== ',') return mask
      at += 1
    }
  }
  const path = (): [string, Mask] => {
    const name = tokens[at]
    if (name === undefined || !/^[\w*]+$/.test(name)) throw bad(fields)
    at += 1
    if (tokens[at] === '/') {
      at += 1
      return [name, new Map([path()])]
    }
    if (tokens[at] !== '(') return [name, true]
    at += 1
    const inner = list()
    if (tokens[at] !== ')') throw bad(fields)
    at += 1
    return [name, inner]
  }
  const mask = list()
  if (at !== tokens.length) throw bad(fields)
  return mask
}

function bad(fields: string): ApiRefusal {
  return new ApiRefusal(400, 'invalidParameter', `Invalid field selection ${fields}`)
}
