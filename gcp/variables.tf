variable "project" {
  type        = string
  description = "The id of the project that machines are rented in."
}

variable "stage" {
  type        = string
  default     = "dev"
  description = "As in `sls deploy --stage`."
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,9}$", var.stage))
    error_message = "A stage is a lower-case letter, then letters and digits, ten at most: it is part of names."
  }
}

variable "region" {
  type        = string
  default     = "europe-west4"
  description = "Where everything is."
}

variable "aws_account_id" {
  type        = string
  description = "The account of the stack on AWS."
  validation {
    condition     = can(regex("^\\d{12}$", var.aws_account_id))
    error_message = "An AWS account id has twelve digits."
  }
}

variable "aws_region" {
  type        = string
  default     = "us-east-1"
  description = "As in `sls deploy --region`."
}

variable "aws_issuer" {
  type        = string
  description = "Who signs for the functions of that account: `aws iam get-outbound-web-identity-federation-info`, once `aws iam enable-outbound-web-identity-federation` was run."
  validation {
    condition     = can(regex("^https://[^/]+$", var.aws_issuer))
    error_message = "The issuer is an https:// address without a path."
  }
}

variable "job_days" {
  type        = number
  default     = 90
  description = "Inputs, results and logs of a job are deleted after that."
}
