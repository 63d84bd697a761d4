import type { KernelError } from '../../../base/errors.ts'
import type { Message } from './message.ts'

const wanted = (process.env.CNM_TRACE ?? '').split(',').includes('netlink')

/** With CNM_TRACE=netlink: what is sent, on standard error. */
export function traceMessage(message: Message, sequence: number): void {
  if (!wanted) return
  const { operation, target, flags, body } = message
  const what = target === undefined ? operation : `${operation} ${target}`
  const hex = Buffer.from(body)
    .toString('hex')
    .replaceAll(/.{8}(?=.)/g, '$& ')
  print(`#${sequence} ${what} (flags 0x${flags.toString(16)}, ${body.length} bytes) ${hex}`)
}

/** With CNM_TRACE=netlink: what the kernel refused. */
export function traceError(error: KernelError, sequence: number): void {
  if (wanted) print(`#${sequence} refused: ${error.message}`)
}

function print(line: string): void {
  process.stderr.write(`netlink ${line}\n`)
}
