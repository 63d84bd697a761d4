import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { firstAnswer } from './first-answer.ts'
import { pssMegabytes } from './names-subject.ts'
import { prepared } from './session.ts'
import { pathOf, stop } from './traffic-subject.ts'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** `cnm daemon` on a host of its own. */
export class DaemonProcess {
  readonly socketPath: string
  readonly #runDir: string
  readonly #start: () => ChildProcess
  #child: ChildProcess

  constructor(folder: string, name: string, host: string, more: readonly string[] = []) {
    const stateDir = prepared(folder, `${name}-state`)
    this.#runDir = realpathSync(prepared(folder, `memory/${name}-run`))
    this.socketPath = `${this.#runDir}/cnm.sock`
    const log = openSync(`${stateDir}/log`, 'a')
    const folders = ['--state-dir', stateDir, '--run-dir', this.#runDir]
    const argv = [`--net=${pathOf(host)}`, process.execPath, program, 'daemon', ...folders, ...more]
    this.#start = () => spawn('nsenter', argv, { stdio: ['ignore', log, log] })
    this.#child = this.#start()
  }

  answers(): Promise<void> {
    return firstAnswer(this.socketPath, '/v1/status')
  }

  /** Kills it and starts another one, which may not answer yet. */
  async replace(): Promise<void> {
    await stop(this.#child)
    this.#child = this.#start()
  }

  /** How long it has been on a processor so far, in milliseconds. */
  get cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }

  memory(): { readonly daemon: number; readonly keeper: number } {
    const keeper = this.#keeper()
    return {
      daemon: pssMegabytes(this.#child.pid!),
      keeper: keeper === undefined ? 0 : pssMegabytes(keeper),
    }
  }

  /** It goes when it has nothing to do for anybody. */
  async stop(): Promise<void> {
    await stop(this.#child)
  }

  /** Known by the log that it writes. */
  #keeper(): number | undefined {
    const log = `${this.#runDir}/keeper.log`
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .find((pid) => targetOf(`/proc/${pid}/fd/2`) === log)
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}
