import type { ExtendedError } from '../../../dns/answer/reply-writer.ts'
import { ExtendedCode, type Question, readQuestion } from '../../../dns/message/message.ts'
import type { UpstreamQuestion } from '../../../dns/upstream/upstream-query.ts'
import type { Upstream } from '../../../kernel/kept-resource.ts'
import { AnswerCache } from './answer-cache.ts'
import { FairSlots } from './fair-slots.ts'
import {
  type Asker,
  type ClientQuery,
  type Forwarded,
  failed,
  fromCache,
  fromStale,
  fromUpstream,
  malformed,
  refused,
} from './forwarded.ts'
import { Lookups, type RunningLookup } from './lookups.ts'
import { type ServerGroup, Servers } from './servers.ts'

interface ForwarderOptions {
  /**
   * A socket, neither bound nor connected, of the host's namespace, or of the one the socket `beside` is
   * in.
   */
  readonly open: (type: 'udp' | 'tcp', family: 4 | 6, beside?: number) => number
  /** The host's, now: another array only when they have changed. */
  readonly upstreams: () => readonly Upstream[]
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const limits = { each: 256, all: 2048, reserve: 512 }
/** RFC 8767: who has something stale in hand doesn't wait for longer. Clients give up after 2 s and more. */
const PATIENCE_MS = 1800

const RD = 0x0100
const CD = 0x0010

const noServers: ExtendedError = {
  code: ExtendedCode.NO_REACHABLE_AUTHORITY,
  text: "the host's resolv.conf names no server",
}
const onlyOurs: ExtendedError = {
  code: ExtendedCode.NO_REACHABLE_AUTHORITY,
  text: 'its only server is this resolver itself',
}
const isGone: ExtendedError = { code: ExtendedCode.OTHER, text: 'the sandbox is gone' }
const isClosed: ExtendedError = { code: ExtendedCode.NOT_READY, text: 'the resolver ends' }

/**
 * Asks upstreams what isn't known here, and remembers what they said: for all sandboxes that ask the host's
 * upstreams together, and for each one that has its own.
 */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #now: () => number
  readonly #servers = new Servers()
  readonly #cache = new AnswerCache()
  readonly #lookups = new Lookups()
  readonly #slots = new FairSlots(limits)
  #isClosed = false

  constructor(options: ForwarderOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * Never rejects. Where the sandbox is forgotten meanwhile, it resolves all the same: what sends the
   * answer has to see whether there is still a socket for it.
   */
  async ask(bytes: Buffer, from: Asker): Promise<Forwarded> {
    if (this.#isClosed) return failed({ bytes }, isClosed)
    const question = readQuestion(bytes)
    if (question === undefined) return malformed(bytes)
    const query = { bytes, question, from }
    const group = this.#group(from)
    if (group.servers.length > 0) return this.#answer(query, group, keyOf(group, question))
    const isUnset = from.upstreams.from === 'host' && this.#options.upstreams().length === 0
    return failed(query, isUnset ? noServers : onlyOurs)
  }

  /** Nothing waits for that sandbox's any more, and its sockets are closed. */
  forget(sandbox: string): void {
    this.#lookups.forget(sandbox, isGone)
    this.#servers.forget(sandbox)
  }

  /** Closes all sockets; what waits is told so. */
  close(): void {
    this.#isClosed = true
    this.#lookups.close(isClosed)
    this.#cache.clear()
  }

  async #answer(query: ClientQuery, group: ServerGroup, key: string): Promise<Forwarded> {
    const { sandbox } = query.from
    const now = this.#now()
    const found = this.#cache.find(key, now)
    if (found?.isFresh) return fromCache(query, found)
    const instead = (otherwise: Forwarded) => (found ? fromStale(query, found) : otherwise)
    const failure = this.#cache.failure(key, now)
    const running = this.#lookups.get(key)
    if (running === undefined && failure?.isRecent) return instead(failed(query, failure.error))
    if (!this.#slots.take(sandbox)) return instead(refused(query))
    const mayHelp = failure === undefined && group.servers.some(({ isDead }) => !isDead)
    const lookup = running ?? this.#start(query, group, key)
    const patienceMs = found && (mayHelp ? lookup.startedAt + PATIENCE_MS - now : 0)
    const result = await lookup.waiters.wait(sandbox, patienceMs)
    // Where it has started the lookup, the slot is that one's.
    if (running !== undefined) this.#slots.give(sandbox)
    if (result !== undefined && 'message' in result) return fromUpstream(query, result)
    return instead(failed(query, result ?? isGone))
  }

  #start({ question, from }: ClientQuery, group: ServerGroup, key: string): RunningLookup {
    const { sandbox, beside } = from
    const place = placeOf(from)
    return this.#lookups.start({
      key,
      place,
      servers: group.servers,
      question: upstreamQuestion(question),
      support: {
        open: (type, family) =>
          place === ''
            ? this.#options.open(type, family)
            : this.#options.open(type, family, beside),
        now: this.#now,
      },
      onResult: (result) => {
        this.#slots.give(sandbox)
        const now = this.#now()
        if ('message' in result) this.#cache.keep(key, result, now)
        else if (result !== isGone) this.#cache.fail(key, result, now)
      },
    })
  }

  #group(from: Asker): ServerGroup {
    const { upstreams } = from
    const list = upstreams.from === 'host' ? this.#options.upstreams() : upstreams.servers
    return this.#servers.group(placeOf(from), list)
  }
}

/** Whose upstreams they are: the host's, or the sandbox's own. */
function placeOf({ sandbox, upstreams }: Asker): string {
  return upstreams.from === 'host' ? '' : sandbox
}

function keyOf(group: ServerGroup, { name, type, class: of, flags, edns }: Question): string {
  const signed = edns?.do === true ? 'signed' : ''
  return `${group.key} ${of} ${type} ${flags & (RD | CD)} ${signed} ${name}`
}

function upstreamQuestion({ wireName, type, class: of, flags, edns }: Question): UpstreamQuestion {
  return {
    wireName,
    type,
    class: of,
    recursionDesired: (flags & RD) !== 0,
    checkingDisabled: (flags & CD) !== 0,
    dnssec: edns?.do === true,
  }
}
