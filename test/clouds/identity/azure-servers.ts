/** Azure's answers on identity: those of the metadata server, of a function app, and of Entra. */
import type { Clock } from '../../../core/ports.ts';
import type { Recorded, Reply } from '../recording-server.ts';

interface Life {
  readonly lifeSeconds?: number;
}

/** "How to use managed identities for Azure resources on an Azure VM to acquire an access token": everything is a string. */
export function azureMachineIdentity(clock: Clock, { lifeSeconds = 86_400 }: Life = {}) {
  let tokens = 0;
  return ({ path, query, headers }: Recorded): Reply | undefined => {
    if (headers['metadata'] !== 'true') return { status: 400 };
    if (path !== '/metadata/identity/oauth2/token') return undefined;
    tokens += 1;
    const expires_on = String(Math.floor(clock.now().getTime() / 1_000) + lifeSeconds);
    const { resource } = query;
    return {
      body: {
        access_token: `azure.machine-${tokens}.signature`,
        refresh_token: '',
        expires_in: String(lifeSeconds),
        expires_on,
        not_before: expires_on,
        resource,
        token_type: 'Bearer',
      },
    };
  };
}

/** "How to use managed identities for App Service and Azure Functions", REST endpoint reference. */
export const azureFunctionAppIdentity =
  (clock: Clock, secret: string, { lifeSeconds = 86_400 }: Life = {}) =>
  ({ query, headers }: Recorded): Reply | undefined => {
    if (headers['x-identity-header'] !== secret || query['api-version'] !== '2019-08-01') return { status: 401 };
    const expires_on = String(Math.floor(clock.now().getTime() / 1_000) + lifeSeconds);
    const { resource, client_id } = query;
    return { body: { access_token: 'azure.app.signature', expires_on, resource, token_type: 'Bearer', client_id } };
  };

/** "Microsoft identity platform and the OAuth 2.0 client credentials flow", successful response. */
export function entra(tenantId: string, { lifeSeconds = 3_599 }: Life = {}) {
  let tokens = 0;
  return ({ method, path }: Recorded): Reply | undefined => {
    if (method !== 'POST' || path !== `/${tenantId}/oauth2/v2.0/token`) return undefined;
    tokens += 1;
    return {
      body: { token_type: 'Bearer', expires_in: lifeSeconds, access_token: `azure.control-${tokens}.signature` },
    };
  };
}

/** "Microsoft Entra authentication and authorization error codes", sample error response. */
export const entraFailure = (error: string, code: number, text: string, status = 401): Reply => ({
  status,
  body: {
    error,
    error_description: `AADSTS${code}: ${text} Trace ID: 0 Correlation ID: 0 Timestamp: 2026-03-01 12:00:00Z`,
    error_codes: [code],
    timestamp: '2026-03-01 12:00:00Z',
    trace_id: '0',
    correlation_id: '0',
  },
});
