// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/cilium

go 1.26.0

require github.com/cilium/cilium v1.20.2
