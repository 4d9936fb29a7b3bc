# Three identities, none with a key: the control plane, which AWS vouches for; machines; the bridge.

resource "azurerm_user_assigned_identity" "control" {
  name                = "shoal-${var.stage}-control"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  tags                = local.tags
}

resource "azurerm_user_assigned_identity" "worker" {
  name                = "shoal-${var.stage}-worker"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  tags                = local.tags
}

resource "azurerm_user_assigned_identity" "bridge" {
  name                = "shoal-${var.stage}-bridge"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  tags                = local.tags
}

# A function of the stack on AWS is the control plane here if AWS signs that it has one of these roles. The framework names them.
resource "azurerm_federated_identity_credential" "control" {
  for_each            = local.reaching_functions
  name                = each.key
  resource_group_name = azurerm_resource_group.shoal.name
  parent_id           = azurerm_user_assigned_identity.control.id
  issuer              = var.aws_issuer
  subject             = "arn:aws:iam::${var.aws_account_id}:role/shoal-${var.stage}-${each.key}-${var.aws_region}-lambdaRole"
  audience            = ["api://AzureADTokenExchange"]
}

# What the bridge's tokens for AWS are for. It grants nothing: AWS asks for this audience and for the bridge's own object id.
resource "azuread_application" "aws" {
  display_name    = "shoal-${var.stage}-aws"
  identifier_uris = [local.audience]
}

resource "azuread_service_principal" "aws" {
  client_id = azuread_application.aws.client_id
}

locals {
  machine_parts = ["Microsoft.Compute/disks", "Microsoft.Network/networkInterfaces", "Microsoft.Network/publicIPAddresses"]
  delete_machine = concat(
    ["Microsoft.Compute/virtualMachines/delete"],
    [for part in local.machine_parts : "${part}/delete"],
  )
  service_bus = {
    send_and_count = "Azure Service Bus Data Owner" # how many messages wait is told to no lesser role
    send           = "Azure Service Bus Data Sender"
    receive        = "Azure Service Bus Data Receiver"
  }
}

# ── Control plane ──────────────────────────────────────────────────────────────────────────────────────────────────────

resource "azurerm_role_definition" "control" {
  name  = "shoal-${var.stage}-control"
  scope = azurerm_resource_group.machines.id
  permissions {
    actions = concat(
      local.delete_machine,
      ["Microsoft.Compute/virtualMachines/read", "Microsoft.Compute/virtualMachines/write"],
      flatten([for part in local.machine_parts : ["${part}/read", "${part}/write"]]),
      ["Microsoft.Network/networkInterfaces/join/action", "Microsoft.Network/publicIPAddresses/join/action"],
    )
  }
  assignable_scopes = [azurerm_resource_group.machines.id]
}

resource "azurerm_role_assignment" "control_machines" {
  scope              = azurerm_resource_group.machines.id
  role_definition_id = azurerm_role_definition.control.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.control.principal_id
}

# What Azure lists for a subscription or not at all: which machines are switched off, which sizes there are, how a launch goes.
resource "azurerm_role_definition" "look" {
  name  = "shoal-${var.stage}-look"
  scope = "/subscriptions/${var.subscription_id}"
  permissions {
    actions = [
      "Microsoft.Compute/virtualMachines/read",
      "Microsoft.Compute/skus/read",
      "Microsoft.Compute/locations/operations/read",
    ]
  }
  assignable_scopes = ["/subscriptions/${var.subscription_id}"]
}

resource "azurerm_role_assignment" "look" {
  for_each = {
    control = azurerm_user_assigned_identity.control.principal_id
    bridge  = azurerm_user_assigned_identity.bridge.principal_id
  }
  scope              = "/subscriptions/${var.subscription_id}"
  role_definition_id = azurerm_role_definition.look.role_definition_resource_id
  principal_id       = each.value
}

resource "azurerm_role_definition" "join_subnet" {
  name  = "shoal-${var.stage}-join-subnet"
  scope = azurerm_resource_group.shoal.id
  permissions {
    actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
  }
  assignable_scopes = [azurerm_resource_group.shoal.id]
}

resource "azurerm_role_assignment" "control_subnet" {
  scope              = azurerm_subnet.machines.id
  role_definition_id = azurerm_role_definition.join_subnet.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.control.principal_id
}

# It hands machines that one identity.
resource "azurerm_role_assignment" "control_worker" {
  scope                = azurerm_user_assigned_identity.worker.id
  role_definition_name = "Managed Identity Operator"
  principal_id         = azurerm_user_assigned_identity.control.principal_id
}

resource "azurerm_role_assignment" "control_tasks" {
  for_each             = azurerm_servicebus_queue.tasks
  scope                = each.value.id
  role_definition_name = local.service_bus.send_and_count
  principal_id         = azurerm_user_assigned_identity.control.principal_id
}

resource "azurerm_role_assignment" "control_blobs" {
  scope                = azurerm_storage_container.data.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.control.principal_id
}

# Whoever applies this uploads what machines run (deploy.sh).
resource "azurerm_role_assignment" "deployer_blobs" {
  scope                = azurerm_storage_container.data.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = data.azurerm_client_config.this.object_id
}

# ── Machines ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# A machine that is only switched off costs on: it deletes itself (worker-bootstrap/platforms/azure.ts). Azure knows no role
# for oneself alone; in that resource group there is nothing but machines.
resource "azurerm_role_definition" "worker" {
  name  = "shoal-${var.stage}-worker"
  scope = azurerm_resource_group.machines.id
  permissions {
    actions = local.delete_machine
  }
  assignable_scopes = [azurerm_resource_group.machines.id]
}

resource "azurerm_role_assignment" "worker_machines" {
  scope              = azurerm_resource_group.machines.id
  role_definition_id = azurerm_role_definition.worker.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.worker.principal_id
}

resource "azurerm_role_assignment" "worker_tasks" {
  for_each             = azurerm_servicebus_queue.tasks
  scope                = each.value.id
  role_definition_name = local.service_bus.receive
  principal_id         = azurerm_user_assigned_identity.worker.principal_id
}

resource "azurerm_role_assignment" "worker_status" {
  scope                = azurerm_servicebus_queue.status.id
  role_definition_name = local.service_bus.send
  principal_id         = azurerm_user_assigned_identity.worker.principal_id
}

# Machines read everything that is there, and write and delete below jobs/ alone: never what other machines run, or are told.
resource "azurerm_role_assignment" "worker_blobs" {
  scope                = azurerm_storage_container.data.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.worker.principal_id
  condition_version    = "2.0"
  condition            = <<-END
    (
      (
        !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'})
        AND !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'})
        AND !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action'})
        AND !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'})
      )
      OR
      (
        @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike 'jobs/*'
      )
    )
  END
}

# ── Bridge ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "azurerm_role_definition" "reaper" {
  name  = "shoal-${var.stage}-reaper"
  scope = azurerm_resource_group.machines.id
  permissions {
    actions = concat(local.delete_machine, ["Microsoft.Compute/virtualMachines/read"])
  }
  assignable_scopes = [azurerm_resource_group.machines.id]
}

resource "azurerm_role_assignment" "bridge_machines" {
  scope              = azurerm_resource_group.machines.id
  role_definition_id = azurerm_role_definition.reaper.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.bridge.principal_id
}

# Without the right to manage queues the host does not learn how long they are: it adds instances by how old the first message is.
resource "azurerm_role_assignment" "bridge_queues" {
  for_each             = merge(azurerm_servicebus_queue.tasks, { (local.status_queue) = azurerm_servicebus_queue.status })
  scope                = each.value.id
  role_definition_name = local.service_bus.receive
  principal_id         = azurerm_user_assigned_identity.bridge.principal_id
}

# What the host of a function app keeps: its package, leases, when timers ran.
resource "azurerm_role_assignment" "bridge_host" {
  for_each             = toset(["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"])
  scope                = azurerm_storage_account.functions.id
  role_definition_name = each.key
  principal_id         = azurerm_user_assigned_identity.bridge.principal_id
}
