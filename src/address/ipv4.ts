/**
 * An IPv4 address as text ⇄ a number of 32 bits. Reading answers with the number, or with what is
 * wrong as the end of a sentence.
 */
export function readIpv4(text: string): number | string {
  const parts = text.split('.')
  if (parts.length !== 4) return 'it does not have four numbers'
  let value = 0
  for (const part of parts) {
    if (!/^[0-9]{1,3}$/.test(part)) return `"${part}" is not a number from 0 to 255`
    // Elsewhere such numbers are octal, so what is meant can't be known.
    if (part.length > 1 && part.startsWith('0')) return `"${part}" has a leading zero`
    const octet = Number(part)
    if (octet > 255) return `"${part}" is not a number from 0 to 255`
    value = value * 256 + octet
  }
  return value
}

export function writeIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}
