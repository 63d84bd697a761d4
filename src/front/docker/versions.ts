import { invalid } from './json/docker-error.ts'

/** Those of Docker's API that are spoken here. */
export const latestVersion = '1.48'
export const oldestVersion = '1.24'

const latestMinor = minorOf(latestVersion)
const oldestMinor = minorOf(oldestVersion)

/** 48 of `1.48`. */
function minorOf(version: string): number {
  return Number(version.split('.')[1])
}

/** Which minor version of 1 a request is in, by the beginning of its path, and the rest of the path. */
export function splitVersion(path: string): { readonly minor: number; readonly path: string } {
  const match = /^\/v(\d{1,6})\.(\d{1,6})(\/.*)$/.exec(path)
  if (match === null) return { minor: latestMinor, path }
  const [, major, minorText, rest = ''] = match
  const version = `${major}.${minorText}`
  const minor = Number(minorText)
  if (Number(major) > 1 || (major === '1' && minor > latestMinor)) {
    throw invalid(
      `client version ${version} is too new. Maximum supported API version is ${latestVersion}`,
    )
  }
  if (Number(major) < 1 || minor < oldestMinor) {
    throw invalid(
      `client version ${version} is too old. Minimum supported API version is ${oldestVersion}, please upgrade your client to a newer version`,
    )
  }
  return { minor, path: rest }
}
