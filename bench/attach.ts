import { finish, head, inTurns, longestStall, nothing, row, session, start } from './session.ts'
import { ms, table } from './statistics.ts'

/**
 * Attach and teardown through the library, as a ratio to the kernel's floor in the same run. Run by
 * `make bench`, in a namespace that plays the host.
 */
const rounds = 10

/** One network: 300 attaches that pile up on it; then three times 100 sandboxes are torn down. */
async function small(folder: string): Promise<string[][]> {
  const pair = await start(folder, 'small', 1)
  const attach = nothing()
  const detach = nothing()
  const gone = nothing()
  await inTurns(rounds, async (one) => {
    attach[one].push(...(await pair[one].attach(30)))
  })
  await inTurns(3, async (one) => {
    const { each, untilGone } = await pair[one].detach(100)
    detach[one].push(...each)
    gone[one].push(untilGone / 100)
  })
  await finish(pair)
  return [
    row('attach, 300 on one network', attach, '≤ 1.5 × floor'),
    row('detach, until it has no effect', detach, '≤ 1 ms'),
    row('teardown of 100 until all is gone, each', gone, '≤ 1.5 ms'),
  ]
}

/** Ten networks with 1,000 endpoints, and 20 more that come and go. */
async function crowded(folder: string): Promise<string[][]> {
  const pair = await start(folder, 'crowded', 10)
  const attach = nothing()
  const detach = nothing()
  await inTurns(1, async (one) => {
    await pair[one].attach(1000)
  })
  await inTurns(rounds, async (one) => {
    attach[one].push(...(await pair[one].attach(20)))
    detach[one].push(...(await pair[one].detach(20)).each)
  })
  await inTurns(1, async (one) => {
    await pair[one].detach(1000)
  })
  await finish(pair)
  return [
    row('attach, 1,000 endpoints on 10 networks', attach, '≤ 1.5 × floor'),
    row('detach, 1,000 endpoints on 10 networks', detach, '≤ 1 ms'),
  ]
}

await session(async (folder) => {
  const rows = [...(await small(folder)), ...(await crowded(folder))]
  return [
    table([[...head, 'ratio', 'goal'], ...rows]),
    '',
    `longest stall of the main thread: ${ms(longestStall.library)} ms ` +
      `(goal ≤ 5; ${ms(longestStall.floor)} while it only waited)`,
    'prepared in advance: one network namespace, made while nobody waits',
  ].join('\n')
})
