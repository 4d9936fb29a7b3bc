/** Task queues on the emulated Service Bus, on virtual time: the broker's locks and the adapter's renewals share a clock. */
import { ServiceBusTaskQueue } from '../../adapters/azure/service-bus-task-queue.ts';
import { taskQueueName } from '../../core/ids.ts';
import type { AzureFaults } from '../clouds/azure/azure-faults.ts';
import { useServiceBus } from '../clouds/azure/use-azure.ts';
import { VirtualClock } from '../factories/virtual-clock.ts';
import type { TaskQueueSetup } from './task-queue.ts';

/** A service for one test file. @param troubles switches its faults on */
export function serviceBusTaskQueueSetup(
  troubles: (faults: AzureFaults) => void = () => undefined,
): () => Promise<TaskQueueSetup> {
  const clock = new VirtualClock();
  const bus = useServiceBus({ clock }, troubles);
  let fleets = 0;
  return async () => {
    fleets += 1;
    const fleet = `fleet-${fleets}`;
    const stored = bus().broker.create(taskQueueName(fleet, 'normal', 'test'), {
      lockSeconds: 60,
      maxDeliveryCount: 6,
    });
    const queue = new ServiceBusTaskQueue({ queueUrl: `${bus().restUrl}/${stored.name}`, token: null, clock });
    return {
      queue,
      sendRaw: async (body) => {
        stored.send({ messageId: crypto.randomUUID(), body: Buffer.from(body), properties: {} });
      },
      counted: async () => {
        const { active, locked, scheduled } = stored.counts();
        return { visible: active - locked, inFlight: locked, delayed: scheduled };
      },
      elapse: (seconds) => clock.advance(seconds, () => queue.renewal.idle()),
    };
  };
}
