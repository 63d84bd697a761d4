import type { Program } from '../linux.ts'

/**
 * Passes signals on to the program; one that comes before it is being started cancels that. What a
 * terminal sends (Ctrl-C) reaches the program by itself.
 */
export class SignalRelay {
  readonly #signals: readonly NodeJS.Signals[] = [
    'SIGINT',
    'SIGQUIT',
    'SIGTERM',
    'SIGHUP',
    'SIGUSR2',
  ]
  readonly #abort = new AbortController()
  /** The first one that came before there was a program. */
  early: NodeJS.Signals | undefined
  #program: Program | undefined

  constructor() {
    for (const signal of this.#signals) process.on(signal, this.#receive)
  }

  /** Fires with the first signal that comes before there is a program. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  relayTo(program: Program): void {
    this.#program = program
    if (this.early !== undefined) program.kill(this.early)
  }

  stop(): void {
    for (const signal of this.#signals) process.off(signal, this.#receive)
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    const fromTerminal = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
    if (this.#program === undefined) {
      this.early ??= signal
      this.#abort.abort()
    } else if (!fromTerminal) this.#program.kill(signal)
  }
}
