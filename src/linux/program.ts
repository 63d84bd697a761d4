/**
 * Programs inside a namespace, without an engine in the same process: what a client of the daemon needs
 * to start them itself, so that terminal, environment and limits are its own. Loads no store and no model.
 */
export { ProgramThread, type StartedProgram } from '../kernel/linux/index.ts'
