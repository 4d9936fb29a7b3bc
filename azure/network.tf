# Each machine has an address of its own to reach the internet by: a NAT gateway would cost more than most fleets. Nothing
# gets in.

resource "azurerm_virtual_network" "shoal" {
  name                = "shoal-${var.stage}"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  address_space       = ["10.214.0.0/16"]
  tags                = local.tags
}

resource "azurerm_subnet" "machines" {
  name                 = "machines"
  resource_group_name  = azurerm_resource_group.shoal.name
  virtual_network_name = azurerm_virtual_network.shoal.name
  address_prefixes     = ["10.214.0.0/18"]
}

resource "azurerm_network_security_group" "machines" {
  name                = "shoal-${var.stage}-machines"
  location            = var.region
  resource_group_name = azurerm_resource_group.shoal.name
  tags                = local.tags

  # From anywhere, the network itself included: machines have nothing to say to each other.
  security_rule {
    name                       = "nothing-in"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "machines" {
  subnet_id                 = azurerm_subnet.machines.id
  network_security_group_id = azurerm_network_security_group.machines.id
}
