/** What ARM takes as a machine ("Virtual Machines - Create Or Update", api-version 2024-07-01): what we send of it, and no more. */
import { z } from 'zod';
import { Refusal } from './arm-refusal.ts';

const resourceId = z.string().regex(/^\/subscriptions\/[\w-]+\/resourceGroups\/[\w.()-]+\/providers\/[\w./-]+$/i);

const networkSchema = z.strictObject({
  networkApiVersion: z.iso.date(),
  networkInterfaceConfigurations: z
    .array(
      z.strictObject({
        name: z.string(),
        properties: z.strictObject({
          primary: z.literal(true),
          deleteOption: z.literal('Delete'),
          ipConfigurations: z.array(
            z.strictObject({
              name: z.string(),
              properties: z.strictObject({
                subnet: z.strictObject({ id: resourceId }),
                publicIPAddressConfiguration: z.strictObject({
                  name: z.string(),
                  sku: z.strictObject({ name: z.enum(['Basic', 'Standard']), tier: z.literal('Regional') }),
                  properties: z.strictObject({
                    deleteOption: z.literal('Delete'),
                    publicIPAllocationMethod: z.enum(['Dynamic', 'Static']),
                  }),
                }),
              }),
            }),
          ),
        }),
      }),
    )
    .length(1),
});

const imageSchema = z.union([
  z.strictObject({ id: resourceId }),
  z.strictObject({ publisher: z.string(), offer: z.string(), sku: z.string(), version: z.string() }),
]);

/** "ssh-rsa", exponent, modulus: RFC 4253, 6.6. "Azure supports … RSA with a minimum length of 2048 bits". */
const sshKey = z.string().refine((key) => {
  const blob = Buffer.from(/^ssh-rsa ([A-Za-z0-9+/=]+) \w+$/.exec(key)?.[1] ?? '', 'base64');
  const parts: Buffer[] = [];
  for (let at = 0; at + 4 <= blob.length; at += 4 + blob.readUInt32BE(at)) {
    parts.push(blob.subarray(at + 4, at + 4 + blob.readUInt32BE(at)));
  }
  return parts.length === 3 && parts[0]?.toString() === 'ssh-rsa' && (parts[2]?.length ?? 0) >= 257;
});

const machineSchema = z.strictObject({
  location: z.string(),
  // "Use tags to organize your Azure resources": characters and lengths.
  tags: z.record(z.string().regex(/^[^<>%&\\?/]{1,512}$/), z.string().max(256)),
  identity: z.strictObject({
    type: z.literal('UserAssigned'),
    userAssignedIdentities: z.record(resourceId, z.strictObject({})),
  }),
  properties: z.strictObject({
    priority: z.enum(['Spot', 'Regular']),
    evictionPolicy: z.enum(['Delete', 'Deallocate']).optional(),
    billingProfile: z.strictObject({ maxPrice: z.number() }).optional(),
    hardwareProfile: z.strictObject({ vmSize: z.string() }),
    storageProfile: z.strictObject({
      imageReference: imageSchema,
      osDisk: z.strictObject({
        createOption: z.literal('FromImage'),
        deleteOption: z.literal('Delete'),
        diskSizeGB: z.int().min(30).max(4_095),
        managedDisk: z.strictObject({ storageAccountType: z.enum(['StandardSSD_LRS', 'Premium_LRS', 'Standard_LRS']) }),
      }),
    }),
    osProfile: z.strictObject({
      // "Naming rules and restrictions for Azure resources".
      computerName: z.string().min(1).max(64),
      adminUsername: z.string().min(1),
      customData: z.base64().max(87_380),
      linuxConfiguration: z.strictObject({
        disablePasswordAuthentication: z.literal(true),
        ssh: z.strictObject({ publicKeys: z.array(z.strictObject({ path: z.string(), keyData: sshKey })).min(1) }),
      }),
    }),
    networkProfile: networkSchema,
    scheduledEventsProfile: z.strictObject({
      terminateNotificationProfile: z.strictObject({
        enable: z.boolean(),
        notBeforeTimeout: z.string().regex(/^PT([5-9]|1[0-5])M$/),
      }),
    }),
    diagnosticsProfile: z.strictObject({ bootDiagnostics: z.strictObject({ enabled: z.boolean() }) }),
  }),
});
export type ArmMachineBody = z.infer<typeof machineSchema>;

/** @throws Refusal as ARM would */
export function checkedMachine(name: string, json: string): ArmMachineBody {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(name)) throw new Refusal(400, 'InvalidParameter', `${name} is no name.`);
  const parsed = machineSchema.safeParse(JSON.parse(json));
  if (!parsed.success) throw new Refusal(400, 'InvalidParameter', z.prettifyError(parsed.error));
  const { priority, evictionPolicy, billingProfile } = parsed.data.properties;
  // "Error messages for Azure Spot Virtual Machines and scale sets".
  if (priority === 'Regular' && (evictionPolicy || billingProfile)) {
    const message = 'Eviction policy can be set only on Azure Spot Virtual Machines.';
    throw new Refusal(409, 'EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines', message);
  }
  return parsed.data;
}
