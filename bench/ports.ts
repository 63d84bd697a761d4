import { execFileSync } from 'node:child_process'
import { createController, type LocalController } from 'libcnm/linux'
import { finish, head, inTurns, nothing, prepared, row, session, start } from './session.ts'
import { median, ms, quantile, table } from './statistics.ts'

/** What published ports cost. Run by `make bench`, in a namespace that plays the host. */

/** Attaching a sandbox with one port, where many are published already. */
async function attachWithPort(folder: string): Promise<string[][]> {
  const rows: string[][] = []
  const pair = await start(folder, 'ports', 10)
  let there = 0
  for (const population of [0, 300, 1000]) {
    const samples = nothing()
    await inTurns(1, async (one) => {
      await pair[one].attach(population - there, 'ports')
    })
    there = population
    await inTurns(10, async (one) => {
      samples[one].push(...(await pair[one].attach(20, 'ports')))
      await pair[one].detach(20)
    })
    rows.push(row(`attach with a port, ${population} published`, samples, '≤ 1.6 × floor'))
  }
  await inTurns(1, async (one) => {
    await pair[one].detach(there)
  })
  await finish(pair)
  return rows
}

const cases = [
  { what: '1 port', publish: '8080:80', goal: '' },
  { what: '10,000 ports as a range', publish: '10000-19999:10000-19999', goal: '≤ 0.1 + search' },
  { what: '1,000 shifted ports', publish: '10000-10999:20000-20999', goal: '≤ 5' },
  { what: '10,000 shifted ports', publish: '10000-19999:20000-29999', goal: '≤ 50' },
] as const

interface Cost {
  readonly attach: number[]
  readonly publish: number[]
  readonly unpublish: number[]
}

/** Publishing on top: with an attach, less one without; and on an endpoint that runs. */
async function publishing(folder: string): Promise<{ rows: string[][]; rules: string }> {
  const cnm = await createController({
    stateDir: prepared(folder, 'publish-state'),
    runDir: prepared(folder, 'memory/publish-run'),
  })
  await cnm.createNetwork({ name: 'bench', subnets: ['10.200.0.0/16'] })
  const rulesBefore = countRules()
  const without: number[] = []
  const costs = new Map<string, Cost>()
  for (const { what } of cases) costs.set(what, { attach: [], publish: [], unpublish: [] })
  let rulesMeanwhile = 0
  for (let round = 0; round < 11; round++) {
    without.push(await attachOnce(cnm))
    for (const { what, publish } of cases) {
      const cost = costs.get(what)!
      cost.attach.push(await attachOnce(cnm, publish))
      rulesMeanwhile = await publishOnce(cnm, publish, cost)
    }
  }
  await cnm.network('bench').delete()
  await cnm.close()
  const base = median(without)
  const rows = cases.map(({ what, goal }) => {
    const { attach, publish, unpublish } = costs.get(what)!
    const numbers = [
      median(attach) - base,
      median(publish),
      quantile(publish, 0.99),
      median(unpublish),
    ]
    return [what, ...numbers.map(ms), goal]
  })
  return { rows, rules: `rules: ${rulesBefore} without a port, ${rulesMeanwhile} with 10,000` }
}

async function attachOnce(cnm: LocalController, publish?: string): Promise<number> {
  const begin = performance.now()
  const wanted = { network: 'bench', publish: publish === undefined ? [] : [publish] }
  const box = await cnm.createSandbox({ connect: [wanted] })
  const time = performance.now() - begin
  await box.delete()
  return time
}

async function publishOnce(cnm: LocalController, publish: string, cost: Cost): Promise<number> {
  await using box = await cnm.createSandbox({ connect: [{ network: 'bench' }] })
  const [endpoint] = await box.endpoints()
  const begin = performance.now()
  await endpoint!.publish([publish])
  cost.publish.push(performance.now() - begin)
  const rules = countRules()
  const end = performance.now()
  await endpoint!.unpublish([publish])
  cost.unpublish.push(performance.now() - end)
  return rules
}

function countRules(): number {
  const text = execFileSync('nft', ['-j', 'list', 'ruleset'], { maxBuffer: 1 << 28 })
  const { nftables } = JSON.parse(text.toString()) as { nftables: { rule?: unknown }[] }
  return nftables.filter(({ rule }) => rule !== undefined).length
}

await session(async (folder) => {
  const attaches = await attachWithPort(folder)
  const { rows, rules } = await publishing(folder)
  const columns = ['median ms', 'on top of an attach', 'publish', 'p99', 'unpublish', 'goal on top']
  return [
    table([[...head, 'ratio', 'goal'], ...attaches]),
    '',
    table([columns, ...rows]),
    '',
    rules,
  ].join('\n')
})
