# Machines reach the internet by an address of their own, and nothing reaches them: a network without a rule lets nothing in.

resource "google_compute_network" "machines" {
  name                    = "shoal-${var.stage}"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.this]
}

resource "google_compute_subnetwork" "machines" {
  name                     = "shoal-${var.stage}"
  network                  = google_compute_network.machines.id
  region                   = var.region
  ip_cidr_range            = "10.214.0.0/16"
  private_ip_google_access = true
}
