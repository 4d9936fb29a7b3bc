# Inputs, results, checkpoints, logs (jobs/), control documents (control/), what machines run (artifacts/).
resource "azurerm_storage_account" "data" {
  name                            = "shoal${var.stage}${local.suffix}"
  location                        = var.region
  resource_group_name             = azurerm_resource_group.shoal.name
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  tags                            = local.tags
}

resource "azurerm_storage_container" "data" {
  name                  = "shoal"
  storage_account_id    = azurerm_storage_account.data.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "data" {
  storage_account_id = azurerm_storage_account.data.id
  rule {
    name    = "expire-jobs"
    enabled = true
    filters {
      prefix_match = ["${azurerm_storage_container.data.name}/jobs/"]
      blob_types   = ["blockBlob"]
    }
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = var.job_days
      }
    }
  }
}

# Of the function app alone: its host may do anything there.
resource "azurerm_storage_account" "functions" {
  name                            = "shoalfn${var.stage}${local.suffix}"
  location                        = var.region
  resource_group_name             = azurerm_resource_group.shoal.name
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  tags                            = local.tags
}

resource "azurerm_storage_container" "packages" {
  name                  = "packages"
  storage_account_id    = azurerm_storage_account.functions.id
  container_access_type = "private"
}
