# The bridge and the reaper: one package, two functions, each as a service account of its own. The bridge may do nothing on
# Google Cloud; AWS knows it. deploy.sh builds the package before this is applied.

locals {
  package = "${path.module}/../.shoal/gcp-functions.zip"
  queue   = "https://sqs.${var.aws_region}.amazonaws.com/${var.aws_account_id}"
}

resource "google_storage_bucket_object" "functions" {
  bucket = google_storage_bucket.data.name
  name   = "functions/${filesha256(local.package)}.zip"
  source = local.package
}

resource "google_project_iam_member" "builds" {
  project = var.project
  role    = "roles/cloudbuild.builds.builder"
  member  = google_service_account.this["build"].member
}

resource "google_cloudfunctions2_function" "bridge" {
  name        = "shoal-${var.stage}-bridge"
  location    = var.region
  description = "Carries what machines report, and dead letters, home to AWS."
  labels      = local.labels

  build_config {
    runtime         = "nodejs22" # gcp/build.ts bundles for it
    entry_point     = "bridge"
    service_account = google_service_account.this["build"].id
    source {
      storage_source {
        bucket = google_storage_bucket.data.name
        object = google_storage_bucket_object.functions.name
      }
    }
  }
  service_config {
    service_account_email            = google_service_account.this["bridge"].email
    ingress_settings                 = "ALLOW_INTERNAL_ONLY" # Pub/Sub of this project is
    available_memory                 = "512Mi"
    available_cpu                    = "1"
    max_instance_request_concurrency = 80
    max_instance_count               = 20
    timeout_seconds                  = 50 # below the deadline of the subscriptions
    environment_variables = {
      STAGE                  = var.stage
      AWS_REGION             = var.aws_region
      AWS_ROLE_ARN           = "arn:aws:iam::${var.aws_account_id}:role/shoal-bridge-gcp-${var.stage}"
      STATUS_QUEUE_URL       = "${local.queue}/shoal-status-${var.stage}"
      DEAD_LETTERS_QUEUE_URL = "${local.queue}/shoal-dead-letters-${var.stage}"
    }
  }
  depends_on = [google_project_iam_member.builds]
}

resource "google_cloudfunctions2_function" "reaper" {
  name        = "shoal-${var.stage}-reaper"
  location    = var.region
  description = "Ends machines that outlived their lifetime or were stopped, whatever becomes of AWS."
  labels      = local.labels

  build_config {
    runtime         = "nodejs22"
    entry_point     = "reap"
    service_account = google_service_account.this["build"].id
    source {
      storage_source {
        bucket = google_storage_bucket.data.name
        object = google_storage_bucket_object.functions.name
      }
    }
  }
  service_config {
    service_account_email = google_service_account.this["reaper"].email
    ingress_settings      = "ALLOW_INTERNAL_ONLY" # Cloud Scheduler of this project is
    available_memory      = "256Mi"
    max_instance_count    = 1
    timeout_seconds       = 120
    environment_variables = {
      STAGE = var.stage
      CLOUD = jsonencode(local.cloud)
    }
  }
  depends_on = [google_project_iam_member.builds]
}

resource "google_cloud_run_service_iam_member" "callers" {
  for_each = { push = google_cloudfunctions2_function.bridge, timer = google_cloudfunctions2_function.reaper }
  location = each.value.location
  service  = each.value.name
  role     = "roles/run.invoker"
  member   = google_service_account.this[each.key].member
}

# A machine that switches itself off is only stopped, and its disk costs on until somebody looks.
resource "google_cloud_scheduler_job" "reap" {
  name             = "shoal-${var.stage}-reap"
  region           = var.region
  schedule         = "*/5 * * * *"
  attempt_deadline = "180s"
  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.reaper.service_config[0].uri
    oidc_token {
      service_account_email = google_service_account.this["timer"].email
      audience              = google_cloudfunctions2_function.reaper.service_config[0].uri
    }
  }
  depends_on = [google_project_service.this]
}
