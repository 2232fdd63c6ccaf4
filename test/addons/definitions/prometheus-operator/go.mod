// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/prometheus-operator

go 1.24.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
