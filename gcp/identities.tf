# Service accounts, none with a key: the control plane, which AWS vouches for; machines; the bridge and the reaper; and those
# in whose name Pub/Sub and the clock call these two.

resource "google_service_account" "this" {
  for_each     = toset(["control", "worker", "bridge", "reaper", "push", "timer", "build"])
  account_id   = "shoal-${var.stage}-${each.key}"
  display_name = "Shoal ${var.stage}: ${each.key}"
  depends_on   = [google_project_service.this]
}

# ── Whom AWS vouches for ───────────────────────────────────────────────────────────────────────────────────────────────

resource "google_iam_workload_identity_pool" "aws" {
  workload_identity_pool_id = "shoal-${var.stage}"
  display_name              = "Shoal ${var.stage}"
  depends_on                = [google_project_service.this]
}

# A function of the stack is the control plane here if AWS signs that it has one of these roles. The framework names them.
resource "google_iam_workload_identity_pool_provider" "aws" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.aws.workload_identity_pool_id
  workload_identity_pool_provider_id = "aws"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub in ${jsonencode(local.reaching_roles)}"
  oidc {
    issuer_uri = var.aws_issuer
  }
}

resource "google_service_account_iam_member" "control_by_aws" {
  service_account_id = google_service_account.this["control"].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.aws.name}/*"
}

# ── Machines on Compute Engine ─────────────────────────────────────────────────────────────────────────────────────────

# Launching, and looking: Compute Engine knows no labels in conditions, and a launch by pattern has no names yet.
resource "google_project_iam_custom_role" "launch" {
  role_id = "shoal_${var.stage}_launch"
  title   = "Shoal ${var.stage}: launches machines"
  permissions = [
    "compute.disks.create",
    "compute.globalOperations.list",
    "compute.instances.create",
    "compute.instances.get",
    "compute.instances.getSerialPortOutput",
    "compute.instances.list",
    "compute.instances.setLabels",
    "compute.instances.setMetadata",
    "compute.instances.setServiceAccount",
    "compute.machineTypes.list",
    "compute.regionOperations.get",
    "compute.regions.get",
    "compute.subnetworks.use",
    "compute.subnetworks.useExternalIp",
  ]
}

resource "google_project_iam_custom_role" "look" {
  role_id     = "shoal_${var.stage}_look"
  title       = "Shoal ${var.stage}: lists machines"
  permissions = ["compute.globalOperations.list", "compute.instances.list"]
}

resource "google_project_iam_custom_role" "end" {
  role_id     = "shoal_${var.stage}_end"
  title       = "Shoal ${var.stage}: deletes machines"
  permissions = ["compute.instances.delete"]
}

resource "google_project_iam_member" "control_launches" {
  project = var.project
  role    = google_project_iam_custom_role.launch.id
  member  = google_service_account.this["control"].member
}

resource "google_project_iam_member" "reaper_looks" {
  project = var.project
  role    = google_project_iam_custom_role.look.id
  member  = google_service_account.this["reaper"].member
}

# Machines of this stage and no others, by their names (adapters/gcp/gce-instance-id.ts).
resource "google_project_iam_member" "ends" {
  for_each = toset(["control", "reaper"])
  project  = var.project
  role     = google_project_iam_custom_role.end.id
  member   = google_service_account.this[each.key].member
  condition {
    title      = "machines of this stage"
    expression = "resource.type == \"compute.googleapis.com/Instance\" && resource.name.extract(\"/instances/{name}\").startsWith(\"shoal-${var.stage}-\")"
  }
}

# It hands machines that one identity.
resource "google_service_account_iam_member" "control_hands_worker" {
  service_account_id = google_service_account.this["worker"].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.this["control"].member
}

# ── Queues ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "google_pubsub_topic_iam_member" "control_sends" {
  for_each = google_pubsub_topic.tasks
  topic    = each.value.id
  role     = "roles/pubsub.publisher"
  member   = google_service_account.this["control"].member
}

# It returns the leases of machines that are gone, and asks whether a queue answers.
resource "google_pubsub_subscription_iam_member" "control_returns" {
  for_each     = google_pubsub_subscription.tasks
  subscription = each.value.id
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.this["control"].member
}

resource "google_pubsub_subscription_iam_member" "control_asks" {
  for_each     = google_pubsub_subscription.tasks
  subscription = each.value.id
  role         = "roles/pubsub.viewer"
  member       = google_service_account.this["control"].member
}

resource "google_pubsub_subscription_iam_member" "worker_leases" {
  for_each     = google_pubsub_subscription.tasks
  subscription = each.value.id
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.this["worker"].member
}

resource "google_pubsub_topic_iam_member" "worker_reports" {
  topic  = google_pubsub_topic.pushed[local.status_queue].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.this["worker"].member
}

# ── Bucket ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "google_storage_bucket_iam_member" "control" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectUser"
  member = google_service_account.this["control"].member
}

# Machines read everything that is there, and write below jobs/ alone: never what other machines run, or are told.
resource "google_storage_bucket_iam_member" "worker_reads" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.this["worker"].member
}

resource "google_storage_bucket_iam_member" "worker_writes" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectUser"
  member = google_service_account.this["worker"].member
  condition {
    title      = "below jobs/"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.data.name}/objects/jobs/\")"
  }
}
