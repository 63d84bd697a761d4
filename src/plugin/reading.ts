import { CnmError } from '../base/errors.ts'

/** Reads one answer of a plugin: what makes no sense is PLUGIN_FAILED, naming plugin, method and field. */
export class Reading {
  readonly #plugin: string
  readonly #method: string

  constructor(plugin: string, method: string) {
    this.#plugin = plugin
    this.#method = method
  }

  /** An empty text is none. */
  take<T>(field: string, text: string | undefined, parse: (text: string) => T): T | undefined {
    if (!text) return undefined
    try {
      return parse(text)
    } catch (error) {
      const { message } = error as Error
      const why = message.length > 300 ? `${message.slice(0, 300)} …` : message
      throw this.refusal(field, why, error)
    }
  }

  refusal(field: string, why: string, cause?: unknown): CnmError {
    const [plugin, method] = [this.#plugin, this.#method]
    return new CnmError(
      'PLUGIN_FAILED',
      `plugin "${plugin}" answers to ${method}: ${field} ${why}`,
      {
        details: { plugin, method, field },
        ...(cause === undefined ? {} : { cause }),
      },
    )
  }
}
