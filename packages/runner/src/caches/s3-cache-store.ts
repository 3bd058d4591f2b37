import { type Clock, deadline, type Random } from '@runner-core/fleeting'
import { type CacheArchive, CacheError, type CacheName, type CacheStore } from '@runner-core/job'
import type { CacheSettings } from '../config/settings.ts'
import type { Environment } from '../gitlab/http/proxy.ts'
import { bucketUrl, objectName } from './s3-address.ts'
import { elementOf, readRefusal, S3Bucket, type S3Request } from './s3-bucket.ts'
import { findCredentials } from './s3-credentials.ts'

export interface S3CacheStoreOptions {
  readonly settings: CacheSettings
  /** Of the runner: part of the name of its caches, unless they are shared. */
  readonly shortToken: string
  /** Where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are read. */
  readonly environment: Environment
  readonly clock: Clock
  readonly random: Random
  /**
   * Bytes of a part of a large archive, which is what an upload holds in memory; a store takes none below 5 MiB.
   * Default: 8 MiB.
   */
  readonly partBytes?: number
}

/** A store takes 10,000 parts: after each so many they are twice as large, which makes 484 GiB of those of 8 MiB. */
const partsOfOneSize = 2000
/** How often a download that breaks off is taken up again. */
const maxBreaks = 3
/** How long it may take to tell the store that an upload is given up. */
const giveUpMs = 10_000

/**
 * Caches as objects of a bucket. An archive is sent as it is made, in parts that the store puts together at the end:
 * until then there is what was there before, and of two that are sent at once the one that ends last counts. What
 * cannot be told to the store, because this process dies, are parts without an end: a rule of the bucket should remove
 * those.
 */
export class S3CacheStore implements CacheStore {
  readonly #options: S3CacheStoreOptions
  readonly #bucket: S3Bucket

  constructor(options: S3CacheStoreOptions) {
    const { settings, environment, clock, random } = options
    const { s3 } = settings
    this.#options = options
    this.#bucket = new S3Bucket({
      url: bucketUrl(s3),
      region: s3.bucketLocation,
      credentials: findCredentials(s3),
      environment,
      clock,
      random,
    })
  }

  async download(cache: CacheName, signal: AbortSignal): Promise<AsyncIterable<Buffer> | undefined> {
    const name = this.#nameOf(cache)
    const answer = await this.#bucket.send({ method: 'GET', name }, [200, 404], signal)
    if (answer.status === 404) {
      const { code, error } = await readRefusal(answer)
      if (code === 'NoSuchBucket') throw error
      return undefined
    }
    return this.#read(name, answer, signal)
  }

  async digest(cache: CacheName, signal: AbortSignal): Promise<string | undefined> {
    // A key that may not list objects is told that one is forbidden, not that it is missing.
    const { status, headers, body } = await this.#bucket.send(
      { method: 'HEAD', name: this.#nameOf(cache) },
      [200, 403, 404],
      signal,
    )
    await body.dump()
    const digest = headers[`x-amz-meta-${digestKey}`]
    return status === 200 && typeof digest === 'string' ? digest : undefined
  }

  async upload(cache: CacheName, { content, digest }: CacheArchive, signal: AbortSignal): Promise<void> {
    const { settings, partBytes = 8 * 1024 * 1024 } = this.#options
    const limit = settings.maxUploadedArchiveSize
    const object: NewObject = { name: this.#nameOf(cache), metadata: { [digestKey]: digest } }
    let part = Buffer.allocUnsafe(partBytes)
    let filled = 0
    let total = 0
    let upload: UploadInParts | undefined
    try {
      for await (const chunk of content) {
        total += chunk.length
        if (limit > 0 && total > limit)
          throw new CacheError('too_large', `Cache archive size is too big (Limit is set to ${limit})`)
        for (let at = 0; at < chunk.length; ) {
          if (filled === part.length) {
            upload ??= await this.#begin(object, signal)
            await this.#putPart(upload, part, signal)
            filled = 0
            if (upload.etags.length % partsOfOneSize === 0) part = Buffer.allocUnsafe(part.length * 2)
          }
          const copied = chunk.copy(part, filled, at)
          filled += copied
          at += copied
        }
      }
      const last = part.subarray(0, filled)
      if (upload === undefined) return await this.#put(object, last, signal)
      await this.#putPart(upload, last, signal)
      await this.#complete(upload, signal)
    } catch (error) {
      if (upload !== undefined) await this.#giveUp(upload)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#bucket.close()
  }

  /** Takes a download up again where it broke off, as long as the object is the same. */
  async *#read(
    name: string,
    { headers, body }: Awaited<ReturnType<S3Bucket['send']>>,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const etag = headers['etag']
    let at = 0
    for (let breaks = 0, piece = body; ; ) {
      try {
        for await (const chunk of piece) {
          at += (chunk as Buffer).length
          yield chunk as Buffer
        }
        return
      } catch (cause) {
        signal.throwIfAborted()
        if (typeof etag !== 'string' || ++breaks > maxBreaks)
          throw new CacheError('unreachable', 'the download was interrupted', { cause })
        const from = { range: `bytes=${at}-`, 'if-match': etag }
        piece = (await this.#bucket.send({ method: 'GET', name, headers: from }, [206], signal)).body
      }
    }
  }

  async #put(object: NewObject, body: Buffer, signal: AbortSignal): Promise<void> {
    const { body: answer } = await this.#bucket.send(
      { method: 'PUT', ...object, headers: contentType, body },
      [200],
      signal,
    )
    await answer.dump()
  }

  async #begin(object: NewObject, signal: AbortSignal): Promise<UploadInParts> {
    const { body } = await this.#bucket.send(
      { method: 'POST', ...object, query: { uploads: '' }, headers: contentType },
      [200],
      signal,
    )
    const uploadId = elementOf(await body.text(), 'UploadId')
    if (uploadId === undefined) throw new CacheError('refused', 'the store did not start a multipart upload')
    return { name: object.name, uploadId, etags: [] }
  }

  /** `body` may be changed once it is there. */
  async #putPart({ name, uploadId, etags }: UploadInParts, body: Buffer, signal: AbortSignal): Promise<void> {
    const query = { partNumber: String(etags.length + 1), uploadId }
    const answer = await this.#bucket.send({ method: 'PUT', name, query, body }, [200], signal)
    await answer.body.dump()
    etags.push(String(answer.headers['etag']))
  }

  async #complete({ name, uploadId, etags }: UploadInParts, signal: AbortSignal): Promise<void> {
    const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    const xml = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
    const headers = { 'content-type': 'application/xml' }
    const answer = await this.#bucket.send(
      { method: 'POST', name, query: { uploadId }, headers, body: xml },
      [200],
      signal,
    )
    // It may say so after it has begun to answer.
    const code = elementOf(await answer.body.text(), 'Code')
    if (code !== undefined) throw new CacheError('failed', `the store could not assemble the archive: ${code}`)
  }

  /** Never rejects. */
  async #giveUp({ name, uploadId }: UploadInParts): Promise<void> {
    using limit = deadline(this.#options.clock, giveUpMs, () => new Error('no answer'))
    try {
      const { body } = await this.#bucket.send(
        { method: 'DELETE', name, query: { uploadId } },
        [200, 204, 404],
        limit.signal,
      )
      await body.dump()
    } catch {
      // The bucket's own rule is left.
    }
  }

  #nameOf(cache: CacheName): string {
    const { settings, shortToken } = this.#options
    return objectName(settings, shortToken, cache)
  }
}

interface UploadInParts {
  readonly name: string
  readonly uploadId: string
  /** Of the parts that are there. */
  readonly etags: string[]
}

type NewObject = Pick<S3Request, 'name'> & Required<Pick<S3Request, 'metadata'>>

/** Metadata of an object: {@link CacheArchive.digest}. */
const digestKey = 'runner-core-digest'

const contentType = { 'content-type': 'application/octet-stream' }
