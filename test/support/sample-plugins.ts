import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileExamples } from './compile-examples.ts'
import { root } from './documentation.ts'
import { exitOf, kill } from './ended.ts'

const programs = ['network-driver', 'ipam-driver'] as const
export type Sample = (typeof programs)[number]

/** The programs of examples/plugin/, compiled into a folder as their authors would, and started. */
export class SamplePlugins implements AsyncDisposable {
  readonly #folder: string
  readonly #running = new Set<ChildProcess>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async compile(folder: string): Promise<SamplePlugins> {
    const examples = programs.map(async (name) => {
      const code = await readFile(join(root, 'examples/plugin', `${name}.ts`), 'utf8')
      return { name, code }
    })
    await compileExamples(folder, (await Promise.all(examples)) as never, 'build')
    return new SamplePlugins(folder)
  }

  /** In the network namespace of that path; resolves when it answers at the socket. */
  async start(program: Sample, socket: string, netns: string): Promise<ChildProcess> {
    const argv = [`--net=${netns}`, process.execPath, join(this.#folder, `${program}.js`), socket]
    const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#running.add(child)
    const said = await Promise.race([once(child.stdout, 'data'), exitOf(child)])
    if (!Buffer.isBuffer(said[0])) throw new Error(`${program} ended with ${said[0]}`)
    return child
  }

  async kill(child: ChildProcess): Promise<void> {
    this.#running.delete(child)
    await kill(child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#running]) await this.kill(child)
  }
}
