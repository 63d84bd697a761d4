import { stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import type { PluginAddress, PluginPlace } from './place.ts'
import type { Plugin } from './plugin.ts'

/**
 * `back` is also said of one that is there from the beginning, and again of one that has left a call
 * unanswered and is there all the same.
 */
type PresenceChange = 'lost' | 'back'

/** A connection that is let go sooner than this was not just idle for too long. */
const briefMs = 1_000

export interface PresenceTimes {
  /** How long is waited before a plugin that is not there is looked for again; then twice as long, … */
  readonly firstMs: number
  readonly mostMs: number
}

export const presenceTimes: PresenceTimes = { firstMs: 500, mostMs: 10_000 }

/** So many times `mostMs` one has to answer all it is asked, to be looked for at once the next time. */
const steady = 3

/**
 * Watches whether a plugin is there, until the signal fires. A connection on which nothing is said tells
 * at once when it goes; then it is looked for until it is back. One that was started anew counts as gone
 * and back: it may have forgotten what it was told. One that answers now and then is looked for less and less.
 */
export async function watchPresence(
  plugin: Plugin,
  tell: (change: PresenceChange) => void,
  signal: AbortSignal,
  { firstMs, mostMs }: PresenceTimes = presenceTimes,
): Promise<void> {
  let pause = firstMs
  let isLost = false
  for (;;) {
    const since = Date.now()
    const place = await placeOf(plugin, signal)
    const unanswered = plugin.nextUnanswered()
    if (place !== undefined && !signal.aborted) {
      isLost = false
      tell('back')
      await untilGone(place.address, AbortSignal.any([signal, unanswered]))
    }
    if (signal.aborted) return
    // Who left a call unanswered may be there all the same: that shows the next time.
    if (!isLost && !unanswered.aborted) {
      isLost = true
      tell('lost')
    }
    const longest = place === undefined ? mostMs : steady * mostMs
    if (Date.now() - since > steady * mostMs) pause = firstMs
    await after(pause, undefined, { signal }).catch(() => {})
    pause = Math.min(2 * pause, longest)
  }
}

/** undefined: it is not there. What is wrong with it is told to the caller that needs it. */
async function placeOf(plugin: Plugin, signal: AbortSignal): Promise<PluginPlace | undefined> {
  try {
    return (await plugin.probe({ signal })).place
  } catch {
    return undefined
  }
}

/** Servers may end connections that say nothing: then a plugin that is there takes another one. */
async function untilGone(address: PluginAddress, signal: AbortSignal): Promise<void> {
  const first = await identityOf(address)
  for (;;) {
    const since = Date.now()
    const socket = await open(address, signal)
    if (socket === undefined) return
    await closed(socket, signal)
    if (signal.aborted || (await identityOf(address)) !== first) return
    const left = briefMs - (Date.now() - since)
    if (left > 0) await after(left, undefined, { signal }).catch(() => {})
  }
}

/** A socket that was made anew is another one, though it has the same name. */
async function identityOf(address: PluginAddress): Promise<string> {
  if (!('socket' in address)) return ''
  const found = await stat(address.socket).catch(() => undefined)
  return found === undefined ? 'none' : `${found.ino} ${found.ctimeMs}`
}

function open(address: PluginAddress, signal: AbortSignal): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = 'socket' in address ? connect(address.socket) : connect(address)
    const fail = () => {
      socket.destroy()
      resolve(undefined)
    }
    socket.once('error', fail)
    signal.addEventListener('abort', fail, { once: true })
    socket.once('connect', () => {
      socket.off('error', fail)
      signal.removeEventListener('abort', fail)
      // It must not keep the process.
      socket.unref()
      resolve(socket)
    })
  })
}

function closed(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => socket.destroy()
    signal.addEventListener('abort', end, { once: true })
    socket.on('error', () => {})
    // Nothing was asked: one that talks all the same is not listened to for ever.
    socket.once('data', end)
    socket.once('close', () => {
      signal.removeEventListener('abort', end)
      resolve()
    })
    if (signal.aborted) end()
  })
}
