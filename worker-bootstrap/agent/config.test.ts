import { availableParallelism, totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../core/errors.ts';
import { usableMemoryMiB } from '../../core/usable-memory.ts';
import { memoryMiBOf, parseAgentConfig } from './config.ts';

const environment = {
  SHOAL_STAGE: 'dev',
  SHOAL_FLEET: 'default',
  SHOAL_INSTANCE_ID: 'i-1',
  SHOAL_SLOTS: '4',
  SHOAL_IDLE_SECONDS: '60',
  SHOAL_MAX_LIFETIME_SECONDS: '86400',
  SHOAL_QUEUE_URL_PREFIX: 'https://sqs.eu-central-1.amazonaws.com/123456789012/',
  SHOAL_STATUS_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/status',
  SHOAL_BUCKET: 'bucket',
  SHOAL_WORK_DIR: '/var/lib/shoal',
  PATH: '/usr/bin',
};

const faultsOf = (changed: Record<string, string | undefined>): string[] => {
  try {
    parseAgentConfig({ ...environment, ...changed });
    return [];
  } catch (error) {
    return error instanceof ValidationError ? error.faults.map((fault) => fault.path) : [String(error)];
  }
};

describe('parseAgentConfig', () => {
  it('fills in what may be left out', () => {
    expect(parseAgentConfig(environment)).toMatchObject({
      capacity: { vcpus: 4, memoryMiB: 4_096, diskGiB: 20 },
      slot: { vcpus: 1, memoryMiB: 1_024, diskGiB: 5 },
      graceSeconds: 30,
      leaseGraceSeconds: 60,
      setupSeconds: 600,
      controlSeconds: 15,
      cancelGraceSeconds: 10,
      maxCheckpointBytes: 2 ** 30,
      pollSeconds: 10,
      commandPath: expect.stringMatching(/^\/usr\/bin:/),
    });
  });

  it('takes what the machine has, when nothing is said of it', () => {
    const { capacity, slot } = parseAgentConfig({ ...environment, SHOAL_SLOTS: undefined });

    expect(capacity.vcpus).toBe(availableParallelism());
    // Sold in whole GiB; a part of it is the system's own.
    expect(capacity.memoryMiB).toBe(usableMemoryMiB(memoryMiBOf(totalmem(), process.constrainedMemory())));
    expect(slot.vcpus).toBeLessThanOrEqual(capacity.vcpus);
    // What is free of the nearest folder that exists.
    expect(capacity.diskGiB).toBeGreaterThanOrEqual(1);
    expect(slot.diskGiB).toBeLessThanOrEqual(capacity.diskGiB);
  });

  it('goes by what a container may use, not by what the machine has', () => {
    const gib = 2 ** 30;

    expect(memoryMiBOf(7.6 * gib, 0)).toBe(8_192);
    expect(memoryMiBOf(7.6 * gib, 2 ** 63)).toBe(8_192);
    expect(memoryMiBOf(7.6 * gib, 0.5 * gib)).toBe(512);
  });

  it('believes what is said of the machine, and counts in slots of the fleet', () => {
    const said = { SHOAL_SLOTS: '3', SHOAL_SLOT_VCPU: '0.5', SHOAL_SLOT_MEMORY_MIB: '256', SHOAL_SLOT_DISK_GIB: '2' };

    expect(parseAgentConfig({ ...environment, ...said }).capacity).toEqual({
      vcpus: 1.5,
      memoryMiB: 768,
      diskGiB: 6,
    });
    expect(
      parseAgentConfig({ ...environment, ...said, SHOAL_VCPUS: '8', SHOAL_MEMORY_MIB: '128', SHOAL_DISK_GIB: '1' }),
    ).toMatchObject({
      capacity: { vcpus: 8, memoryMiB: 128, diskGiB: 1 },
      // On a machine smaller than a slot one task runs at a time.
      slot: { vcpus: 0.5, memoryMiB: 128, diskGiB: 1 },
    });
  });

  it('lets a machine of somebody’s own wait for ever, under its own name and a new id at each start', () => {
    const own = { ...environment, SHOAL_IDLE_SECONDS: 'never', SHOAL_INSTANCE_ID: undefined };
    const [first, second] = [parseAgentConfig(own), parseAgentConfig(own)];

    expect(first).toMatchObject({ idleSeconds: Number.POSITIVE_INFINITY, provider: 'external', services: 'aws' });
    expect(first.instanceId).toMatch(/^[A-Za-z0-9.-]{1,63}-[0-9a-f]{8}$/);
    expect(first.instanceId.slice(0, -9)).toBe(second.instanceId.slice(0, -9));
    expect(first.instanceId).not.toBe(second.instanceId);
    for (const wrong of ['sometimes', '-1', '604801', undefined]) {
      expect(faultsOf({ SHOAL_IDLE_SECONDS: wrong })).toEqual(['SHOAL_IDLE_SECONDS']);
    }
  });

  it('names everything that is wrong at once', () => {
    const faulty = { SHOAL_SLOTS: '0', SHOAL_BUCKET: undefined, SHOAL_WORK_DIR: 'relative', SHOAL_IDLE_SECONDS: '' };

    expect(faultsOf(faulty).sort()).toEqual(['SHOAL_BUCKET', 'SHOAL_IDLE_SECONDS', 'SHOAL_SLOTS', 'SHOAL_WORK_DIR']);
  });

  it.each(['1.5', '-1', 'many', '1e3', ' 1'])('takes no number of slots that reads %j', (slots) => {
    expect(faultsOf({ SHOAL_SLOTS: slots })).toEqual(['SHOAL_SLOTS']);
  });
});
