# The bridge and the reaper. Their code is deployed by deploy.sh.

resource "azurerm_service_plan" "functions" {
  name                = "shoal-${var.stage}"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  os_type             = "Linux"
  sku_name            = "FC1" # Flex Consumption: nothing runs while nothing comes
  tags                = local.tags
}

resource "azurerm_function_app_flex_consumption" "functions" {
  name                = "shoal-${var.stage}-${local.suffix}"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  service_plan_id     = azurerm_service_plan.functions.id
  https_only          = true

  runtime_name           = "node"
  runtime_version        = "22" # azure/build.ts bundles for it
  instance_memory_in_mb  = 2048
  maximum_instance_count = 40

  storage_container_type            = "blobContainer"
  storage_container_endpoint        = "${azurerm_storage_account.functions.primary_blob_endpoint}${azurerm_storage_container.packages.name}"
  storage_authentication_type       = "UserAssignedIdentity"
  storage_user_assigned_identity_id = azurerm_user_assigned_identity.bridge.id

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.bridge.id]
  }

  app_settings = {
    AzureWebJobsStorage__accountName     = azurerm_storage_account.functions.name
    AzureWebJobsStorage__credential      = "managedidentity"
    AzureWebJobsStorage__clientId        = azurerm_user_assigned_identity.bridge.client_id
    SERVICE_BUS__fullyQualifiedNamespace = "${local.namespace}.servicebus.windows.net"
    SERVICE_BUS__credential              = "managedidentity"
    SERVICE_BUS__clientId                = azurerm_user_assigned_identity.bridge.client_id
    STAGE                                = var.stage
    CLOUD                                = jsonencode(local.cloud)
    TASK_QUEUES                          = join(",", sort(tolist(local.task_queues)))
    CLIENT_ID                            = azurerm_user_assigned_identity.bridge.client_id
    AWS_REGION                           = var.aws_region
    AWS_ROLE_ARN                         = "arn:aws:iam::${var.aws_account_id}:role/shoal-bridge-azure-${var.stage}"
    STATUS_QUEUE_URL                     = "https://sqs.${var.aws_region}.amazonaws.com/${var.aws_account_id}/shoal-status-${var.stage}"
    DEAD_LETTERS_QUEUE_URL               = "https://sqs.${var.aws_region}.amazonaws.com/${var.aws_account_id}/shoal-dead-letters-${var.stage}"
  }

  # Nobody calls these functions, they listen to queues and to the clock; what is public is where their code is deployed.
  site_config {}

  tags       = local.tags
  depends_on = [azurerm_role_assignment.bridge_host]
}
