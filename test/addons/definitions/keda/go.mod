// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/keda

go 1.26.0

require github.com/kedacore/keda/v2 v2.21.0
