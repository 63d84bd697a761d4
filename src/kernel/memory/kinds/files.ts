import type { FileResource, HostsEntryResource } from '../../resource.ts'
import { dropNoted, foundNoted, noted, putNoted } from './noted.ts'
import type { Verbs } from './verbs.ts'

export const files: Verbs<FileResource> = {
  ...noted<FileResource>(({ path, content }) => `printf ${JSON.stringify(content)} > ${path}`),

  /** With all that is in it. */
  drop(machine, file) {
    for (const [key, each] of machine.noted) {
      if (each.kind === 'hosts-entry' && each.path === file.path) machine.delete(machine.noted, key)
    }
    dropNoted(machine, file)
  },
}

/** Where there is no file, there is nothing to do and nothing missing. */
export const hostsEntries: Verbs<HostsEntryResource> = {
  ...noted<HostsEntryResource>(
    ({ path, address, names }) => `echo ${address} ${names.join(' ')} >> ${path}`,
  ),

  put(machine, entry) {
    if (machine.noted.has(`file:${entry.path}`)) putNoted(machine, entry)
  },

  found(machine, entry) {
    if (!machine.noted.has(`file:${entry.path}`)) return entry
    return foundNoted(machine, entry)
  },
}
