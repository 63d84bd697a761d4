import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { LocalController } from '../../model/controller.ts'
import { type AnsweredCall, pluginListener } from '../../plugin/server.ts'
import { ipamDriver } from './ipam-driver.ts'
import { networkDriver } from './network-driver.ts'

/** Answers a call; `note` is told what belongs into a log: the ids it is about, and why it was refused. */
export type DockerPlugin = (
  request: IncomingMessage,
  response: ServerResponse,
  note?: (facts: object) => void,
) => void

/**
 * Our networks for a dockerd, as a network driver and an IPAM of its plugin protocol. It is never called back:
 * all that a call needs is in the call, or was in an earlier one.
 */
export function dockerPlugin(controller: LocalController): DockerPlugin {
  const docker = controller.runtime('docker')
  const notes = new WeakMap<ServerResponse, (facts: object) => void>()
  const handlers = {
    NetworkDriver: networkDriver(controller, docker),
    IpamDriver: ipamDriver(docker),
  }
  const listener: RequestListener = pluginListener(handlers, (call, response) => {
    notes.get(response)?.(factsOf(call))
  })
  return (request, response, note = () => {}) => {
    notes.set(response, note)
    listener(request, response)
  }
}

/** Options and labels may be secrets, and are not among them. */
const told = ['NetworkID', 'EndpointID', 'SandboxKey', 'PoolID', 'Pool', 'Address']

function factsOf({ body, error }: AnsweredCall): object {
  const fields = Object.entries(typeof body === 'object' && body !== null ? body : {})
  const facts = fields.filter(([key, value]) => told.includes(key) && value !== '')
  return { ...Object.fromEntries(facts), ...(error === undefined ? {} : { error }) }
}
