import { describe, expect, it } from 'vitest'
import { CnmError, isCnmError, isKernelError, KernelError } from '../../../base/errors.ts'
import { about, fromWire, toWire } from './wire-error.ts'

/** What a message port would make of it. */
function posted(error: unknown): Error {
  return fromWire(structuredClone(toWire(error)))
}

describe('an error that goes to another thread', () => {
  it('stays what the kernel refused', () => {
    const options = { message: 'Device is enslaved', target: 'link v-a', resource: 'link::v-a' }
    const error = new KernelError('RTM_NEWLINK', 'EBUSY', options)
    const copy = posted(error)
    expect(isKernelError(copy, 'EBUSY')).toBe(true)
    expect(copy).toBeInstanceOf(KernelError)
    expect(copy).toMatchObject({ ...error, message: error.message })
  })

  it('stays what a user can do something about', () => {
    const error = new CnmError('LINK_EXISTS', 'there is a link v-a', {
      details: { link: 'v-a' },
      hint: 'use another name',
    })
    const copy = posted(error)
    expect(isCnmError(copy, 'LINK_EXISTS')).toBe(true)
    expect(copy).toBeInstanceOf(CnmError)
    expect(copy).toMatchObject({ ...error, message: error.message })
  })

  it('stays a mistake of ours, and tells where it was made', () => {
    const error = new TypeError('x is not a function')
    expect(posted(error)).toMatchObject({ message: error.message, stack: error.stack })
    expect(posted('text').message).toBe('text')
  })

  it('is the kernel’s where Node was told by it', () => {
    const error = Object.assign(new Error('EROFS: read-only file system, unlink'), {
      code: 'EROFS',
      syscall: 'unlink',
      path: '/run/x',
    })
    expect(isKernelError(posted(error), 'EROFS')).toBe(true)
    expect(posted(error).message).toBe('unlink /run/x: EROFS: read-only file system')
    expect(about(error, 'namespace:/run/x')).toMatchObject({ resource: 'namespace:/run/x' })
  })
})

describe('what an error is about', () => {
  it('is added to it, unless it is known', () => {
    const error = new KernelError('RTM_NEWADDR', 'ENODEV', { target: 'link #7', message: 'gone' })
    const named = about(error, 'address:x') as KernelError
    expect(named).toMatchObject({ ...error, resource: 'address:x', message: error.message })
    expect(about(named, 'address:y')).toBe(named)
  })

  it('is a detail of what users see', () => {
    const error = new CnmError('NAMESPACE_NOT_FOUND', 'none', {
      details: { path: '/x' },
      hint: 'h',
    })
    const named = about(error, 'namespace:/x') as CnmError
    expect(named.details).toEqual({ path: '/x', resource: 'namespace:/x' })
    expect(named).toMatchObject({ code: error.code, message: error.message, hint: 'h' })
    expect(about(named, 'namespace:/y')).toBe(named)
  })
})
