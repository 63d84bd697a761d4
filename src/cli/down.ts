import { Command } from 'commander'
import type { NetworkInfo } from '../api/shapes.ts'
import { confirmed } from './arguments/several.ts'
import { type ClientFlags, withClientOptions, withDaemon } from './client.ts'
import { guarded } from './output/fail.ts'
import { networkInfos } from './output/infos.ts'
import { printJson, printLine } from './output/output.ts'
import { counted } from './output/words.ts'

export function downCommand(): Command {
  return withClientOptions(new Command('down'))
    .description('remove all sandboxes, endpoints and networks, and nothing that is not ours')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
The daemon goes on. Programs in sandboxes go on too, without a network.

Examples:
  cnm down
  cnm down --yes`,
    )
    .action(guarded(down))
}

async function down(flags: ClientFlags & { readonly yes?: boolean }): Promise<number> {
  return withDaemon(flags, async (cnm) => {
    const { endpoints, sandboxes } = await cnm.status()
    const networks = (await networkInfos(cnm)).filter(isRemovable).length
    const boxes = counted(sandboxes, 'sandbox', 'sandboxes')
    const rest = `${counted(endpoints, 'endpoint')} and ${counted(networks, 'network')}`
    const all = `${boxes}, ${rest}`
    if (!flags.yes && !(await confirmed(`Remove ${all}?`, '--yes'))) return
    await cnm.down()
    if (flags.json) printJson({ sandboxes, endpoints, networks })
    else printLine(`removed ${all}`)
  })
}

/** `host` and `none` are always there. */
function isRemovable({ driver }: NetworkInfo): boolean {
  return driver !== 'host' && driver !== 'null'
}
