import { setTimeout as after } from 'node:timers/promises'
import { CnmError, cancelled, isCnmError } from '../base/errors.ts'
import { Type } from '../base/schema.ts'
import { Breaker } from './breaker.ts'
import {
  activateCall,
  type PluginAnswerOf,
  type PluginCall,
  parseMessage,
  type RequestOf,
} from './call.ts'
import type { PluginPlace } from './place.ts'
import { type PluginResponse, post, Unreached } from './transport.ts'

export interface PluginTimes {
  /** How long a call may take, with all that is tried again. */
  readonly timeoutMs: number
  /** How long is waited before a connection is tried again for the first time; then twice as long, … */
  readonly retryMs: number
  /** How long nothing is asked of a plugin that doesn't answer. */
  readonly pauseMs: number
}

export const defaultTimes: PluginTimes = { timeoutMs: 10_000, retryMs: 1_000, pauseMs: 10_000 }

const activate = 'Plugin.Activate'

/** Where it answers now. Errors: Unreached; a CnmError where trying again is no use. */
type Find = () => Promise<PluginPlace>

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** false: fails at once where nothing answers. Default: true. */
  readonly retry?: boolean
}

/**
 * Another program that answers the protocol's calls. It is looked for, and asked what it implements, when
 * it is first needed. Every call has an end: its answer, its refusal, or the time it may take. One that
 * doesn't answer isn't asked for a while, so that no caller waits for each call anew.
 *
 * Errors: PLUGIN_UNAVAILABLE (nothing answers, or not in time), PLUGIN_FAILED (it refuses, or answers what
 * makes no sense; both name plugin and method), CANCELLED, and those of `find`.
 */
export class Plugin {
  readonly name: string
  readonly #find: Find
  readonly #times: PluginTimes
  readonly #breaker: Breaker
  #active: Promise<Active> | undefined
  #unanswered = new AbortController()

  constructor(name: string, find: Find, times: PluginTimes) {
    this.name = name
    this.#find = find
    this.#times = times
    this.#breaker = new Breaker(times.pauseMs)
  }

  /** What it implements, asked anew: whether it is there, too, whatever it did before. */
  async probe(options: CallOptions = {}): Promise<Active> {
    const active = await this.#activate({ retry: false, ...options })
    this.#active = Promise.resolve(active)
    return active
  }

  /** Fires when a call is not answered from now on: its caller may have something to tell again. */
  nextUnanswered(): AbortSignal {
    if (this.#unanswered.signal.aborted) this.#unanswered = new AbortController()
    return this.#unanswered.signal
  }

  /** Answers undefined where the plugin has no such method, if it need not. */
  async call<C extends PluginCall>(
    side: string,
    method: string,
    call: C,
    request: RequestOf<C>,
    options: CallOptions = {},
  ): Promise<PluginAnswerOf<C> | undefined> {
    const path = `${side}.${method}`
    await this.#ready(side, path, options)
    const body = request === undefined ? '' : JSON.stringify(request)
    const response = await this.#guarded(path, options, async (signal) => {
      return post((await this.#find()).address, `/${path}`, body, signal)
    })
    if (call.optional && response.status === 404) return undefined
    return this.#answer(path, call, response) as PluginAnswerOf<C>
  }

  async #ready(side: string, path: string, options: CallOptions): Promise<void> {
    this.#breaker.refuse(this.name, path)
    const { signal, ...more } = options
    // Others wait for it, too: it doesn't end with who came first.
    this.#active ??= this.#activate(more).catch((error: unknown) => {
      this.#active = undefined
      throw error
    })
    const known = await untilAborted(this.#active, `${path} of plugin "${this.name}"`, signal)
    if (known.implements.includes(side)) return
    // It may be another version by now.
    const active = await this.probe(options)
    if (active.implements.includes(side)) return
    throw new CnmError(
      'PLUGIN_FAILED',
      `plugin "${this.name}" implements ${active.implements.join(', ') || 'nothing'}, not ${side}`,
      { details: { plugin: this.name, implements: active.implements } },
    )
  }

  async #activate(options: CallOptions): Promise<Active> {
    const [place, response] = await this.#guarded(activate, options, async (signal) => {
      const place = await this.#find()
      return [place, await post(place.address, `/${activate}`, '', signal)] as const
    })
    const { Implements } = this.#answer(activate, activateCall, response)
    return { place, implements: Implements.slice(0, mostInterfaces).map(readable) }
  }

  /** Within the time there is, and again as long as it was not heard. */
  async #guarded<T>(
    path: string,
    { signal, retry = true }: CallOptions,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs, retryMs } = this.#times
    const end = Date.now() + timeoutMs
    const timeout = AbortSignal.timeout(timeoutMs)
    const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    let unreached: Unreached | undefined
    for (let pause = retryMs; ; pause *= 2) {
      try {
        const response = await work(both)
        if (path === activate) this.#breaker.meet()
        else this.#breaker.close()
        return response
      } catch (error) {
        if (signal?.aborted) throw cancelled(`${path} of plugin "${this.name}"`, signal)
        if (isCnmError(error)) throw error
        if (error instanceof Unreached) unreached = error
        const mayRetry = error instanceof Unreached && retry && Date.now() + pause < end
        if (!mayRetry) throw this.#failure(path, unreached ?? error, timeout.aborted)
        await after(pause, undefined, { signal: both }).catch(() => {})
      }
    }
  }

  #failure(path: string, error: unknown, isLate: boolean): CnmError {
    const { message } = error as Error
    const why =
      error instanceof Unreached
        ? `nothing answers: ${message}`
        : isLate
          ? `it has not answered within ${this.#times.timeoutMs} ms`
          : `it has gone away meanwhile: ${message}`
    this.#breaker.fail(error instanceof Unreached, why)
    this.#unanswered.abort()
    return new CnmError('PLUGIN_UNAVAILABLE', `plugin "${this.name}": ${path}: ${why}`, {
      details: { plugin: this.name, method: path },
      hint: `see that it runs; "cnm plugin inspect ${this.name}" tells how it is`,
      cause: error,
    })
  }

  #answer<C extends PluginCall>(
    path: string,
    { answer }: C,
    { status, text }: PluginResponse,
  ): PluginAnswerOf<C> {
    const what = `plugin "${this.name}" answers to ${path}`
    const json = jsonOf(text)
    const refusal = refusalIn(json)
    if (status !== 200 || refusal !== undefined) {
      const says = readable(refusal ?? text) || 'nothing'
      throw this.#failed(path, `plugin "${this.name}" refuses ${path}: ${says}`, { status })
    }
    // One that has nothing to say may say nothing.
    if (answer === undefined && text.trim() === '') return undefined as PluginAnswerOf<C>
    if (json === undefined) {
      throw this.#failed(path, `${what} with no JSON: ${JSON.stringify(text.slice(0, 100))}`, {})
    }
    try {
      return parseMessage(answer ?? Nothing, json, what) as PluginAnswerOf<C>
    } catch (error) {
      throw this.#failed(path, isCnmError(error) ? error.message : String(error), {})
    }
  }

  #failed(method: string, message: string, more: object): CnmError {
    return new CnmError('PLUGIN_FAILED', message, {
      details: { plugin: this.name, method, ...more },
    })
  }
}

/** There are fewer in all the protocols that Docker knows. */
const mostInterfaces = 16

/** A plugin that has answered. */
interface Active {
  readonly place: PluginPlace
  readonly implements: readonly string[]
}

const Nothing = Type.Object({})

async function untilAborted<T>(
  work: Promise<T>,
  what: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled(what, signal))
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a plugin says goes into messages and on terminals: nothing that is long or does something there. */
function readable(text: string): string {
  return text
    .slice(0, 500)
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
}

/** `Err` of network drivers, `Error` of IPAMs; both where the status says that something went wrong. */
function refusalIn(json: unknown): string | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { Err, Error: error } = json as { readonly Err?: unknown; readonly Error?: unknown }
  return [Err, error].find((each): each is string => typeof each === 'string' && each !== '')
}
