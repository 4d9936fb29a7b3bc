/**
 * The fields that our manifests use, and no others: a field with a typing error, or in the wrong place, is refused as an API
 * server that validates strictly would refuse it. After "Kubernetes API reference" (v1.32: core/v1, apps/v1, batch/v1,
 * networking.k8s.io/v1, policy/v1, rbac.authorization.k8s.io/v1), and "ScaledJob specification", "AWS SQS Queue" and "AWS (IRSA) Pod
 * Identity Webhook" of KEDA's documentation.
 */
import { z } from 'zod';

const dnsLabel = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const strings = z.record(z.string(), z.string());
const seconds = z.int().nonnegative();
const quantity = z.string().regex(/^\d+(\.\d+)?(m|[KMGT]i?)?$/);
const resources = z.strictObject({ cpu: quantity, memory: quantity, 'ephemeral-storage': quantity });
const selector = z.strictObject({ matchLabels: strings });

const metadata = z.strictObject({
  name: dnsLabel,
  namespace: dnsLabel.optional(),
  labels: strings.optional(),
  annotations: strings.optional(),
});

const environmentVariable = z.union([
  z.strictObject({ name: z.string().regex(/^[A-Z][A-Z0-9_]*$/), value: z.string() }),
  z.strictObject({
    name: z.string().regex(/^[A-Z][A-Z0-9_]*$/),
    valueFrom: z.strictObject({
      resourceFieldRef: z.strictObject({
        resource: z.enum(['limits.cpu', 'limits.memory', 'limits.ephemeral-storage']),
        divisor: quantity,
      }),
    }),
  }),
]);

/** As the Pod Security Standards' profile "restricted" wants a container to be. */
const container = z.strictObject({
  name: dnsLabel,
  image: z.string().regex(/^[\w./-]+:[\w.-]+$/),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name: dnsLabel }) })),
  env: z.array(environmentVariable),
  resources: z.strictObject({ requests: resources, limits: resources }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z.array(z.strictObject({ name: dnsLabel, mountPath: z.string().startsWith('/') })),
  readinessProbe: z
    .strictObject({ exec: z.strictObject({ command: z.array(z.string()) }), periodSeconds: z.int().positive() })
    .optional(),
});

const podSpec = z.strictObject({
  restartPolicy: z.enum(['Always', 'Never', 'OnFailure']).default('Always'),
  serviceAccountName: dnsLabel,
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  terminationGracePeriodSeconds: seconds,
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().positive(),
    runAsGroup: z.int().positive(),
    fsGroup: z.int().positive(),
    seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
  }),
  containers: z.tuple([container]),
  volumes: z.array(z.strictObject({ name: dnsLabel, emptyDir: z.strictObject({ sizeLimit: quantity.optional() }) })),
});

export const podTemplate = z.strictObject({
  metadata: z.strictObject({ labels: strings, annotations: strings.optional() }),
  spec: podSpec,
});
export type PodTemplate = z.infer<typeof podTemplate>;

const resource = <Kind extends string, Spec extends z.ZodRawShape>(apiVersion: string, kind: Kind, rest: Spec) =>
  z.strictObject({ apiVersion: z.literal(apiVersion), kind: z.literal(kind), metadata, ...rest });

export const deployment = resource('apps/v1', 'Deployment', {
  spec: z.strictObject({
    replicas: seconds,
    strategy: z.strictObject({
      type: z.literal('RollingUpdate'),
      rollingUpdate: z.strictObject({ maxSurge: z.int(), maxUnavailable: z.int() }),
    }),
    selector,
    template: podTemplate,
  }),
});

const sqsTrigger = z.strictObject({
  type: z.literal('aws-sqs-queue'),
  authenticationRef: z.strictObject({ name: dnsLabel }),
  // KEDA takes numbers and truths as strings.
  metadata: z.strictObject({
    queueURLFromEnv: z.string(),
    awsRegion: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/),
    queueLength: z.string().regex(/^[1-9]\d*$/),
    scaleOnInFlight: z.enum(['true', 'false']),
  }),
});

export const scaledJob = resource('keda.sh/v1alpha1', 'ScaledJob', {
  spec: z.strictObject({
    pollingInterval: z.int().positive(),
    minReplicaCount: seconds,
    maxReplicaCount: z.int().positive(),
    successfulJobsHistoryLimit: seconds,
    failedJobsHistoryLimit: seconds,
    rollout: z.strictObject({ strategy: z.enum(['default', 'gradual']) }),
    scalingStrategy: z.strictObject({
      strategy: z.enum(['default', 'custom', 'accurate', 'eager']),
      multipleScalersCalculation: z.enum(['max', 'min', 'avg', 'sum']),
    }),
    jobTargetRef: z.strictObject({
      parallelism: z.int().positive(),
      completions: z.int().positive(),
      backoffLimit: seconds,
      activeDeadlineSeconds: z.int().positive(),
      ttlSecondsAfterFinished: seconds,
      template: podTemplate,
    }),
    triggers: z.array(sqsTrigger).min(1),
  }),
});

const roleRef = z.strictObject({
  apiGroup: z.literal('rbac.authorization.k8s.io'),
  kind: z.literal('Role'),
  name: dnsLabel,
});
const subject = z.strictObject({ kind: z.literal('ServiceAccount'), name: dnsLabel, namespace: dnsLabel });
const ipBlock = z.strictObject({ cidr: z.union([z.cidrv4(), z.cidrv6()]), except: z.array(z.string()) });

export const manifest = z.discriminatedUnion('kind', [
  deployment,
  scaledJob,
  resource('v1', 'Namespace', {}),
  resource('v1', 'ConfigMap', { data: strings }),
  resource('v1', 'ServiceAccount', { automountServiceAccountToken: z.literal(false) }),
  resource('rbac.authorization.k8s.io/v1', 'Role', { rules: z.tuple([]) }),
  resource('rbac.authorization.k8s.io/v1', 'RoleBinding', { roleRef, subjects: z.array(subject) }),
  resource('policy/v1', 'PodDisruptionBudget', {
    spec: z.strictObject({ maxUnavailable: z.int().positive(), selector }),
  }),
  resource('networking.k8s.io/v1', 'NetworkPolicy', {
    spec: z.strictObject({
      podSelector: selector,
      policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
      ingress: z.tuple([]),
      egress: z.array(z.strictObject({ to: z.array(z.strictObject({ ipBlock })) })),
    }),
  }),
  resource('keda.sh/v1alpha1', 'TriggerAuthentication', {
    spec: z.strictObject({ podIdentity: z.strictObject({ provider: z.literal('aws') }) }),
  }),
]);
export type Manifest = z.infer<typeof manifest>;

/** "Kustomization file" of kubectl's documentation. */
export const kustomization = z.strictObject({
  apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
  kind: z.literal('Kustomization'),
  namespace: dnsLabel,
  resources: z.array(z.string()),
  configMapGenerator: z.array(z.strictObject({ name: dnsLabel, envs: z.array(z.string()) })).default([]),
  generatorOptions: z.strictObject({ disableNameSuffixHash: z.boolean() }).optional(),
  images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })).default([]),
  replacements: z
    .array(
      z.strictObject({
        source: z.strictObject({ kind: z.string(), name: dnsLabel, fieldPath: z.string() }),
        targets: z.array(
          z.strictObject({
            select: z.strictObject({ kind: z.string(), name: dnsLabel }),
            fieldPaths: z.array(z.string()),
          }),
        ),
      }),
    )
    .default([]),
});
