terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.40"
    }
    # For one application: the audience of the bridge's tokens. It needs the right to make applications.
    azuread = {
      source  = "hashicorp/azuread"
      version = "~> 3.0"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id
  # No account key is ever used.
  storage_use_azuread = true
  features {}
}

provider "azuread" {}
