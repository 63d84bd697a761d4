import { isAbsolute } from 'node:path'
import { CnmError } from '../base/errors.ts'
import { Type } from '../base/schema.ts'
import { parseMessage } from './call.ts'
import type { PluginAddress, PluginTls } from './place.ts'

const text = Type.Optional(Type.String())

const Spec = Type.Object({
  Name: text,
  Addr: Type.String(),
  TLSConfig: Type.Optional(
    Type.Object({
      InsecureSkipVerify: Type.Optional(Type.Boolean()),
      CAFile: text,
      CertFile: text,
      KeyFile: text,
    }),
  ),
})

/** The address in a `.spec` file: one URL. Errors: PLUGIN_UNAVAILABLE, naming the file. */
export function parseSpec(content: string, path: string): PluginAddress {
  return parseUrl(content.trim(), path)
}

/** The same of a `.json` file: `{ "Name": …, "Addr": …, "TLSConfig": … }`. */
export function parseJsonSpec(content: string, path: string): PluginAddress {
  const { Addr, TLSConfig } = parseMessage(Spec, jsonOf(content, path), path, 'PLUGIN_UNAVAILABLE')
  if (TLSConfig === undefined) return parseUrl(Addr, path)
  const { InsecureSkipVerify = false, CAFile, CertFile, KeyFile } = TLSConfig
  return parseUrl(Addr, path, {
    // Without an authority there is none to check by.
    insecure: InsecureSkipVerify || !CAFile,
    ...(CAFile ? { ca: CAFile } : {}),
    ...(CertFile ? { certificate: CertFile } : {}),
    ...(KeyFile ? { key: KeyFile } : {}),
  })
}

const ports: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

function parseUrl(url: string, path: string, tls?: PluginTls): PluginAddress {
  const socket = /^unix:\/\/(.+)$/.exec(url)?.[1]
  if (socket !== undefined && isAbsolute(socket)) return { socket }
  // A scheme of one's own keeps no port of its own.
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const { protocol = '', hostname = '', port = '' } = parsed ?? {}
  const isHttps = protocol === 'https:' || (protocol === 'tcp:' && tls !== undefined)
  if (!['tcp:', 'http:', 'https:'].includes(protocol) || hostname === '') throw bad(url, path)
  const number = port === '' ? ports[protocol] : Number(port)
  if (number === undefined) throw bad(url, path)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (!isHttps) return { host, port: number }
  return { host, port: number, tls: tls ?? { insecure: true } }
}

function bad(url: string, path: string): CnmError {
  return new CnmError('PLUGIN_UNAVAILABLE', `${path}: ${JSON.stringify(url)} is no address`, {
    details: { path, url },
    hint: 'write unix:///path, tcp://host:port, http://host:port or https://host:port',
  })
}

function jsonOf(content: string, path: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new CnmError('PLUGIN_UNAVAILABLE', `${path} is no JSON`, { details: { path }, cause })
  }
}
