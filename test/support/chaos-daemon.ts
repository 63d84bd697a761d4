import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from './chance.ts'
import { damage } from './chaos-damage.ts'
import type { CliHost } from './cli-host.ts'
import { DaemonProcess, isWarning } from './daemon-process.ts'
import { keeperOf, killKeeper } from './keeper-process.ts'

/** The daemon of a host, which lives no longer than chance has it. */
export class ChaosDaemon {
  readonly #cnm: CliHost
  readonly #chance: Chance
  readonly #done: () => number
  /** What was done, in order. */
  readonly deeds: string[] = []
  kills = 0
  /** Of its log: what should not have been. */
  readonly failures: string[] = []

  /** `done`: how much the clients have got done so far. */
  constructor(cnm: CliHost, chance: Chance, done: () => number) {
    this.#cnm = cnm
    this.#chance = chance
    this.#done = done
  }

  /** At the end it is there. */
  async run(until: AbortSignal): Promise<DaemonProcess> {
    const chance = this.#chance
    for (;;) {
      const daemon = new DaemonProcess(this.#cnm.host)
      const early = chance.once(5)
      if (!early) {
        await daemon.ready()
        await this.#live(until)
      } else {
        await delay(chance.below(600))
      }
      if (until.aborted) return daemon.ready()
      await this.#end(daemon)
    }
  }

  /** A while, with damage. However slow the machine is, something is done meanwhile. */
  async #live(until: AbortSignal): Promise<void> {
    const enough = this.#done() + 3
    while (this.#done() < enough && !until.aborted) await delay(10)
    for (let rest = 1 + this.#chance.below(3); rest > 0 && !until.aborted; rest -= 1) {
      await delay(50 + this.#chance.below(400), undefined, { signal: until }).catch(() => {})
      if (this.#chance.once(2)) await this.#damage()
      if (this.#chance.once(12)) await this.#killKeeper()
    }
  }

  async #end(daemon: DaemonProcess): Promise<void> {
    const gently = this.#chance.once(10)
    daemon.kill(gently ? 'SIGTERM' : 'SIGKILL')
    if (!gently) this.kills += 1
    this.deeds.push(gently ? 'stopped' : 'killed')
    const how = await daemon.ended
    this.deeds.push(...problemsOf(daemon))
    if (how !== 'SIGKILL' && how !== 0 && how !== 'SIGTERM') {
      this.failures.push(`the daemon ended with ${how}: ${daemon.said}`)
    }
    if (this.#chance.once(4)) await this.#killKeeper()
    // Nothing mends it before the next one starts.
    if (this.#chance.once(3)) await this.#damage()
  }

  async #damage(): Promise<void> {
    this.deeds.push(await damage(this.#cnm, this.#chance))
  }

  async #killKeeper(): Promise<void> {
    if ((await keeperOf(this.#cnm)) === undefined) return
    await killKeeper(this.#cnm)
    this.deeds.push('keeper killed')
  }
}

/** What it told of itself, to be read with the deeds. */
function problemsOf({ log }: DaemonProcess): string[] {
  return log.filter(isWarning).map(({ msg }) => `problem: ${msg}`)
}
