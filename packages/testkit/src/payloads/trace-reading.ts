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

/** Lines without the times that may stand in front of them; what was cut for one is one line again. */
export function withoutTimes(lines: readonly string[]): readonly string[] {
  return lines
    .join('\n')
    .replaceAll(/\n\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f]{2}[OE]\+/g, '')
    .replaceAll(/^\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f]{2}[OE] /gm, '')
    .split('\n')
}
