import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  readdirSync,
  rmdirSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Obstacle } from '../../kernel.ts'
import { clearFileFlags } from '../ffi/file.ts'
import {
  MNT_DETACH,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_REMOUNT,
  mount,
  umount2,
} from '../ffi/mount.ts'
import { MOST_BYTES, openOrdinary } from './bounded-file.ts'
import { makeFolders } from './text-file.ts'

/** For some 10,000 sandboxes with three files of a page each. All of it is the most they can take of memory. */
const LIMITS = 'mode=755,size=128m,nr_inodes=65536'
const FLAGS = MS_NODEV | MS_NOSUID | MS_NOEXEC
const MIB = 1 << 20

/**
 * A small file system in memory for the files that sandboxes can write, with nothing else in it: one that is
 * filled up takes no room from records and sockets. It outlives the engine, like the files in it; the last
 * one with nothing in it any more takes it away.
 */
export class OwnMount {
  readonly path: string
  /** Why it is only a folder. */
  readonly #failure: string | undefined

  /** Finds it as the engine before has left it, or makes it. Where that can't be, a folder has to do. */
  constructor(path: string) {
    this.path = path
    this.#failure = ensure(path)
  }

  /**
   * Makes room, or makes it writable again; undefined: that isn't what is wrong, or nothing can be done.
   * Otherwise a sentence that says what has been done, and to whom.
   */
  relieve(path: string, errno: string): string | undefined {
    if (this.#failure !== undefined || !path.startsWith(`${this.path}/`)) return undefined
    if (errno === 'ENOSPC') return this.#makeRoom()
    if (errno !== 'EROFS' || !attempt(() => mountHere(this.path, MS_REMOUNT))) return undefined
    return `${this.path} could only be read: it can be written to again`
  }

  obstacles(): Obstacle[] {
    const { path } = this
    if (this.#failure !== undefined) {
      const detail = `${path} is no file system of its own (${this.#failure}): sandboxes' files can fill the one it is on`
      return [{ where: path, detail }]
    }
    return largeFiles(path).map(({ path: file, bytes }) => ({
      where: file,
      detail: `${file} takes ${mib(bytes)} of ${path}: it is cut to its first MiB when others need the room`,
      remedy: `truncate -s 1M ${file}`,
    }))
  }

  /** Also where sandboxes go on: then it stays. */
  close(): void {
    const { path } = this
    attempt(() => {
      if (readdirSync(path).length > 0) return
      if (isMountPoint(path)) umount2(path, MNT_DETACH)
      rmdirSync(path)
    })
  }

  #makeRoom(): string | undefined {
    const cut = largeFiles(this.path).filter(({ path }) => attempt(() => cutFile(path)))
    if (cut.length === 0) return undefined
    const names = cut.map(({ path, bytes }) => `${path} (${mib(bytes)})`).join(', ')
    return `${this.path} was full, so what was too large has been cut to its first MiB: ${names}`
  }
}

/** Answers with why there is none. */
function ensure(path: string): string | undefined {
  try {
    makeFolders(path)
    if (isMountPoint(path)) return undefined
    // What an engine that might not mount has left there would be hidden from the next.
    if (readdirSync(path).length > 0) return 'there were files in it before'
    mountHere(path, 0)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** Equivalent to: `mount -t tmpfs -o nodev,nosuid,noexec,… cnm-files PATH`. */
function mountHere(path: string, flags: number): void {
  mount('cnm-files', path, 'tmpfs', FLAGS | flags, LIMITS)
}

function isMountPoint(path: string): boolean {
  const here = lstatSync(path)
  return here.isDirectory() && here.dev !== lstatSync(dirname(path)).dev
}

interface LargeFile {
  readonly path: string
  readonly bytes: number
}

/** What takes more room than any file of ours, the largest first. */
function largeFiles(folder: string): LargeFile[] {
  const found: LargeFile[] = []
  for (const name of namesIn(folder)) {
    for (const file of namesIn(join(folder, name))) {
      const path = join(folder, name, file)
      const there = lstatSync(path, { throwIfNoEntry: false })
      const bytes = (there?.blocks ?? 0) * 512
      if (there?.isFile() && bytes > MOST_BYTES) found.push({ path, bytes })
    }
  }
  return found.sort((a, b) => b.bytes - a.bytes)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** What it says at its beginning stays. */
function cutFile(path: string): void {
  const look = openOrdinary(path, constants.O_RDONLY)
  if (look === undefined) throw gone(path)
  try {
    clearFileFlags(look)
  } finally {
    closeSync(look)
  }
  const fd = openOrdinary(path, constants.O_RDWR)
  if (fd === undefined) throw gone(path)
  try {
    if (fstatSync(fd).size > MOST_BYTES) ftruncateSync(fd, MOST_BYTES)
  } finally {
    closeSync(fd)
  }
}

function gone(path: string): Error {
  return new Error(`${path} can't be cut just now`)
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}

/** Whether it could be done. */
function attempt(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
