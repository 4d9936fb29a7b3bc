# Everything that fleets on Azure need. What is a fleet is said in ../fleets.yml and nowhere else.

locals {
  fleets = [for name, fleet in yamldecode(file("${path.module}/../fleets.yml")).fleets : name if fleet.provider == "azure"]
  # As core/ids.ts and core/clouds.ts make the names.
  task_queues  = toset([for pair in setproduct(local.fleets, ["high", "normal", "low"]) : "shoal-tasks-${pair[0]}-${pair[1]}-${var.stage}"])
  status_queue = "shoal-status-${var.stage}"

  # Names that all of Azure shares.
  suffix    = substr(sha1("${var.subscription_id}/${var.stage}"), 0, 8)
  namespace = "shoal-${var.stage}-${local.suffix}"
  audience  = "api://${data.azurerm_client_config.this.tenant_id}/shoal-${var.stage}"

  # Functions of the stack that reach other clouds (resources/other-clouds.ts), by the names of their roles.
  reaching_functions = toset(["submit", "cancel", "amend", "query", "status-consumer", "delayed", "dead-letter", "scaler", "job-steps"])

  # What fleets.yml is to say under `clouds.azure`.
  cloud = {
    tenantId          = data.azurerm_client_config.this.tenant_id
    subscriptionId    = var.subscription_id
    controlClientId   = azurerm_user_assigned_identity.control.client_id
    resourceGroup     = azurerm_resource_group.machines.name
    region            = var.region
    namespace         = local.namespace
    storageAccount    = azurerm_storage_account.data.name
    container         = azurerm_storage_container.data.name
    workerIdentityId  = azurerm_user_assigned_identity.worker.id
    bridgePrincipalId = azurerm_user_assigned_identity.bridge.principal_id
    bridgeAudience    = local.audience
    subnetId          = azurerm_subnet.machines.id
  }

  tags = { app = "shoal", stage = var.stage }
}

data "azurerm_client_config" "this" {}

resource "azurerm_resource_group" "shoal" {
  name     = "shoal-${var.stage}"
  location = var.region
  tags     = local.tags
}

# Nothing but machines, their disks, interfaces and addresses: whoever may delete here can harm nothing else.
resource "azurerm_resource_group" "machines" {
  name     = "shoal-${var.stage}-machines"
  location = var.region
  tags     = local.tags
}
