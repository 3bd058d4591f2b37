import { type Act, actOf } from './job-program.ts'

/** One step of a generated script, as `jobScript` lines them up. */
export type ScriptPart =
  /** `printf` of markers; unless it is the last, only while all has gone well. */
  | { readonly markers: readonly string[]; readonly words: readonly string[] }
  /** `printf` of the marker that says why nothing could be written, where that is so. */
  | { readonly trouble: true }
  /** A stage: what it shows and does, line by line. */
  | { readonly lines: readonly { readonly shown: string; readonly act: Act }[] }

/** What the machine must know of a script that production generated. */
export interface GeneratedScript {
  readonly nonce: string
  readonly parts: readonly ScriptPart[]
  /** Where it works, as it is written: two at once in one directory would be in each other's way. */
  readonly directory: string
  /** Whether it makes directories first. */
  readonly prepares: boolean
}

const markersOrStage = /printf '((?:\\036[^'\\]*\\036)+)'((?: (?:"\$\w+"|\$\w+))*)|^eval '((?:[^']|'\\'')*)'$/gm
const shownLine = /\x1b\[32;1m\$ ([^\x1b]*)\x1b\[0;m/g

/** Reads what `jobScript` made. Thrown: when it is something else. */
export function readScript(text: string): GeneratedScript {
  if (!text.startsWith('{ unset s; exec 2>&1; set -- "$PWD" 0\n'))
    throw new Error(`no generated script: ${text.slice(0, 200)}`)
  const parts: ScriptPart[] = []
  let nonce = ''
  for (const [, format, words = '', stage] of text.matchAll(markersOrStage)) {
    if (format !== undefined) {
      const markers = [...format.matchAll(/\\036(\w+) ([^\\]*)\\036/g)]
      nonce = markers[0]?.[1] ?? nonce
      // Said only where sources are got by git, or where a job left variables in a file, or changed its login's: no job
      // of the world does.
      if (markers.some(([, , body = '']) => body === 'jobenv' || body === 'unkept' || body.startsWith('failed ')))
        continue
      if (markers.some(([, , body = '']) => body.startsWith('unwritable '))) parts.push({ trouble: true })
      else
        parts.push({
          markers: markers.map(([, , body = '']) => body),
          words: words.trim() === '' ? [] : words.trim().split(' '),
        })
    } else if (stage !== undefined) {
      const lines = [...stage.matchAll(shownLine)].map(([, shown = '']) => {
        const act = actOf(shown)
        if (act === undefined) throw new Error(`the world does not know what this does: ${shown}`)
        return { shown, act }
      })
      parts.push({ lines })
    }
  }
  const prepares = text.includes('set -- "$1" 0; } || set -- "$1" 1')
  const directory = /cd ('[^']*'|\S*"\$1"\S*) (?:\|\||2>)/.exec(text)?.[1] ?? ''
  if (nonce === '') throw new Error('a generated script without markers')
  return { nonce, parts, directory, prepares }
}
