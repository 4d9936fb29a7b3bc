output "clouds_gcp" {
  description = "What ../fleets.yml is to say under `clouds`: `terraform output -raw clouds_gcp`."
  value       = yamlencode({ gcp = local.cloud })
}

output "bucket" {
  value = google_storage_bucket.data.name
}
