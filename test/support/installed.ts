import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Whether these commands are on the machine, those for root alone included. */
export function isInstalled(...commands: readonly string[]): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return commands.every((name) => folders.some((folder) => existsSync(join(folder, name))))
}
