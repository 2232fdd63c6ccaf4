// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/istio

go 1.24.0

require istio.io/api v1.32.0
