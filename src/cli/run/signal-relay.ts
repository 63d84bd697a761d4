import { constants } from 'node:os'
import { isCnmError } from '../../base/errors.ts'

/** Something that signals can be passed on to. */
interface Signalled {
  kill(signal: NodeJS.Signals): void
}

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
  #program: Signalled | undefined

  constructor() {
    for (const signal of this.#signals) process.on(signal, this.#receive)
  }

  /** Fires with the first signal that comes before there is a program. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  relayTo(program: Signalled): void {
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

/** Answers with the exit status; that of the signal, if one came before there was a program. */
export async function relaying(work: (signals: SignalRelay) => Promise<number>): Promise<number> {
  const signals = new SignalRelay()
  try {
    return await work(signals)
  } catch (error) {
    if (signals.early === undefined || !isCnmError(error, 'CANCELLED')) throw error
    return 128 + constants.signals[signals.early]
  } finally {
    // Not before all is cleaned up: another signal would end that half-way.
    signals.stop()
  }
}
