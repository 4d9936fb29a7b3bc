# Basic: it costs nothing while nothing is sent, and queues are all that is needed.
resource "azurerm_servicebus_namespace" "shoal" {
  name                = local.namespace
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  sku                 = "Basic"
  # Identities only: there are no keys to lose.
  local_auth_enabled  = false
  minimum_tls_version = "1.2"
  tags                = local.tags
}

# A queue a fleet and priority. The lock is renewed by whoever works (adapters/lease-renewal.ts); received six times without an
# outcome, a message goes to the dead letters, and by the bridge to those of AWS.
resource "azurerm_servicebus_queue" "tasks" {
  for_each                             = local.task_queues
  name                                 = each.key
  namespace_id                         = azurerm_servicebus_namespace.shoal.id
  lock_duration                        = "PT1M"
  max_delivery_count                   = 6
  default_message_ttl                  = "P14D"
  max_size_in_megabytes                = 5120
  dead_lettering_on_message_expiration = true
}

# Reports that could not be carried so often wait among its dead letters, which the bridge carries too.
resource "azurerm_servicebus_queue" "status" {
  name                                 = local.status_queue
  namespace_id                         = azurerm_servicebus_namespace.shoal.id
  lock_duration                        = "PT1M"
  max_delivery_count                   = 6
  default_message_ttl                  = "P14D"
  max_size_in_megabytes                = 5120
  dead_lettering_on_message_expiration = true
}
