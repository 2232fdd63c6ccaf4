// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/cert-manager

go 1.26.0

require github.com/cert-manager/cert-manager v1.21.2
