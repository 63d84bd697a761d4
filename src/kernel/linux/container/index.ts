export { mountInContainer, type NewContainer } from './files.ts'
export { speakThroughParent } from './parent-stderr.ts'
