export function endThread(name: string, way: string): void
