/** A label has at most so many bytes, so no byte that tells a length is a letter. */
export const MOST_LABEL_BYTES = 63
/** A name on the wire, with the zero at its end. */
export const MOST_NAME_BYTES = 255

/**
 * What names are looked up by: the bytes they have on the wire, in lower case, as latin1, without the
 * zero at the end. `web.dev` is `\x03web\x03dev`, and the root is empty. Undefined for what can't be a
 * name: a label that is empty or too long.
 */
export function nameKey(text: string): string | undefined {
  let key = ''
  for (const label of text.replace(/\.$/, '').split('.')) {
    const bytes = Buffer.from(label).toString('latin1')
    if (bytes.length === 0 || bytes.length > MOST_LABEL_BYTES) return undefined
    key += String.fromCharCode(bytes.length) + bytes
  }
  return key.length < MOST_NAME_BYTES ? lowerKey(key) : undefined
}

/** Only ASCII letters have a lower case in DNS. */
export function lowerKey(key: string): string {
  return key.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** As people write it, with a dot at its end: `web.dev.`, `a\046b.`, `.` */
export function keyText(key: string): string {
  if (key === '') return '.'
  let text = ''
  for (let at = 0; at < key.length; at = afterLabel(key, at)) {
    text += `${labelAt(key, at).replace(/[^\w!#%&'*+,/:<=>?[\]^`{|}~-]/g, escaped)}.`
  }
  return text
}

function escaped(byte: string): string {
  return `\\${String(byte.charCodeAt(0)).padStart(3, '0')}`
}

/** The label that begins there. */
export function labelAt(key: string, at: number): string {
  return key.slice(at + 1, afterLabel(key, at))
}

/** Where the label that begins there ends. */
export function afterLabel(key: string, at: number): number {
  return at + 1 + key.charCodeAt(at)
}

/** Whether it is that name, or one below it. The bytes alone don't say: labels may contain any. */
export function isWithin(key: string, suffix: string): boolean {
  if (!key.endsWith(suffix)) return false
  const cut = key.length - suffix.length
  let at = 0
  while (at < cut) at = afterLabel(key, at)
  return at === cut
}

/** The names above it, without the root, nearest first. */
export function parentKeys(key: string): string[] {
  const parents: string[] = []
  for (let at = afterLabel(key, 0); at < key.length; at = afterLabel(key, at)) {
    parents.push(key.slice(at))
  }
  return parents
}

/** Where a name in a message ends, without following its pointer; -1 if it doesn't. */
export function skipName(message: Uint8Array, from: number, end = message.length): number {
  for (let at = from; at < end; ) {
    const length = message[at]!
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2 <= end ? at + 2 : -1
    if (length > MOST_LABEL_BYTES) return -1
    at += 1 + length
  }
  return -1
}
