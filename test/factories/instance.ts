import type { Instance, LaunchIntent } from '../../core/instance.ts';
import { at, START } from './manual-clock.ts';

/** A machine that was asked for at the start of the test. */
export const instanceFactory = (overrides: Partial<Instance> = {}): Instance => ({
  instanceId: 'i-1',
  fleet: 'default',
  provider: 'local',
  state: 'REQUESTED',
  stateReason: null,
  intentId: 'intent-1',
  instanceType: 'c7g.medium',
  slots: 1,
  hourlyPriceUsd: 0.0145,
  requestedAt: START,
  readyAt: null,
  endedAt: null,
  readyDeadlineAt: at(300),
  expiresAt: at(86_400),
  ...overrides,
});

export const launchIntentFactory = (overrides: Partial<LaunchIntent> = {}): LaunchIntent => ({
  intentId: 'intent-1',
  count: 1,
  createdAt: START,
  expiresAt: at(600),
  ...overrides,
});
