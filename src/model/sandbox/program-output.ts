import type { Readable } from 'node:stream'
import { CnmError } from '../../base/errors.ts'

/** What a program writes, to its end. Errors: NOT_ALLOWED as soon as it is more than that. */
export async function outputOf(
  stream: Readable | undefined,
  most = Number.POSITIVE_INFINITY,
): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream ?? []) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size <= most) continue
    throw new CnmError('NOT_ALLOWED', `the program has written more than ${most} bytes`, {
      hint: 'let it write to a file, or start it in the sandbox yourself',
    })
  }
  return Buffer.concat(chunks).toString()
}
