// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/external-secrets

go 1.25.6

require github.com/external-secrets/external-secrets v1.3.2
