/**
 * An independent judge of what a fleet of machines and its managers did. Knows none of their code.
 *
 * @module
 */
export type {
  Answer,
  CloudRecord,
  CoordinatorRecord,
  HistoryRecord,
  MachineRecord,
  StoryRecord,
  TextRecord,
  TroubleKind,
  WaitRecord,
} from './history.ts'
export { checkHistory, HistoryChecker } from './history-checker.ts'
export { appendHistory, historyLine, readHistory } from './history-file.ts'
export type { Breach, Finding } from './rule.ts'
