import { parentPort } from 'node:worker_threads'
import { toWire } from '../thread/wire-error.ts'
import type { ProgramReply, ProgramRequest } from './program-thread.ts'
import { startProgram } from './start-program.ts'

/** The entry of the thread that starts one program, and passes signals on to it. */

const port = parentPort!

function reply(message: ProgramReply): void {
  port.postMessage(message)
}

let kill: ((signal: NodeJS.Signals) => void) | undefined

async function start({ namespace, command }: ProgramRequest): Promise<void> {
  try {
    const program = await startProgram(namespace, command, (ended) => reply({ ended }))
    kill = program.kill
    reply({ pid: program.pid })
  } catch (error) {
    reply({ error: toWire(error) })
  }
}

port.on('message', (message: ProgramRequest | NodeJS.Signals) => {
  if (typeof message === 'string') kill?.(message)
  else void start(message)
})
