import { type IpAddress, parseAddress } from '../../../address/address.ts'
import type { HostView } from '../../kernel.ts'
import { readBounded } from '../files/bounded-file.ts'

/**
 * What a resolv.conf says, as the C library reads it: the last `search` or `domain`
 * counts, options add up. One that isn't there, or is no such file, says nothing.
 */
export function resolvConfLines(path: string): HostView['resolver'] {
  let search: readonly string[] = []
  const options: string[] = []
  const servers: IpAddress[] = []
  for (const line of read(path).split('\n')) {
    const [keyword, ...words] = line.trim().split(/\s+/)
    if (keyword === 'search') search = words
    else if (keyword === 'domain') search = words.slice(0, 1)
    else if (keyword === 'options') options.push(...words)
    else if (keyword === 'nameserver') servers.push(...addressOf(words[0]))
  }
  return { search, options, ...(servers.length === 0 ? {} : { servers }) }
}

/** None: it isn't one, or with a zone. */
function addressOf(word = ''): IpAddress[] {
  try {
    return [parseAddress(word)]
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readBounded(path, { follow: true })?.toString() ?? ''
  } catch {
    return ''
  }
}
