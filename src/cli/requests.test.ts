import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { program } from './program.ts'

/** How often a command asks the daemon, the question whether it is there included. */
const most: readonly (readonly [command: string, requests: number])[] = [
  ['network create web', 2],
  ['network create back', 2],
  ['network ls', 3],
  ['network ls --filter driver=bridge', 3],
  ['network inspect web', 3],
  ['network inspect web back', 5],
  ['sandbox create api', 2],
  ['sandbox create --network web box', 2],
  ['sandbox ls', 4],
  ['sandbox inspect api', 3],
  ['network connect web api', 2],
  ['network disconnect web api', 3],
  ['endpoint create --persistent web db', 2],
  ['endpoint ls', 4],
  ['endpoint inspect web/db', 2],
  ['endpoint inspect db', 2],
  ['endpoint join web/db api', 3],
  ['endpoint publish web/db 8080:80', 3],
  ['endpoint unpublish web/db 8080:80', 3],
  ['endpoint leave web/db', 3],
  ['endpoint rm web/db', 3],
  ['sandbox rm api', 2],
  ['network rm back', 2],
  ['network prune --force', 2],
  ['plugin ls', 2],
  ['doctor', 2],
  ['status', 5],
  ['version', 2],
  ['down --yes', 4],
]

let rig: DaemonRig

beforeAll(async () => {
  rig = await DaemonRig.start()
})

afterAll(async () => {
  await rig[Symbol.asyncDispose]()
})

it.each(most)('cnm %s asks %i times', async (command, requests) => {
  const before = rig.logged.length
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const cnm = await program()
  await cnm.parseAsync([...command.split(' '), '--host', rig.socket], { from: 'user' })
  vi.restoreAllMocks()
  // A request is logged a moment after it was answered.
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(process.exitCode ?? 0).toBe(0)
  process.exitCode = undefined
  expect(rig.logged.slice(before).map(({ message }) => message)).toHaveLength(requests)
})
