import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GroupError } from '@runner-core/fleeting'

/** A host that is lent, as it is written down. */
interface KeptLoan {
  readonly id: string
  /** The host's name in the configuration. */
  readonly host: string
  readonly launchToken: string
}

export interface KeptLoans {
  readonly loans: readonly KeptLoan[]
  /** Hosts lent so far, those given back included: no id is used twice. */
  readonly lentSoFar: number
}

/**
 * Where the group writes down which hosts are lent, for the next process: nothing but this program knows. Holds no
 * secret.
 */
export class LoanFile {
  readonly #directory: string
  readonly #file: string

  /** Nothing is made before the first {@link write}. */
  constructor(directory: string) {
    this.#directory = directory
    this.#file = join(directory, 'loans.json')
  }

  /** Thrown: `invalid_config` when it cannot be read, or is none of ours: it is left as it is. */
  read(): KeptLoans {
    try {
      return parseLoans(JSON.parse(readFileSync(this.#file, 'utf8')))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { loans: [], lentSoFar: 0 }
      throw new GroupError(
        'invalid_config',
        `${this.#file}: expected the list of hosts in use, got ${(error as Error).message}`,
        {
          cause: error,
        },
      )
    }
  }

  /** All or nothing. Thrown: `transient`. */
  write(kept: KeptLoans): void {
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      writeFileSync(`${this.#file}.new`, JSON.stringify(kept), { mode: 0o600, flush: true })
      renameSync(`${this.#file}.new`, this.#file)
    } catch (error) {
      throw new GroupError(
        'transient',
        `${this.#file}: the list of hosts in use cannot be written: ${(error as Error).message}`,
        {
          cause: error,
        },
      )
    }
  }
}

function parseLoans(value: unknown): KeptLoans {
  const { loans, lentSoFar } = Object(value) as Partial<KeptLoans>
  const isLoan = (loan: unknown): loan is KeptLoan => {
    const { id, host, launchToken } = Object(loan) as Record<string, unknown>
    return typeof id === 'string' && typeof host === 'string' && typeof launchToken === 'string'
  }
  if (!Number.isSafeInteger(lentSoFar) || !Array.isArray(loans) || !loans.every(isLoan))
    throw new Error('something else')
  return { loans, lentSoFar: lentSoFar as number }
}
