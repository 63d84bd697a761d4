import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Detached, Subject } from './subject.ts'

/** The C program of floor.c, which works when it is told to and sleeps otherwise. */
export async function floor(folder: string, networks: number): Promise<Subject> {
  const program = fileURLToPath(new URL('floor', import.meta.url))
  const child = spawn(program, [folder, String(networks), '4'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child, 'spawn')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()

  const ask = async (command: string): Promise<number[]> => {
    child.stdin.write(`${command}\n`)
    const answer = await answers.next()
    if (answer.done) throw new Error(`the floor program ended at "${command}"`)
    return answer.value
      .trim()
      .split(' ')
      .map((microseconds) => Number(microseconds) / 1000)
  }

  return {
    attach: (count) => ask(`attach ${count}`),
    async detach(count): Promise<Detached> {
      const times = await ask(`detach ${count}`)
      return { each: times.slice(0, count), untilGone: times[count]! }
    },
    close: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  child.stdin?.end()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
