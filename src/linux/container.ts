/**
 * What a hook of another runtime needs, without an engine in the same process. It loads as little as it can:
 * the container waits.
 */
export {
  mountInContainer,
  type NewContainer,
  speakThroughParent,
} from '../kernel/linux/container/index.ts'
