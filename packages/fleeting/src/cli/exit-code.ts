/** How the program ends. */
export const exitCode = {
  /** All is well. */
  ok: 0,
  /** A case failed, the group's set-up is wrong, or the run was stopped. */
  failed: 1,
  /** Nothing was started: the command line, the configuration or the plugin cannot be used. */
  notStarted: 2,
} as const
