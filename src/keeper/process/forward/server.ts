import { isIPv6 } from 'node:net'
import { DNS_PORT } from '../../../dns/files/resolv-conf.ts'
import type { Upstream } from '../../../kernel/kept-resource.ts'

/** So long it is thought of as it was last seen to be. */
const MEMORY_MS = 30_000
/** So many times in a row another server had to answer for it, and it counts as dead. */
const MOST_STRIKES = 3
/** One that has not said a word all the time is worse than one that was late. */
const SILENCE_STRIKES = 2
/** So many errors in a row, and others are asked first. */
const MOST_ERRORS = 3
/** A dead one is tried again after so long; twice as long each time. */
const FIRST_TRY_MS = 3000
const LAST_TRY_MS = 48_000
/** What is told apart among round trips starts here: below, the order of the list is what counts. */
const NEAR_MS = 100
const HEDGE_MS = { least: 50, most: 1000 }
/** What it can't do is tried again after so long. */
const QUIRK_MS = 10 * 60_000

/** What is known of a server that is asked, from how it has answered. */
export class Server {
  readonly upstream: Upstream
  #roundTripMs: number | undefined
  #answeredAt = Number.NEGATIVE_INFINITY
  #strikes = 0
  #errors = 0
  #tryMs = 0
  #tryAt = 0
  #losesCaseUntil = 0
  #hatesEdnsUntil = 0

  constructor(upstream: Upstream) {
    this.upstream = upstream
  }

  /** `10.0.0.1`, `10.0.0.1:5353`, `[fd00::1]:5353`, `fe80::1%eth0` */
  get name(): string {
    const { port } = this.upstream
    const host = hostOf(this.upstream)
    if (port === DNS_PORT) return host
    return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
  }

  /** Nothing waits for it any more: it is only asked beside others, now and then, until it answers. */
  get isDead(): boolean {
    return this.#tryMs > 0
  }

  /** Whom to ask first: the lowest. Equal: as the list says. */
  rank(now: number): number {
    if (this.isDead) return 200
    if (this.#errors >= MOST_ERRORS) return 100
    const roundTrip = now - this.#answeredAt > MEMORY_MS ? 0 : (this.#roundTripMs ?? 0)
    return Math.max(0, Math.ceil(Math.log2(roundTrip / NEAR_MS)))
  }

  /** So long it is waited for alone. */
  get hedgeMs(): number {
    return Math.min(Math.max(HEDGE_MS.least, 2 * (this.#roundTripMs ?? 0)), HEDGE_MS.most)
  }

  /** Whether it is dead and may be tried again: by the caller of this, and no other for a while. */
  takeTry(now: number): boolean {
    if (!this.isDead || now < this.#tryAt) return false
    this.#tryMs = Math.min(2 * this.#tryMs, LAST_TRY_MS)
    this.#tryAt = now + this.#tryMs
    return true
  }

  /** It has answered, if only with an error. */
  answered(now: number, tookMs: number): void {
    const took = Math.max(0, tookMs)
    this.#roundTripMs =
      this.#roundTripMs === undefined ? took : this.#roundTripMs + (took - this.#roundTripMs) / 4
    this.#answeredAt = now
    this.#strikes = 0
    this.#tryMs = 0
  }

  /** What it has answered is of use, or isn't. */
  judged(usable: boolean): void {
    this.#errors = usable ? 0 : this.#errors + 1
  }

  /** Another one had to be asked in its place, and has answered first. */
  overtaken(now: number, askedAt: number): void {
    this.#strike(1, now, askedAt)
  }

  /** It was given up. */
  silent(now: number, askedAt: number): void {
    this.#strike(SILENCE_STRIKES, now, askedAt)
  }

  /** There is certainly no server. */
  refused(now: number): void {
    this.#strikes = MOST_STRIKES
    this.#die(now)
  }

  losesCase(now: number): boolean {
    return now < this.#losesCaseUntil
  }

  caseLost(now: number): void {
    this.#losesCaseUntil = now + QUIRK_MS
  }

  hatesEdns(now: number): boolean {
    return now < this.#hatesEdnsUntil
  }

  ednsHated(now: number): void {
    this.#hatesEdnsUntil = now + QUIRK_MS
  }

  #strike(count: number, now: number, askedAt: number): void {
    // It answers others meanwhile: it is alive, and only that question takes its time.
    if (this.#answeredAt >= askedAt) return
    this.#strikes += count
    if (this.#strikes >= MOST_STRIKES) this.#die(now)
  }

  #die(now: number): void {
    if (this.isDead) return
    this.#tryMs = FIRST_TRY_MS
    this.#tryAt = now + this.#tryMs
  }
}

/** As sockets are told it. */
export function hostOf({ address, link }: Upstream): string {
  return link === undefined ? address : `${address}%${link}`
}
