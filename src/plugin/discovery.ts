import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../base/errors.ts'
import { findManaged, managedNames } from './managed.ts'
import type { PluginFolders, PluginPlace } from './place.ts'
import { parseJsonSpec, parseSpec } from './spec-files.ts'

/** What can be the name of a file. */
const fileName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/**
 * Looks for a plugin: sockets first, then for each folder of specs the `.spec` before the `.json`, then
 * those that Docker manages. undefined: there is none. Errors: PLUGIN_UNAVAILABLE (what names its address
 * can't be read, or it is switched off).
 */
export async function findPlugin(
  name: string,
  folders: PluginFolders,
): Promise<PluginPlace | undefined> {
  if (!fileName.test(name)) return findManaged(name, folders)
  for (const folder of folders.sockets) {
    for (const socket of inEither(folder, name, '.sock')) {
      if (await isSocket(socket)) return { name, source: socket, address: { socket } }
    }
  }
  for (const folder of folders.specs) {
    for (const [extension, parse] of formats) {
      for (const source of inEither(folder, name, extension)) {
        const content = await contentOf(source)
        if (content !== undefined) return { name, source, address: parse(content, source) }
      }
    }
  }
  return findManaged(name, folders)
}

const formats = [
  ['.spec', parseSpec],
  ['.json', parseJsonSpec],
] as const

/** The names of all plugins that can be found, in order. */
export async function pluginNames(folders: PluginFolders): Promise<readonly string[]> {
  const names = new Set<string>(await managedNames(folders))
  for (const folder of folders.sockets) await addNames(names, folder, ['.sock'])
  for (const folder of folders.specs) await addNames(names, folder, ['.spec', '.json'])
  return [...names].sort()
}

async function addNames(
  names: Set<string>,
  folder: string,
  extensions: readonly string[],
): Promise<void> {
  for (const entry of await entriesOf(folder)) {
    const extension = extensions.find((each) => entry.endsWith(each))
    const name = extension === undefined ? entry : entry.slice(0, -extension.length)
    if (!fileName.test(name)) continue
    const files = extension === undefined ? extensions.map((each) => join(name, name + each)) : []
    const there = await Promise.all(files.map((file) => isThere(join(folder, file))))
    if (extension !== undefined || there.includes(true)) names.add(name)
  }
}

function inEither(folder: string, name: string, extension: string): readonly string[] {
  return [join(folder, name + extension), join(folder, name, name + extension)]
}

async function isSocket(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isSocket() ?? false
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => [])
}

/** undefined: there is no such file. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new CnmError('PLUGIN_UNAVAILABLE', `${path} can't be read: ${message}`, { cause })
  }
}
