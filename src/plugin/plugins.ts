import { CnmError, isCnmError } from '../base/errors.ts'
import type { PluginInfo, PluginSource } from '../driver/plugin-source.ts'
import { findPlugin, pluginNames } from './discovery.ts'
import { addressText, defaultFolders, type PluginFolders, type PluginPlace } from './place.ts'
import { defaultTimes, Plugin, type PluginTimes } from './plugin.ts'
import { type PresenceTimes, presenceTimes, watchPresence } from './presence.ts'
import { Unreached } from './transport.ts'

/** How long one is waited for that is only to be told of. */
const lookMs = 3_000

export interface PluginOptions {
  readonly folders?: Partial<PluginFolders>
  readonly times?: Partial<PluginTimes & PresenceTimes>
  /** Names that are no plugins, whatever is found: what this engine serves itself. */
  readonly except?: readonly string[]
}

/** The plugins of this host. Each is looked for when it is first needed. */
export class Plugins implements Pick<PluginSource, 'watch' | 'list' | 'inspect'> {
  readonly #folders: PluginFolders
  readonly #times: PluginTimes & PresenceTimes
  readonly #except: ReadonlySet<string>
  readonly #plugins = new Map<string, Plugin>()
  /** Networks need them, so one that is not to be found is missing. */
  readonly #needed = new Set<string>()

  constructor({ folders, times, except = [] }: PluginOptions = {}) {
    this.#folders = { ...defaultFolders, ...folders }
    this.#times = { ...defaultTimes, ...presenceTimes, ...times }
    this.#except = new Set(except)
  }

  get(name: string): Plugin {
    const known = this.#plugins.get(name)
    if (known !== undefined) return known
    const plugin = new Plugin(name, () => this.#find(name), this.#times)
    this.#plugins.set(name, plugin)
    return plugin
  }

  watch(name: string, tell: (change: 'lost' | 'back') => void, signal: AbortSignal): void {
    this.#needed.add(name)
    signal.addEventListener('abort', () => this.#needed.delete(name), { once: true })
    watchPresence(this.get(name), tell, signal, this.#times).catch(() => {})
  }

  async list(signal?: AbortSignal): Promise<readonly PluginInfo[]> {
    const found = await pluginNames(this.#folders)
    const names = new Set([...found, ...this.#needed].filter((name) => !this.#except.has(name)))
    return Promise.all([...names].sort().map((name) => this.#look(name, signal)))
  }

  async inspect(name: string, signal?: AbortSignal): Promise<PluginInfo> {
    // Not yet: to have been asked for is not to be known.
    if (!this.#needed.has(name)) await this.#find(name).catch(unlessMissing)
    return this.#look(name, signal)
  }

  async #look(name: string, signal: AbortSignal | undefined): Promise<PluginInfo> {
    const place = await this.#find(name).catch(() => undefined)
    const where =
      place === undefined ? {} : { source: place.source, address: addressText(place.address) }
    // A look at all of them doesn't wait as long as a call that matters.
    const limit = AbortSignal.timeout(lookMs)
    try {
      const active = await this.get(name).probe({
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      })
      return { name, ...where, state: 'ready', implements: active.implements }
    } catch (error) {
      if (signal?.aborted) throw error
      const message = error instanceof Error ? error.message : String(error)
      const isLate = isCnmError(error, 'CANCELLED')
      const problem = isLate ? `it has not answered within ${lookMs} ms` : message
      return { name, ...where, state: 'unavailable', implements: [], problem }
    }
  }

  async #find(name: string): Promise<PluginPlace> {
    const place = this.#except.has(name) ? undefined : await findPlugin(name, this.#folders)
    if (place !== undefined) return place
    if (this.#needed.has(name)) throw new Unreached('it has neither socket nor spec any more')
    throw new CnmError('PLUGIN_NOT_FOUND', `there is no plugin "${name}"`, {
      details: { plugin: name },
      hint: `there is no ${name}.sock in ${this.#folders.sockets.join(', ')}, nor a spec in ${this.#folders.specs.join(', ')}`,
    })
  }
}

function unlessMissing(error: unknown): void {
  if (isCnmError(error, 'PLUGIN_NOT_FOUND')) throw error
}
