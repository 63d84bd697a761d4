import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../base/errors.ts'
import { type Static, Type } from '../base/schema.ts'
import { parseMessage } from './call.ts'
import type { PluginFolders, PluginPlace } from './place.ts'

/** Of what Docker writes about a plugin that it manages (`docker plugin install`). */
const Managed = Type.Object({
  plugin: Type.Object({
    Id: Type.String(),
    Name: Type.String(),
    Enabled: Type.Optional(Type.Boolean()),
    Config: Type.Object({ Interface: Type.Object({ Socket: Type.String() }) }),
  }),
})
type Managed = Static<typeof Managed>['plugin']

/** By name and tag; without a tag, `latest`. Its socket is in a folder of its id. */
export async function findManaged(
  name: string,
  folders: PluginFolders,
): Promise<PluginPlace | undefined> {
  const full = /:[^/]*$/.test(name) ? name : `${name}:latest`
  for (const [source, plugin] of await all(folders)) {
    if (plugin.Name !== full) continue
    if (!plugin.Enabled) {
      throw new CnmError('PLUGIN_UNAVAILABLE', `plugin "${name}" is switched off`, {
        details: { plugin: name },
        hint: `switch it on: docker plugin enable ${full}`,
      })
    }
    const [folder = '/run/docker/plugins'] = folders.sockets
    return { name, source, address: { socket: join(folder, plugin.Id, socketOf(plugin)) } }
  }
  return undefined
}

export async function managedNames(folders: PluginFolders): Promise<readonly string[]> {
  return (await all(folders)).map(([, { Name }]) => Name.replace(/:latest$/, ''))
}

async function all({ managed }: PluginFolders): Promise<readonly (readonly [string, Managed])[]> {
  const found: (readonly [string, Managed])[] = []
  for (const folder of managed) {
    for (const id of await readdir(folder).catch(() => [])) {
      const path = join(folder, id, 'config.json')
      const content = await readFile(path, 'utf8').catch(() => undefined)
      const plugin = content === undefined ? undefined : read(content, path)
      if (plugin !== undefined) found.push([path, plugin])
    }
  }
  return found
}

/** One that Docker has only half written is none yet. */
function read(content: string, path: string): Managed | undefined {
  try {
    return parseMessage(Managed, JSON.parse(content), path).plugin
  } catch {
    return undefined
  }
}

/** A file's name: it must not lead out of the plugin's folder. */
function socketOf({ Config }: Managed): string {
  return Config.Interface.Socket.replaceAll('/', '_')
}
