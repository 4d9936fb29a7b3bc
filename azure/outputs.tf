output "clouds_azure" {
  description = "What ../fleets.yml is to say under `clouds`: `terraform output -raw clouds_azure`."
  value       = yamlencode({ azure = local.cloud })
}

output "resource_group" {
  value = azurerm_resource_group.shoal.name
}

output "function_app" {
  value = azurerm_function_app_flex_consumption.functions.name
}

output "storage_account" {
  value = azurerm_storage_account.data.name
}

output "container" {
  value = azurerm_storage_container.data.name
}
