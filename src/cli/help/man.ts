import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { guarded } from '../output/fail.ts'
import { ownVersion } from '../own-version.ts'
import { manPage } from './man-page.ts'

/** Writes a page for each command that people see, into a folder. */
export function manCommand(program: () => Promise<Command>): Command {
  return new Command('__man').argument('<folder>').action(
    guarded(async (folder: string) => {
      const version = ownVersion()
      await mkdir(folder, { recursive: true })
      for (const [name, page] of manPages(await program(), version)) {
        await writeFile(join(folder, name), page)
      }
      return 0
    }),
  )
}

/** `cnm-network-create.1` and what is in it. */
export function manPages(root: Command, version: string): ReadonlyMap<string, string> {
  const pages = new Map<string, string>()
  const add = (command: Command, path: readonly string[]) => {
    const below = command.createHelp().visibleCommands(command)
    pages.set(`${path.join('-')}.1`, manPage(command, path, version))
    for (const each of below) {
      if (each.name() !== 'help') add(each, [...path, each.name()])
    }
  }
  add(root, [root.name()])
  return pages
}
