/** Names of the sections of a trace, in the order in which they begin. */
export function sectionsOf(trace: string): readonly string[] {
  return [...trace.matchAll(/section_start:\d+:(\w+)/g)].map(([, name = '']) => name)
}

/** The lines of a trace as they are read: without colours and marks of sections. */
export function plainLines(trace: string): readonly string[] {
  const text = trace
    .replaceAll(/section_(?:start|end):\d+:\w+(?:\[[^\]]*\])?\r/g, '')
    .replaceAll(/\x1b\[[0-9;]*[mK]/g, '')
  return text.replace(/\n$/, '').split('\n')
}
