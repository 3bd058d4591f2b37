import { zstdMissing } from '../archive/compress-zstd.ts'

export interface CacheFormat {
  readonly format: 'zip' | 'zipzstd' | 'tarzstd'
  /** Why it is not what was asked for. */
  readonly warning?: string
}

/** What an archive in a store is, by `CACHE_COMPRESSION_FORMAT`. Whatever it was when it was saved, it can be restored, where this Node has Zstandard. */
export function cacheFormat(setting: string, hasZstd: boolean): CacheFormat {
  const wanted = setting.toLowerCase().replace(/^tar\.zst$/, 'tarzstd')
  if (wanted === '' || wanted === 'zip') return { format: 'zip' }
  const isZstd = wanted === 'tarzstd' || wanted === 'zipzstd'
  if (isZstd && hasZstd) return { format: wanted }
  const why = isZstd ? zstdMissing : 'expected zip, tarzstd or zipzstd'
  return { format: 'zip', warning: `CACHE_COMPRESSION_FORMAT ${JSON.stringify(setting)}: ${why}; the cache is a zip` }
}
