# Queues: a topic and one subscription each. Machines pull tasks; reports and dead letters are pushed to the bridge.

locals {
  # Shorter than 13 days, and a lost task would be lost for good (docs/adr/0018).
  retention  = "1209600s"
  pubsub     = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  push_paths = { (local.status_queue) = "status", (local.dead_letters) = "dead-letters" }
}

resource "google_pubsub_topic" "tasks" {
  for_each   = local.task_queues
  name       = each.key
  labels     = local.labels
  depends_on = [google_project_service.this]
}

resource "google_pubsub_subscription" "tasks" {
  for_each                   = google_pubsub_topic.tasks
  name                       = each.key
  topic                      = each.value.id
  labels                     = local.labels
  ack_deadline_seconds       = 60 # agents ask for more by themselves (docs/adr/0017)
  message_retention_duration = local.retention

  # Without this policy Pub/Sub counts no deliveries.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.pushed[local.dead_letters].id
    max_delivery_attempts = 6
  }
  expiration_policy {
    ttl = "" # never: a fleet may rest for months
  }
  depends_on = [google_pubsub_topic_iam_member.forwards]
}

resource "google_pubsub_topic" "pushed" {
  for_each   = local.push_paths
  name       = each.key
  labels     = local.labels
  depends_on = [google_project_service.this]
}

# Not by a trigger: its subscription would give up after a day, and nobody could say how it tries again.
resource "google_pubsub_subscription" "pushed" {
  for_each                   = local.push_paths
  name                       = each.key
  topic                      = google_pubsub_topic.pushed[each.key].id
  labels                     = local.labels
  ack_deadline_seconds       = 60
  message_retention_duration = local.retention

  push_config {
    push_endpoint = "${google_cloudfunctions2_function.bridge.service_config[0].uri}/${each.value}"
    oidc_token {
      service_account_email = google_service_account.this["push"].email
      audience              = google_cloudfunctions2_function.bridge.service_config[0].uri
    }
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves what was delivered too often, and signs what it pushes.
resource "google_pubsub_topic_iam_member" "forwards" {
  topic  = google_pubsub_topic.pushed[local.dead_letters].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub
}

resource "google_pubsub_subscription_iam_member" "forwards" {
  for_each     = google_pubsub_subscription.tasks
  subscription = each.value.id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}

resource "google_service_account_iam_member" "signs_pushes" {
  service_account_id = google_service_account.this["push"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub
}
