export interface CacheFormat {
  readonly format: 'zip' | 'zipzstd' | 'tarzstd'
  /** Why it is not what was asked for. */
  readonly warning?: string
}

/**
 * What an archive in a store is, by `CACHE_COMPRESSION_FORMAT`. Whatever it was when it was saved, it can be restored.
 */
export function cacheFormat(setting: string): CacheFormat {
  const wanted = setting.toLowerCase().replace(/^tar\.zst$/, 'tarzstd')
  if (wanted === '' || wanted === 'zip') return { format: 'zip' }
  if (wanted === 'tarzstd' || wanted === 'zipzstd') return { format: wanted }
  return {
    format: 'zip',
    warning: `CACHE_COMPRESSION_FORMAT ${JSON.stringify(setting)}: expected zip, tarzstd or zipzstd; using zip`,
  }
}
