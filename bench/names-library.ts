import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { EngineAnswer, EngineOrder } from './names-engine.ts'
import { type NamesSubject, pin, pssMegabytes } from './names-subject.ts'
import { prepared } from './session.ts'

/** An engine in a process of its own, with one sandbox to begin with. */
export class NamesLibrary {
  readonly #child: ChildProcess
  readonly #namespace: string
  readonly #keeper: number

  private constructor(child: ChildProcess, namespace: string) {
    this.#child = child
    this.#namespace = namespace
    this.#keeper = onlyChildOf(child.pid!)
    pin(this.#keeper)
  }

  static async start(folder: string): Promise<NamesLibrary> {
    const program = fileURLToPath(new URL('names-engine.js', import.meta.url))
    const folders = [prepared(folder, 'names-state'), prepared(folder, 'memory/names-run')]
    const child = fork(program, folders)
    await answerOf(child)
    const { namespace } = await tell(child, { op: 'fill', count: 1 })
    return new NamesLibrary(child, namespace)
  }

  /** Its first sandbox asks for the name of another one. */
  get subject(): NamesSubject {
    return {
      name: 'cnm',
      namespace: this.#namespace,
      server: '127.0.0.11',
      question: 'box10',
      pid: this.#keeper,
      goals: { 10: '≥ 150,000 or 0.7', 100: '≥ 400,000 or 0.7' },
      close: async () => {
        const ended = once(this.#child, 'exit')
        await this.tell({ op: 'empty' })
        await this.tell({ op: 'close' })
        await ended
      },
    }
  }

  tell(order: EngineOrder): Promise<EngineAnswer> {
    return tell(this.#child, order)
  }

  memory(): { readonly engine: number; readonly keeper: number } {
    return { engine: pssMegabytes(this.#child.pid!), keeper: pssMegabytes(this.#keeper) }
  }
}

async function tell(child: ChildProcess, order: EngineOrder): Promise<EngineAnswer> {
  child.send(order)
  return answerOf(child)
}

async function answerOf(child: ChildProcess): Promise<EngineAnswer> {
  const answered = new AbortController()
  const { signal } = answered
  const ended = once(child, 'exit', { signal }).then(() => [undefined])
  const [answer] = await Promise.race([once(child, 'message', { signal }), ended])
  // Or each question would leave two listeners.
  answered.abort()
  ended.catch(() => {})
  if (answer === undefined) throw new Error('the engine has ended')
  return answer as EngineAnswer
}

/** The engine starts the keeper and nothing else. */
function onlyChildOf(parent: number): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const children = pids.filter((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
  })
  if (children.length !== 1) throw new Error(`the engine has ${children.length} children`)
  return Number(children[0])
}
