import { isIP } from 'node:net'

/** DNS messages for tests, written and read without the library. */
export interface Asked {
  /** `Web.dev`; or its labels, where they have strange bytes. */
  readonly name: string | readonly string[]
  readonly type?: number | keyof typeof types
  readonly class?: number
  readonly id?: number
  /** Both bytes of the header. Default: RD. */
  readonly flags?: number
  readonly edns?: {
    readonly size?: number
    readonly version?: number
    readonly do?: boolean
    readonly options?: Buffer
  }
}

export interface Told {
  readonly id: number
  /** Of `qr`, `aa`, `tc`, `rd`, `ra`, `ad`, `cd`: those that are set. */
  readonly flags: string
  readonly opcode: number
  /** With the bits of EDNS. */
  readonly code: string
  /** `Web.dev. A` */
  readonly question: string | undefined
  /** `web. 1 A 10.7.0.2` */
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  readonly additionals: readonly string[]
  readonly edns?: { size: number; version: number; do: boolean; extended?: [number, string] }
}

const types = {
  A: 1,
  NS: 2,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

const codes: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  16: 'BADVERS',
}

export function encodeQuery(asked: Asked): Buffer {
  const { name, type = 'A', class: inClass = 1, id = 0x1234, flags = 0x0100, edns } = asked
  const labels = typeof name === 'string' ? name.split('.').filter((label) => label !== '') : name
  return Buffer.concat([
    numbers(id, flags, 1, 0, 0, edns === undefined ? 0 : 1),
    ...labels.map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1')),
    Buffer.from([0]),
    numbers(typeof type === 'number' ? type : types[type], inClass),
    ...(edns === undefined ? [] : [encodeEdns(edns)]),
  ])
}

function encodeEdns(edns: NonNullable<Asked['edns']>): Buffer {
  const { size = 1232, version = 0, options = Buffer.alloc(0) } = edns
  const rest = numbers(types.OPT, size, version, edns.do === true ? 0x8000 : 0, options.length)
  return Buffer.concat([Buffer.from([0]), rest, options])
}

function numbers(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
}

/** Throws if it isn't a whole message and nothing but that. */
export function decodeMessage(message: Buffer): Told {
  const reader = new Reader(message)
  const [id, flags, questions, answers, authorities, additionals] = [0, 0, 0, 0, 0, 0].map(() =>
    reader.number(),
  ) as [number, number, number, number, number, number]
  if (questions > 1) throw new Error(`${questions} questions`)
  const question = questions === 0 ? undefined : `${reader.name()} ${typeText(reader.number())}`
  if (questions === 1) reader.number()
  const records = (count: number) => Array.from({ length: count }, () => reader.record())
  const sections = [records(answers), records(authorities), records(additionals)] as const
  if (reader.at !== message.length) throw new Error(`${message.length - reader.at} bytes too many`)
  const opt = sections[2].filter(({ type }) => type === types.OPT)
  if (opt.length > 1) throw new Error('EDNS twice')
  const high = opt[0] === undefined ? 0 : opt[0].ttl >>> 24
  const code = (high << 4) | (flags & 15)
  const texts = (all: readonly Found[]) => all.flatMap(({ text }) => text ?? [])
  return {
    id,
    flags: flagNames
      .filter(([, bit]) => (flags & bit) !== 0)
      .map(([name]) => name)
      .join(' '),
    opcode: (flags >> 11) & 15,
    code: codes[code] ?? `RCODE${code}`,
    question,
    answers: texts(sections[0]),
    authorities: texts(sections[1]),
    additionals: texts(sections[2]),
    ...(opt[0] === undefined ? {} : { edns: ednsOf(opt[0]) }),
  }
}

const flagNames = [
  ['qr', 0x8000],
  ['aa', 0x0400],
  ['tc', 0x0200],
  ['rd', 0x0100],
  ['ra', 0x0080],
  ['ad', 0x0020],
  ['cd', 0x0010],
] as const

interface Found {
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly data: Buffer
  readonly text?: string
}

function ednsOf({ class: size, ttl, data }: Found): NonNullable<Told['edns']> {
  const edns = { size, version: (ttl >> 16) & 0xff, do: (ttl & 0x8000) !== 0 }
  if (data.length === 0) return edns
  const reader = new Reader(data)
  if (reader.number() !== 15) throw new Error('an option that is no extended error')
  const length = reader.number()
  const extended: [number, string] = [reader.number(), reader.bytes(length - 2).toString()]
  if (reader.at !== data.length) throw new Error('more than one option')
  return { ...edns, extended }
}

function typeText(type: number): string {
  return Object.entries(types).find(([, value]) => value === type)?.[0] ?? `TYPE${type}`
}

class Reader {
  at = 0
  readonly #message: Buffer

  constructor(message: Buffer) {
    this.#message = message
  }

  number(): number {
    this.at += 2
    return this.#message.readUInt16BE(this.at - 2)
  }

  bytes(length: number): Buffer {
    this.at += length
    if (this.at > this.#message.length || length < 0) throw new RangeError('cut off')
    return this.#message.subarray(this.at - length, this.at)
  }

  name(): string {
    let text = ''
    let end: number | undefined
    for (let steps = 0; ; steps++) {
      if (steps > 200) throw new Error('a name without end')
      const length = this.bytes(1)[0]!
      if (length === 0) break
      if (length < 64) text += `${this.bytes(length).toString('latin1')}.`
      else {
        this.at -= 1
        const target = this.number() - 0xc000
        if (target < 12) throw new Error('a pointer into the header')
        end ??= this.at
        this.at = target
      }
    }
    this.at = end ?? this.at
    return text === '' ? '.' : text
  }

  record(): Found {
    const owner = this.name()
    const [type, inClass, high, low, length] = [0, 0, 0, 0, 0].map(() => this.number()) as [
      number,
      number,
      number,
      number,
      number,
    ]
    const ttl = high * 0x10000 + low
    const data = this.bytes(length)
    const end = this.at
    if (type === types.OPT) return { type, class: inClass, ttl, data }
    this.at = end - length
    const shown = this.#data(type, data)
    this.at = end
    return { type, class: inClass, ttl, data, text: `${owner} ${ttl} ${typeText(type)} ${shown}` }
  }

  #data(type: number, data: Buffer): string {
    switch (type) {
      case types.A:
        if (data.length !== 4) throw new Error('an address of another length')
        return data.join('.')
      case types.AAAA:
        return ipv6Text(data)
      case types.PTR:
        return this.name()
      case types.SRV:
        return `${this.number()} ${this.number()} ${this.number()} ${this.name()}`
      case types.SOA:
        return `${this.name()} ${this.name()} ${data.subarray(-4).readUInt32BE()}`
      default:
        return data.toString('hex')
    }
  }
}

/** As URLs write it. */
function ipv6Text(data: Buffer): string {
  if (data.length !== 16) throw new Error('an address of another length')
  const groups = data.toString('hex').replace(/(.{4})(?!$)/g, '$1:')
  const text = new URL(`http://[${groups}]/`).hostname.slice(1, -1)
  if (isIP(text) !== 6) throw new Error(text)
  return text
}
