import { describe, expect, it } from 'vitest'
import type { Static } from '../base/schema.ts'
import type { GivenOptions } from '../driver/bridge/given-options.ts'
import type { BridgeNetworkOptions } from './driver-options.ts'
import type {
  ConnectBody,
  ConnectOptions,
  EndpointBody,
  PublishList,
  PublishOptions,
  RateOptions,
  StandaloneEndpointOptions,
  UpdateBody,
  UpdateOptions,
} from './endpoint-options.ts'
import type { Frozen } from './frozen.ts'
import type {
  NetworkBody,
  NetworkOptions,
  SandboxBody,
  SandboxOptions,
  SubnetOptions,
} from './options.ts'
import type { ExecOptions } from './programs.ts'
import type { ExecBody } from './reports.ts'

// What a user is shown in an editor, and what is parsed. (It is the compiler that judges here.)

/** Flat, without what is no data. */
type Said<T> = { [Key in keyof Omit<Frozen<T>, 'signal'>]: Omit<Frozen<T>, 'signal'>[Key] }
type Parsed<Schema> = Said<
  Static<Schema extends import('../base/schema.ts').TSchema ? Schema : never>
>
type Same<A, B> = [A, B] extends [B, A]
  ? [keyof A, keyof B] extends [keyof B, keyof A]
    ? true
    : false
  : false

const same = <Is extends true>(): Is => true as Is

describe('options and their parsers', () => {
  it('are the same', () => {
    // Options of drivers are typed for the built-in ones, and of any sort for others.
    type Network = Omit<Said<NetworkOptions>, 'options'>
    same<Same<Network, Omit<Parsed<typeof NetworkBody>, 'options'>>>()
    same<Same<Said<SandboxOptions>, Parsed<typeof SandboxBody>>>()
    same<Same<Said<StandaloneEndpointOptions>, Parsed<typeof EndpointBody>>>()
    same<Same<Said<ConnectOptions>, Parsed<typeof ConnectBody>>>()
    same<Same<Said<UpdateOptions>, Parsed<typeof UpdateBody>>>()
    same<Same<RateOptions, NonNullable<Parsed<typeof UpdateBody>['rate']>>>()
    type Subnet = NonNullable<Parsed<typeof NetworkBody>['subnets']>[number]
    same<Same<SubnetOptions, Exclude<Subnet, string>>>()
    type Published = Exclude<Static<typeof PublishList>[number], string>
    same<Same<Said<PublishOptions>, Said<Published>>>()
    // Of an environment what is undefined isn't sent.
    same<Same<keyof Said<ExecOptions>, Exclude<keyof Parsed<typeof ExecBody>, 'argv'>>>()
    same<Same<keyof BridgeNetworkOptions, keyof GivenOptions>>()
    expect<Readonly<GivenOptions> extends BridgeNetworkOptions ? true : false>(true).toBe(true)
  })
})
