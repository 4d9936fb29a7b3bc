#!/usr/bin/env bash
# Uploads what machines run, under its hash, and deploys the functions. To be run after `terraform apply`, and before
# `npx sls deploy`: nothing is to refer to what is not there yet. Running it again changes nothing.
#
# It needs the Azure CLI, logged in (`az login`) as who applied the Terraform.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/node_modules/.bin:$PATH # Node 24 comes with the project

for program in az terraform node; do
  command -v "$program" >/dev/null || {
    echo "there is no $program on this machine" >&2
    exit 1
  }
done

told() { terraform -chdir=azure output -raw "$1"; }
account=$(told storage_account)
container=$(told container)
group=$(told resource_group)
app=$(told function_app)

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

echo 'building what machines run'
node cli/write-artifacts.ts "$work/artifacts"
echo "uploading it to $account/$container"
az storage blob upload-batch --auth-mode login --account-name "$account" --destination "$container" \
  --destination-path artifacts --source "$work/artifacts" --overwrite true --only-show-errors --output none

echo 'building the functions'
node azure/build.ts "$work/functions"
echo "deploying them to $app"
az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src "$work/functions.zip" \
  --only-show-errors --output none

echo 'done; next: npx sls deploy, if what machines run has changed'
