import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { shortId } from '../base/id.ts'
import { Metrics } from './metrics.ts'

interface Metric {
  readonly type: string
  /** Without those of buckets. */
  readonly labels: readonly string[]
}

type MetricsByName = Readonly<Record<string, Metric>>

/** Ours, as the text format has them; labels as far as there are samples. */
function metricsIn(text: string): MetricsByName {
  const metrics: Record<string, Metric> = {}
  for (const [, name, type] of text.matchAll(/^# TYPE (cnm_\w+) (\w+)$/gm)) {
    const sample = new RegExp(`^${name}(?:_bucket)?\\{(.*)\\} `, 'm').exec(text)?.[1] ?? ''
    const labels = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label!)
    metrics[name!] = { type: type!, labels: labels.filter((label) => label !== 'le').sort() }
  }
  return metrics
}

/** Rows of the page: `| `name` | type | `label`, `label` | what it is |`. */
function documented(): MetricsByName {
  const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8')
  const rows = page.matchAll(/^\| `(cnm_\w+)` *\| (\w+) *\| ([^|]*?) *\| [^|]+ \|$/gm)
  return Object.fromEntries(
    [...rows].map(([, name, type, labels]) => {
      const names = [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!)
      return [name, { type: type!, labels: names.sort() }]
    }),
  )
}

async function rigWithTraffic(): Promise<DaemonRig> {
  const rig = await DaemonRig.start()
  const web = await rig.controller.createNetwork({ name: 'web', options: { bridge: 'br-web' } })
  const box = await rig.controller.createSandbox({ name: 'box' })
  const { id } = await box.connect(web, { name: 'api' })
  const counters = { bytes: 1500, packets: 3, dropped: 2, errors: 1 }
  rig.memory.kernel.countTraffic(`veth${shortId(id, 10)}`, { received: counters })
  rig.memory.kernel.countTraffic('br-web', { sent: { ...counters, bytes: 2 ** 40 } })
  return rig
}

const textOf = async (rig: DaemonRig) => (await rig.ask('GET /metrics')).body as string

describe('metrics', () => {
  it('are documented, each with its type and labels, and none that there is not', async () => {
    await using rig = await rigWithTraffic()
    await rig.ask('GET /v1/networks')
    const metrics = metricsIn(await textOf(rig))
    const page = documented()
    expect(Object.keys(metrics).sort()).toEqual(Object.keys(page).sort())
    for (const [name, { type, labels }] of Object.entries(metrics)) {
      expect([name, page[name]?.type]).toEqual([name, type])
      // Nothing has asked for names here.
      if (!name.startsWith('cnm_dns_')) expect([name, page[name]?.labels]).toEqual([name, labels])
    }
  })

  it('tell traffic by name, seen from the inside', async () => {
    await using rig = await rigWithTraffic()
    const lines = (await textOf(rig)).split('\n')
    const api = '{network="web",endpoint="api",sandbox="box"}'
    for (const line of [
      `cnm_endpoint_transmit_bytes_total${api} 1500`,
      `cnm_endpoint_transmit_packets_total${api} 3`,
      `cnm_endpoint_transmit_drop_total${api} 2`,
      `cnm_endpoint_transmit_errs_total${api} 1`,
      `cnm_endpoint_receive_bytes_total${api} 0`,
      'cnm_network_receive_bytes_total{network="web"} 1099511627776',
      'cnm_network_transmit_bytes_total{network="web"} 0',
    ]) {
      expect(lines).toContain(line)
    }
  })

  it('are told without traffic if the kernel says nothing of it', async () => {
    await using rig = await rigWithTraffic()
    rig.memory.kernel.failAt(1)
    const text = await textOf(rig)
    expect(text).toContain('cnm_networks')
    expect(text).not.toContain('cnm_endpoint_receive')
    expect(rig.logged).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringContaining('counters') }),
    )
  })

  it('count what was done before it was asked for, however much it was', async () => {
    await using rig = await DaemonRig.start()
    const about = { version: '1', stateDir: '/s', runDir: '/r' }
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const metrics = new Metrics(rig.controller, about, log)
    const observe = (times: number) => {
      for (let i = 0; i < times; i++) metrics.observe({ route: 'r', code: 'ok', seconds: 0.001 })
    }
    const counted = async () => {
      const { text } = await metrics.text()
      return /^cnm_operation_duration_seconds_count\{.*\} (\d+)$/m.exec(text)?.[1]
    }
    observe(2500)
    expect(await counted()).toBe('2500')
    observe(1)
    expect(await counted()).toBe('2501')
    await metrics.close()
  })
})
