/** Types of records, and of questions. */
export const Type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  RP: 17,
  SIG: 24,
  KEY: 25,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const

/** What an answer says of itself (RCODE); from 16 on with EDNS only. */
export const Code = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADMODE: 19,
  BADNAME: 20,
  BADALG: 21,
  BADTRUNC: 22,
  BADCOOKIE: 23,
} as const

/** Why an answer is as it is (RFC 8914). */
export const ExtendedCode = {
  OTHER: 0,
  STALE_ANSWER: 3,
  NOT_READY: 14,
  PROHIBITED: 18,
  STALE_NXDOMAIN: 19,
  NOT_AUTHORITATIVE: 20,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
} as const

/** The option of EDNS that says it. */
export const EXTENDED_ERROR = 15

/** The only class there is. */
export const CLASS_IN = 1

export const HEADER_BYTES = 12

/** Over UDP without EDNS. */
export const PLAIN_BYTES = 512
/** What we say we take over UDP: it passes everywhere without fragments. */
export const OUR_EDNS_BYTES = 1232
/** What we send at most over UDP, whatever the other side takes. */
export const MOST_EDNS_BYTES = 4096

const typeNames = namesOf(Type)
const codeNames = namesOf(Code)

/** `A`, `AAAA`, `TYPE1234` */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`
}

/** `NOERROR`, `NXDOMAIN`, `RCODE24` */
export function codeName(code: number): string {
  return codeNames.get(code) ?? `RCODE${code}`
}

function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, number]) => [number, name]))
}
