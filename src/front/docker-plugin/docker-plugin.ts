import type { RequestListener } from 'node:http'
import type { LocalController } from '../../model/controller.ts'
import { pluginListener } from '../../plugin/server.ts'
import { ipamDriver } from './ipam-driver.ts'
import { networkDriver } from './network-driver.ts'

/**
 * Our networks for a dockerd, as a network driver and an IPAM of its plugin protocol. It is never called back:
 * all that a call needs is in the call, or was in an earlier one.
 */
export function dockerPlugin(controller: LocalController): RequestListener {
  const docker = controller.runtime('docker')
  return pluginListener({
    NetworkDriver: networkDriver(controller, docker),
    IpamDriver: ipamDriver(docker),
  })
}
