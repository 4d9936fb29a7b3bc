# Inputs, results, the control documents, and what machines run.

resource "google_storage_bucket" "data" {
  name                        = "${var.project}-shoal-${var.stage}"
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  depends_on                  = [google_project_service.this]

  lifecycle_rule {
    condition {
      age            = var.job_days
      matches_prefix = ["jobs/"]
    }
    action {
      type = "Delete"
    }
  }
}
