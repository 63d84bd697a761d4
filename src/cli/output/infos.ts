import type { EndpointInfo, NetworkInfo, SandboxInfo } from '../../api/shapes.ts'
import type { Controller } from '../../client/client.ts'

/** What is known of all things of a sort. */

export async function networkInfos(cnm: Controller): Promise<readonly NetworkInfo[]> {
  return (await cnm.networks()).map(({ info }) => info)
}

export async function sandboxInfos(cnm: Controller): Promise<readonly SandboxInfo[]> {
  return (await cnm.sandboxes()).map(({ info }) => info)
}

export async function endpointInfos(
  cnm: Controller,
  of: { readonly network?: string; readonly sandbox?: string } = {},
): Promise<readonly EndpointInfo[]> {
  return (await cnm.endpoints(of)).map(({ info }) => info)
}
