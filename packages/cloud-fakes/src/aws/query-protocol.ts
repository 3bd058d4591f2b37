import { randomUUID } from 'node:crypto'
import { XMLBuilder } from 'fast-xml-parser'
import type { FakeAnswer } from '../core/fake-server.ts'
import { Refusal } from './refusal.ts'

/** The form of a request in AWS's query protocol: `Action=…&InstanceIds.member.1=…`. */
export class QueryForm {
  readonly #fields: URLSearchParams

  constructor(body: string) {
    this.#fields = new URLSearchParams(body)
  }

  text(name: string): string | undefined {
    return this.#fields.get(name) ?? undefined
  }

  /** Thrown: `ValidationError`. */
  needed(name: string): string {
    const value = this.text(name)
    if (value === undefined || value === '')
      throw new Refusal('ValidationError', `1 validation error detected: ${name} must not be null`)
    return value
  }

  /** Thrown: `ValidationError`. */
  integer(name: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (!/^-?\d+$/.test(value))
      throw new Refusal('ValidationError', `1 validation error detected: ${name} is not an integer`)
    return Number(value)
  }

  /** Thrown: `ValidationError`. */
  boolean(name: string): boolean | undefined {
    const value = this.text(name)
    if (value === undefined || value === 'true' || value === 'false')
      return value === undefined ? undefined : value === 'true'
    throw new Refusal('ValidationError', `1 validation error detected: ${name} is not a boolean`)
  }

  /** `NAME.1`, `NAME.2`, … in order. */
  list(name: string): readonly string[] {
    const values: string[] = []
    for (let value = this.text(`${name}.1`); value !== undefined; value = this.text(`${name}.${values.length + 1}`))
      values.push(value)
    return values
  }
}

/** What an XML answer is made of. A list is `{ member: […] }` or `{ item: […] }`; undefined is left out. */
export type Xml = string | number | boolean | undefined | readonly Xml[] | { readonly [name: string]: Xml }

const builder = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: true })

export function xmlAnswer(
  root: string,
  namespace: string,
  content: { readonly [name: string]: Xml },
  status = 200,
): FakeAnswer {
  const body = builder.build({ [root]: { '@_xmlns': namespace, ...content } }) as string
  return { status, headers: { 'content-type': 'text/xml' }, body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}` }
}

export const newRequestId: () => string = randomUUID

/** One page of a list. Thrown: the refusal of a token that is none of ours. */
export function pageOf<Item>(
  items: readonly Item[],
  size: number,
  token: string | undefined,
  wrongToken: () => Refusal,
): { readonly page: readonly Item[]; readonly next: string | undefined } {
  const from = token === undefined ? 0 : Number(/^page-(\d+)$/.exec(Buffer.from(token, 'base64url').toString())?.[1])
  if (!Number.isInteger(from)) throw wrongToken()
  const next = from + size < items.length ? Buffer.from(`page-${from + size}`).toString('base64url') : undefined
  return { page: items.slice(from, from + size), next }
}
