/** `1 task`, `24 tasks`; with a verb `counted(1, 'task waits', 'tasks wait')`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
