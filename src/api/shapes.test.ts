import { expect, it } from 'vitest'
import type { Static } from '../base/schema.ts'
import type { Frozen } from './frozen.ts'
import type { EndpointInfo, NetworkInfo, PublishedBinding, SandboxInfo } from './infos.ts'
import type * as reports from './reports.ts'
import type * as shapes from './shapes.ts'
import type * as told from './told.ts'

// What a user is shown in an editor, and what comes over the wire. (It is the compiler that judges here.)

type Schemas = typeof shapes & typeof reports
type Came<Name extends keyof Schemas> = Schemas[Name] extends import('../base/schema.ts').TSchema
  ? Frozen<Static<Schemas[Name]>>
  : never
type Same<A, B> = [A, B] extends [B, A]
  ? [keyof A, keyof B] extends [keyof B, keyof A]
    ? true
    : false
  : false

const same = <Is extends true>(): Is => true as Is

it('what is told is what is documented', () => {
  const all = [
    same<Same<Frozen<NetworkInfo>, Came<'NetworkShape'>>>(),
    same<Same<Frozen<EndpointInfo>, Came<'EndpointShape'>>>(),
    same<Same<Frozen<PublishedBinding>, Came<'BindingShape'>>>(),
    same<Same<Frozen<SandboxInfo>, Came<'SandboxShape'>>>(),
    same<Same<told.CnmEvent, Came<'EventShape'>>>(),
    same<Same<told.DnsQuery, Came<'QueryShape'>>>(),
    same<Same<told.Finding, Came<'FindingShape'>>>(),
    same<Same<Frozen<told.PluginInfo>, Came<'PluginShape'>>>(),
    same<Same<Frozen<told.StatusInfo>, Came<'StatusShape'>>>(),
    same<Same<Frozen<told.Statistics>, Came<'StatisticsShape'>>>(),
  ]
  expect(all).not.toContain(false)
})
