# Everything that fleets on Google Cloud need. What is a fleet is said in ../fleets.yml and nowhere else.

locals {
  fleets = [for name, fleet in yamldecode(file("${path.module}/../fleets.yml")).fleets : name if fleet.provider == "gcp"]
  # As core/ids.ts and core/clouds.ts make the names: a topic and a subscription of each.
  task_queues  = toset([for pair in setproduct(local.fleets, ["high", "normal", "low"]) : "shoal-tasks-${pair[0]}-${pair[1]}-${var.stage}"])
  status_queue = "shoal-status-${var.stage}"
  dead_letters = "shoal-dead-letters-${var.stage}"

  # Functions of the stack that reach other clouds (resources/other-clouds.ts), by the names of their roles.
  reaching_functions = toset(["submit", "cancel", "amend", "query", "status-consumer", "delayed", "dead-letter", "scaler", "job-steps"])
  reaching_roles     = [for name in local.reaching_functions : "arn:aws:iam::${var.aws_account_id}:role/shoal-${var.stage}-${name}-${var.aws_region}-lambdaRole"]

  # What fleets.yml is to say under `clouds.gcp`.
  cloud = {
    project                  = var.project
    region                   = var.region
    bucket                   = google_storage_bucket.data.name
    workloadIdentityProvider = google_iam_workload_identity_pool_provider.aws.name
    controlServiceAccount    = google_service_account.this["control"].email
    workerServiceAccount     = google_service_account.this["worker"].email
    bridgeServiceAccountId   = google_service_account.this["bridge"].unique_id
    subnetwork               = google_compute_subnetwork.machines.name
  }

  labels = { app = "shoal", stage = var.stage }
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry", "cloudbilling", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler", "compute",
    "iam", "iamcredentials", "pubsub", "run", "storage", "sts",
  ])
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}
