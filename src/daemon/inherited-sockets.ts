/**
 * Sockets that systemd has made and hands on, by their names (`FileDescriptorName=`). Takes the variables
 * that tell of them away, since programs that are started get none of the sockets.
 */
export function inheritedSockets(environment: NodeJS.ProcessEnv): ReadonlyMap<string, number[]> {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = environment
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name]
  const sockets = new Map<string, number[]>()
  // Those of a process that has started this one are not meant for it.
  if (LISTEN_PID !== String(process.pid)) return sockets
  const names = LISTEN_FDNAMES.split(':')
  for (let index = 0; index < Number(LISTEN_FDS); index += 1) {
    const name = names[index] || 'unknown'
    sockets.set(name, [...(sockets.get(name) ?? []), firstDescriptor + index])
  }
  return sockets
}

const firstDescriptor = 3
