#!/usr/bin/env bash
# Builds the functions, applies the Terraform here, and uploads what machines run, under its hash. To be run before
# `npx sls deploy`: nothing is to refer to what is not there yet. Running it again changes nothing.
#
# What follows is handed to `terraform apply`, such as -auto-approve. It needs the Google Cloud CLI, logged in
# (`gcloud auth application-default login` for Terraform, `gcloud auth login` for the upload).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/node_modules/.bin:$PATH # Node 24 comes with the project

for program in gcloud terraform node; do
  command -v "$program" >/dev/null || {
    echo "there is no $program on this machine" >&2
    exit 1
  }
done

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

echo 'building the functions and what machines run'
node gcp/build.ts .shoal/gcp-functions
node cli/write-artifacts.ts "$work/artifacts"

terraform -chdir=gcp init -input=false
terraform -chdir=gcp apply "$@"

bucket=$(terraform -chdir=gcp output -raw bucket)
echo "uploading what machines run to gs://$bucket"
gcloud storage cp --recursive --no-clobber "$work/artifacts" "gs://$bucket/"

echo 'what fleets.yml is to say, beside other clouds:'
terraform -chdir=gcp output -raw clouds_gcp
echo 'next: npx sls deploy'
