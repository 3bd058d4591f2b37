/** Ends the process with one line, and exit code 2, when this Node is older than 22.15. */
export declare function requireNode(command: string): void
