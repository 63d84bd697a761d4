import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Chance } from '../support/chance.ts'
import { hasDocker } from '../support/docker-daemon.ts'
import { DockerPluginRig } from '../support/docker-plugin-rig.ts'

const rounds = 26
const seed = Number(process.env.CNM_TEST_SEED ?? Date.now() % 100_000)

/** With our addresses, and with Docker's. */
const networks = ['web', 'plain'] as const

it.skipIf(!hasDocker)(
  `is killed ${2 * rounds} times while containers come and go, and nothing is left over`,
  async () => {
    console.log(`CNM_TEST_SEED=${seed}`)
    const random = new Chance(seed)
    await using rig = await DockerPluginRig.start({ config: { endpointIdle: '2s' } })
    const { docker } = rig
    await docker.docker('network', 'create', '-d', 'cnm', '--ipam-driver', 'cnm', 'web')
    await docker.docker('network', 'create', '-d', 'cnm', 'plain')
    const each = <T>(act: (network: string, number: number) => Promise<T>) =>
      Promise.all(networks.map(act))
    const start = () =>
      each((network, number) => {
        const options = ['--name', network, '--network', network, '-p', `${9000 + number}:80`]
        return docker.try('run', '-d', ...options, 'idle', 'sleep', '3600')
      })
    const remove = () => each((name) => docker.try('rm', '-f', name))
    /** While it goes on, our daemon is killed and comes back. */
    const disturbed = async <T>(act: () => Promise<T>, mostMs: number): Promise<T> => {
      const work = act()
      await sleep(random.below(mostMs))
      const [result] = await Promise.all([work, rig.replaceDaemon('SIGKILL')])
      return result
    }
    const usual = async (act: () => Promise<unknown>) => {
      const begin = performance.now()
      await act()
      return performance.now() - begin
    }

    const usualStart = await usual(start)
    const usualRemove = await usual(remove)
    let refused = 0
    for (let round = 0; round < rounds; round++) {
      for (const [at, { code, stderr }] of (await disturbed(start, usualStart)).entries()) {
        const name = networks[at]!
        if (code === 0) {
          await docker.docker('exec', name, 'ping', '-c1', '-W3', '198.51.100.1')
        } else {
          refused += 1
          expect(stderr).toMatch(/Error response from daemon: .*(NetworkDriver|IpamDriver)\.\w+: /s)
        }
      }
      for (const { code, stderr } of await disturbed(remove, usualRemove)) {
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      }
    }
    console.log(`${refused} of ${2 * rounds} containers were refused`)
    await docker.docker('network', 'rm', 'web', 'plain')
    await rig.expectNothingLeft()
  },
  600_000,
)
