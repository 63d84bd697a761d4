import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import {
  findBeginning,
  firstLine,
  HEADER_BYTES,
  type Header,
  headerOf,
  headerSize,
  isCutHeader,
} from './journal-entry.ts'

const WINDOW_BYTES = 256 * 1024
/** That of the most lines. */
const MOST_HEADER_BYTES = 10_000_000

/**
 * Goes through a journal that may be damaged anywhere, with a window on it that is as large as its largest
 * entry. What it is given is verified before it is believed.
 */
export class JournalReader {
  readonly #fd: number
  #window: Buffer = Buffer.allocUnsafe(WINDOW_BYTES)
  /** Where in the file the window begins, and how much of it has been read. */
  #start = 0
  #filled = 0
  #position = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Where the next entry begins, or should. */
  get position(): number {
    return this.#position
  }

  /** Goes past the first line. false: it is not the one it should be. */
  skipFirstLine(): boolean {
    const isIt = this.text(0, firstLine.length) === firstLine
    if (isIt) this.#position = firstLine.length
    return isIt
  }

  /** The next entry with its header; undefined: there is none that is sound. Valid until the next call. */
  next(end: number): Buffer | undefined {
    const entry = this.#entryAt(this.#position, end)
    if (entry !== undefined) this.#position += entry.length
    return entry
  }

  /** Whether what is left is the beginning of an entry, as a crash or a full disk leaves it. */
  isTorn(end: number): boolean {
    const left = end - this.#position
    const header = this.headerAt(this.#position, end)
    if (header !== undefined) return left < header.size + header.length
    if (left > MOST_HEADER_BYTES) return false
    return isCutHeader(this.#view(this.#position, left).subarray(0, left))
  }

  /** Goes on to the next sound entry, or to the end. */
  skipDamage(end: number): void {
    let at = this.#position + 1
    while (at < end) {
      const bytes = this.#view(at, Math.min(HEADER_BYTES, end - at))
      const found = findBeginning(bytes)
      at += found ?? bytes.length
      if (found === undefined) continue
      if (this.#entryAt(at, end) !== undefined) break
      at += 1
    }
    this.#position = Math.min(at, end)
  }

  /** What is there, verified or not. */
  text(at: number, length: number): string {
    return this.#view(at, length).toString('latin1', 0, length)
  }

  /** The header that is there; undefined: none that is sound. */
  headerAt(at: number, end: number): Header | undefined {
    const bytes = this.#view(at, Math.min(HEADER_BYTES, end - at))
    const size = headerSize(bytes)
    if (size === undefined || size > end - at) return undefined
    if (size <= bytes.length) return headerOf(bytes)
    // Before all of it is read.
    return this.#endsLine(at + size - 1) ? headerOf(this.#view(at, size)) : undefined
  }

  #entryAt(at: number, end: number): Buffer | undefined {
    const header = this.headerAt(at, end)
    if (header === undefined) return undefined
    const length = header.size + header.length
    if (length > end - at) return undefined
    const entry = this.#view(at, length).subarray(0, length)
    return crc32(entry.subarray(header.size)) === header.checksum ? entry : undefined
  }

  #endsLine(at: number): boolean {
    const byte = Buffer.alloc(1)
    return readSync(this.#fd, byte, 0, 1, at) === 1 && byte.toString() === '\n'
  }

  /** The window from there on, at least so many bytes of it if the file has them. */
  #view(at: number, least: number): Buffer {
    const offset = at - this.#start
    if (offset < 0 || offset + least > this.#filled) this.#read(at, least)
    return this.#window.subarray(at - this.#start, this.#filled)
  }

  #read(at: number, least: number): void {
    if (least > this.#window.length) this.#window = Buffer.allocUnsafe(least)
    this.#start = at
    this.#filled = 0
    const { length } = this.#window
    for (let read = -1; read !== 0 && this.#filled < length; this.#filled += read) {
      const to = this.#filled
      read = readSync(this.#fd, this.#window, to, length - to, at + to)
    }
  }
}
