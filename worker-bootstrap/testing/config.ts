/** Where the test's agent finds its tasks and leaves its events. */
export const readTestSettings = () => ({
  tasksFile: process.env['SHOAL_TEST_TASKS'] ?? '/dev/null',
  eventsFile: process.env['SHOAL_TEST_EVENTS'] ?? '/dev/null',
});

/** Where the tests' commands are found. */
export const readPath = (): string => process.env['PATH'] ?? '/usr/bin:/bin';
