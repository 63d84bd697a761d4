import { expect, it } from 'vitest'
import { Life, MemoryRig } from '../../../test/support/memory-rig.ts'
import type { LocalController } from '../controller.ts'

const [creator, program, stranger] = [101, 102, 103]

async function rigWithProcesses(): Promise<MemoryRig> {
  const rig = new MemoryRig()
  rig.kernel.addProcess(creator)
  rig.kernel.addNamespace(`/proc/${stranger}/ns/net`)
  return rig
}

/** What `cnm run` does: it is bound itself, until the program inside is. */
async function started(rig: MemoryRig, cnm: LocalController) {
  const box = await cnm.createSandbox({ name: 'box', ephemeral: true, program: creator })
  rig.kernel.addProcess(program, (await box.inspect()).namespace)
  await box.bindProgram(program)
  return box
}

async function untilGone(cnm: LocalController): Promise<void> {
  await expect.poll(async () => (await cnm.sandboxes()).length).toBe(0)
}

it('lets a sandbox go with its creator as long as nothing runs inside', async () => {
  const rig = await rigWithProcesses()
  await using cnm = await rig.start()
  const box = await cnm.createSandbox({ ephemeral: true, program: creator })
  expect(await box.inspect()).toMatchObject({ program: creator, creator: true })
  rig.kernel.removeProcess(creator)
  await untilGone(cnm)
})

it('lets it go with the program from then on, whatever the creator does', async () => {
  const rig = await rigWithProcesses()
  await using cnm = await rig.start()
  const box = await started(rig, cnm)
  expect(await box.inspect()).toMatchObject({ program })
  expect(await box.inspect()).not.toHaveProperty('creator')
  rig.kernel.removeProcess(creator)
  await cnm.createNetwork({ name: 'later' })
  expect(await cnm.sandboxes()).toHaveLength(1)
  rig.kernel.removeProcess(program)
  await untilGone(cnm)
})

it.each([
  ['the creator', false, creator],
  ['the program', true, program],
])('knows after a crash that it goes with %s', async (_, isStarted, bound) => {
  const rig = await rigWithProcesses()
  const life = new Life()
  const first = await rig.start(life)
  if (isStarted) await started(rig, first)
  else await first.createSandbox({ ephemeral: true, program: creator })
  life.dieAfter(0)
  await using second = await rig.start()
  expect((await second.sandboxes()).map((box) => box.info.program)).toEqual([bound])
  rig.kernel.removeProcess(bound)
  await untilGone(second)
})

it.each([
  ['there is none', 99, 'NAMESPACE_NOT_FOUND', 'no network namespace at /proc/99/ns/net'],
  [
    'it is elsewhere',
    stranger,
    'NOT_ALLOWED',
    `"box" can't go with process ${stranger}: that process is in`,
  ],
  ['one runs inside already', creator, 'NOT_ALLOWED', 'that process is on the host'],
])('refuses a process: %s', async (_, pid, code, message) => {
  const rig = await rigWithProcesses()
  await using cnm = await rig.start()
  const box = await started(rig, cnm)
  const before = await box.inspect()
  await expect(box.bindProgram(pid)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  })
  expect(await box.inspect()).toEqual(before)
})

it('refuses what makes no sense, and leaves nothing', async () => {
  const rig = await rigWithProcesses()
  await using cnm = await rig.start()
  const lasting = await cnm.createSandbox({ name: 'lasting' })
  await expect(lasting.bindProgram(creator)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  await expect(lasting.bindProgram(0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  const wrong = cnm.createSandbox({ name: 'other', ephemeral: true, program: 99 })
  await expect(wrong).rejects.toMatchObject({ code: 'NAMESPACE_NOT_FOUND' })
  expect((await cnm.sandboxes()).map(({ name }) => name)).toEqual(['lasting'])
})
