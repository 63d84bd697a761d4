import { realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { CnmError } from '../../base/errors.ts'
import { namedSocket } from '../../client/socket-path.ts'
import type { OciOptions } from '../../front/oci/annotations.ts'
import { attachedSpec, type OciHook, parseSpec } from '../../front/oci/spec.ts'
import { readSpecText } from '../../front/oci/spec-text.ts'
import { withNameOptions, withNetworkOptions } from '../arguments/sandbox-options.ts'
import { guarded } from '../output/fail.ts'
import { type DaemonFlags, daemonAt, whereOf } from '../run/daemon-flags.ts'
import { readFileOf, realPathOf, replaceFile } from './oci-files.ts'
import { patienceSeconds, withDaemonOptions } from './oci-hook.ts'

type Flags = OciOptions & DaemonFlags & { readonly stdout?: boolean }

export function ociSpecCommand(): Command {
  const command = new Command('oci-spec').option(
    '--name <name>',
    "name of the sandbox (default: the container's id)",
  )
  return withDaemonOptions(withNameOptions(withNetworkOptions(command, 'bridge')))
    .description('attach the container of a bundle of runc or crun: changes its config.json')
    .argument('[bundle]', 'the folder with the config.json', '.')
    .option('--mac-address <mac>', 'hardware address on the first network')
    .option('--sandbox <sandbox>', 'one that is there, in which the container is to be')
    .option('--mount-etc', 'show it hosts, resolv.conf and hostname of its sandbox (default)')
    .option('--no-mount-etc', 'leave it its own')
    .option('--stdout', 'print the changed config.json, and leave the file as it is')
    .addHelpText(
      'after',
      `
Hooks and annotations are added; when it is called again, those of the time before are replaced. A network
that doesn't exist is made when the container is, and goes with its last sandbox.

Examples:
  cnm oci-spec --network web
  cnm oci-spec --network web --network db -p 8080:80 --alias shop /srv/bundle
  cnm oci-spec --sandbox pod1 /srv/bundle
  cnm oci-spec --network web --stdout /srv/bundle | diff /srv/bundle/config.json -`,
    )
    .action(guarded(change))
}

async function change(bundle: string, flags: Flags): Promise<number> {
  const path = realPathOf(join(bundle, 'config.json'))
  const { value, print } = readSpecText(await readFileOf(path), path)
  const { sandbox, network } = flags
  const found = sandbox === undefined ? undefined : await sandboxOf(sandbox, flags)
  const isBare = sandbox === undefined && network.length === 0
  const options = {
    ...flags,
    ...(found === undefined ? {} : { sandbox: found.name }),
    ...(isBare ? { network: ['bridge'] } : {}),
  }
  const attaching = { options, hook: hookOf(flags), ...(found && { namespace: found.path }) }
  const text = print(attachedSpec(parseSpec(value), attaching))
  if (flags.stdout) process.stdout.write(text)
  else replaceFile(path, text)
  return 0
}

async function sandboxOf(
  given: string,
  flags: Flags,
): Promise<{ readonly name: string; readonly path: string }> {
  const cnm = await daemonAt(flags, new AbortController().signal)
  try {
    const { name, namespace } = await cnm.sandbox(given).inspect()
    if (namespace !== undefined) return { name, path: namespace.path }
    throw new CnmError('INVALID_ARGUMENT', `sandbox "${name}" is the host's own stack`, {
      hint: 'for that, take the network namespace out of config.json, and leave cnm out',
    })
  } finally {
    await cnm.close()
  }
}

/** By whole paths: a runtime looks nothing up, and may have no PATH at all. */
function hookOf(flags: DaemonFlags): OciHook {
  const { stateDir, runDir } = flags
  const socket = namedSocket(whereOf(flags))
  const given = [
    ['--host', socket?.startsWith('unix:') ? socket : socket && resolve(socket)],
    ['--state-dir', stateDir && resolve(stateDir)],
    ['--run-dir', runDir && resolve(runDir)],
  ] as const
  const options = given.flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
  const [, main = ''] = process.argv
  const args = ['cnm', realpathSync(main), 'oci-hook', ...options]
  // The hook itself gives up before, and says why.
  return { path: process.execPath, args, timeout: patienceSeconds + 5 }
}
