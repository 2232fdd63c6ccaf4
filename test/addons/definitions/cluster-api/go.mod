// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/cluster-api

go 1.26.0

require sigs.k8s.io/cluster-api v1.14.2
