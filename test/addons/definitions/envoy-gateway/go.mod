// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/envoy-gateway

go 1.25.6

require github.com/envoyproxy/gateway v1.7.0
