import { piecesOf } from '@runner-core/testkit/archives/archive-rig'
import { ArchiveFile } from '../src/archive/archive-file.ts'

/** Receives more than its process may write to a file, and says what came of it. */
try {
  await ArchiveFile.receive(piecesOf(Buffer.alloc(1_000_000), 100_000), { limitBytes: 2_000_000 })
} catch (error) {
  const { code, message } = error as Error & { readonly code: string }
  console.log(`${code}: ${message}`)
}
