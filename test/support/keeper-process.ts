import type { EngineRig } from './engine-rig.ts'
import { eventually } from './sockets.ts'

/** The process that listens at the keeper's socket, as `ss` tells it; undefined: there is none. */
export async function keeperOf({ host }: Pick<EngineRig, 'host'>): Promise<number | undefined> {
  const listening = await host.sh('ss -xlpnH')
  const line = listening.split('\n').find((one) => one.includes(`${host.folder}/run/keeper.sock`))
  const pid = /pid=(\d+)/.exec(line ?? '')?.[1]
  return pid === undefined ? undefined : Number(pid)
}

/** Kills it, and waits until it is gone; another one may be there then. */
export async function killKeeper(rig: Pick<EngineRig, 'host'>): Promise<void> {
  const pid = await keeperOf(rig)
  if (pid === undefined) throw new Error('there is no keeper')
  process.kill(pid, 'SIGKILL')
  await eventually(async () => (await keeperOf(rig)) !== pid)
}
