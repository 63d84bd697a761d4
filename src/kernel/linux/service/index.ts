export { Ends } from '../background/ends.ts'
export { DatagramSlots, sendTo } from '../ffi/datagrams.ts'
export { clearEvent, close, eventfd, raiseEvent } from '../ffi/file.ts'
export {
  accept,
  connectUnix,
  listenUnix,
  receiveWithDescriptors,
  sendDatagram,
  sendWithDescriptors,
} from '../ffi/unix-socket.ts'
export {
  EPOLLIN,
  EPOLLOUT,
  epollAdd,
  epollChange,
  epollCreate,
  epollDelete,
  epollWait,
} from '../ffi/wait.ts'
export { readBounded } from '../files/bounded-file.ts'
export { PathWatch } from '../programs/path-watch.ts'
export { namespaceOf, openSocketBeside } from './namespace-of.ts'
export { setReceiveRoom, socketKind } from './socket-kind.ts'
