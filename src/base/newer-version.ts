import { CnmError } from './errors.ts'

/** What a newer cnm has left, and this one can't read. It is never changed, set aside or ended. */
export function newerVersion(what: string, found: number, known: number): CnmError {
  return new CnmError(
    'NEWER_VERSION',
    `${what} is of a newer cnm: its format is ${found}, and this one knows ${known}`,
    {
      details: { what, found, known },
      hint: 'start the newer one again, or let it hand the host back first (`cnm daemon --hand-back`)',
    },
  )
}
