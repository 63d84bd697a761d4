/** As much of DNS as the tests need, written for them, so that nothing is checked with our own reader. */

export const recordTypes = { A: 1, NS: 2, SOA: 6, PTR: 12, AAAA: 28, OPT: 41, ANY: 255 } as const
export type RecordType = keyof typeof recordTypes

export interface ReadMessage {
  readonly id: number
  readonly isReply: boolean
  readonly truncated: boolean
  /** 0: no error, 2: server failure, 3: no such name, 5: refused. */
  readonly code: number
  /** As it was written: case is kept. Without a dot at the end. */
  readonly name: string
  readonly type: number
  /** What follows the question, for those who answer, begins here. */
  readonly end: number
  /** Addresses of A records, as text. */
  readonly addresses: readonly string[]
}

export function writeQuery(id: number, name: string, type: RecordType): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header[2] = 1 // Recursion is desired.
  header[5] = 1
  return Buffer.concat([header, writeName(name), Buffer.from([0, recordTypes[type], 0, 1])])
}

/** Of a message that is one; whatever is wrong in it throws. */
export function readMessage(message: Buffer): ReadMessage {
  let end = 12
  const labels: string[] = []
  while (message.readUInt8(end) !== 0) {
    labels.push(message.toString('latin1', end + 1, end + 1 + message[end]!))
    end += message[end]! + 1
  }
  end += 5
  return {
    id: message.readUInt16BE(0),
    isReply: (message[2]! & 0x80) !== 0,
    truncated: (message[2]! & 2) !== 0,
    code: message[3]! & 15,
    name: labels.join('.'),
    type: message.readUInt16BE(end - 4),
    end,
    addresses: readAddresses(message, end),
  }
}

function readAddresses(message: Buffer, from: number): string[] {
  const addresses: string[] = []
  let at = from
  for (let left = message.readUInt16BE(6); left > 0; left -= 1) {
    while (message.readUInt8(at) !== 0 && message[at]! < 0xc0) at += message[at]! + 1
    at += message[at] === 0 ? 1 : 2
    const length = message.readUInt16BE(at + 8)
    const data = message.subarray(at + 10, at + 10 + length)
    if (message.readUInt16BE(at) === recordTypes.A) addresses.push(data.join('.'))
    at += 10 + length
  }
  return addresses
}

export interface WrittenReply {
  readonly code?: number
  readonly truncated?: boolean
  /** Addresses of either family; those of the type that was asked for are in the answer. */
  readonly addresses?: readonly string[]
  readonly ttl?: number
}

/** An answer to that query, with its question as it was asked. Nothing to say is said with a SOA. */
export function writeReply(query: Buffer, reply: WrittenReply): Buffer {
  const { code = 0, truncated = false, addresses = [], ttl = 60 } = reply
  const { end, type } = readMessage(query)
  const records = truncated ? [] : addresses.flatMap((address) => addressRecord(type, address, ttl))
  const isEmpty = records.length === 0 && !truncated && (code === 0 || code === 3)
  const head = Buffer.from(query.subarray(0, end))
  head[2] = 0x81 | (truncated ? 2 : 0)
  head[3] = 0x80 | code
  head.writeUInt16BE(records.length, 6)
  head.writeUInt16BE(isEmpty ? 1 : 0, 8)
  head.writeUInt16BE(0, 10)
  return Buffer.concat([head, ...records, ...(isEmpty ? [soaRecord(ttl)] : [])])
}

function addressRecord(asked: number, address: string, ttl: number): Buffer[] {
  const type = address.includes(':') ? 'AAAA' : 'A'
  if (asked !== recordTypes[type]) return []
  const data = type === 'A' ? address.split('.').map(Number) : sixteenBytes(address)
  return [record(Buffer.from([0xc0, 12]), type, ttl, Buffer.from(data))]
}

function soaRecord(ttl: number): Buffer {
  const numbers = Buffer.alloc(20)
  numbers.writeUInt32BE(ttl, 16)
  return record(Buffer.of(0), 'SOA', ttl, Buffer.concat([Buffer.of(0, 0), numbers]))
}

function record(owner: Buffer, type: RecordType, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(recordTypes[type], 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([owner, fixed, data])
}

function writeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  const parts = labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`))
  return Buffer.concat([...parts, Buffer.of(0)])
}

function sixteenBytes(address: string): number[] {
  const [left = '', right = ''] = address.split('::')
  const words = (text: string) => (text === '' ? [] : text.split(':').map((w) => parseInt(w, 16)))
  const [first, last] = [words(left), words(right)]
  const zeros = new Array(8 - first.length - last.length).fill(0)
  return [...first, ...zeros, ...last].flatMap((word) => [word >> 8, word & 255])
}
