/** Which provider tells this machine of its end. */
import { AwsSpotNotices } from '../../adapters/aws/spot-notices.ts';
import { AzureScheduledEvents } from '../../adapters/azure/scheduled-events.ts';
import { GcpPreemptionNotices } from '../../adapters/gcp/preemption-notices.ts';
import type { Clock, NoticeSource } from '../../core/ports.ts';
import type { AgentConfig } from './config.ts';

/** `null`: nobody takes this machine away. */
export function noticesFor(
  { provider, metadataUrl, noticeSeconds }: Pick<AgentConfig, 'provider' | 'metadataUrl' | 'noticeSeconds'>,
  clock: Clock,
): NoticeSource | null {
  const options = { clock, ...(metadataUrl === null ? {} : { url: metadataUrl }), pauseSeconds: noticeSeconds };
  switch (provider) {
    case 'aws':
      return new AwsSpotNotices(options);
    case 'gcp':
      return new GcpPreemptionNotices({ ...options, pauseSeconds: Math.min(1, noticeSeconds) });
    case 'azure':
      return new AzureScheduledEvents(options);
    case 'external':
      return null;
  }
}
